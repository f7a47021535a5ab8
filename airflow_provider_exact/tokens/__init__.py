"""Where Airflow keeps tokens: a Variable, and the lease that lets one worker at a time replace it."""
