"""``python -m airflow_provider_exact.emulator``."""

import sys

from airflow_provider_exact.emulator.cli import main

if __name__ == "__main__":
    sys.exit(main())
