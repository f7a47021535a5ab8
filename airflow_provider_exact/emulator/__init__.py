"""
A small Exact Online that runs on this machine, for tests and for trying Dags: Exact offers no sandbox.

``python -m airflow_provider_exact.emulator`` starts it; ``emulator.testing`` starts it from a test. It shares the
catalogue of endpoints with the client and nothing else, so that the two check each other.
"""
