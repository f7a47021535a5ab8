"""The page "Exact Online" in Airflow: how connections stand, and signing in."""
