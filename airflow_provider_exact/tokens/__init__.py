"""Tokens in Airflow: a Variable, and a lease for a single refresh at a time."""
