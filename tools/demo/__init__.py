"""
``make demo`` and ``make ui``: an Airflow and an emulator, each in processes of its own.

The system tests start theirs with the same code.
"""
