"""Operators that take an endpoint's records elsewhere, to files and databases, and what they tell Airflow about it."""
