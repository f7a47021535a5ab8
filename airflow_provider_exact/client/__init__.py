"""Client of Exact Online's API, without Airflow."""
