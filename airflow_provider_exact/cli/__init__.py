"""``airflow exact-online …`` and the console script ``exact-online``."""
