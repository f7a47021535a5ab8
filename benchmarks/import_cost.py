"""
What importing the operators, the sensor and the transfers adds to a Dag file that imports ``airflow.sdk`` anyway.

Every number is the median of fresh interpreters, which measure themselves after ``airflow.sdk`` is there::

    python benchmarks/import_cost.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

OURS = (
    "from airflow_provider_exact.operators.records import ExactOnlineListOperator",
    "from airflow_provider_exact.operators.time_transactions import ExactOnlineCreateTimeTransactionOperator",
    "from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor",
    "from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator",
    "from airflow_provider_exact.transfers.to_sql import ExactOnlineToSqlOperator",
)
# What the same Dag file would pay if HTTP, OAuth2 and the catalogue's data were loaded while it is parsed.
EAGER = (
    *OURS,
    "import oauthlib.oauth2, requests",
    "from airflow_provider_exact.hooks.exact_online import ExactOnlineHook",
    "from airflow_provider_exact.client import catalogue, client",
    "catalogue.load()",
)
MEASURE = """
import time
start = time.perf_counter()
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
ready = time.perf_counter()
{lines}
done = time.perf_counter()
print(ready - start, done - ready)
"""


def measure(lines: tuple[str, ...]) -> tuple[float, float]:
    """Return the seconds for ``airflow.sdk`` and for what comes after it, in an interpreter of their own."""
    script = MEASURE.format(lines="\n".join(lines))
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    base, extra = map(float, done.stdout.split()[-2:])
    return base, extra


def medians(runs: int) -> tuple[float, float, float]:
    """Return the seconds for ``airflow.sdk``, for ours after it, and for all that ours puts off."""
    # Taken in turns, so that a busy moment of the machine hits all of them; the first round warms the disk.
    rounds = [(measure(()), measure(OURS), measure(EAGER)) for _ in range(runs + 1)][1:]
    base = statistics.median(one[0] for results in rounds for one in results)
    ours = statistics.median(results[1][1] for results in rounds)
    eager = statistics.median(results[2][1] for results in rounds)
    return base, ours, eager


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="interpreters to start for each number (7)")
    base, ours, eager = medians(parser.parse_args().runs)
    print(f"airflow.sdk                             {base * 1000:7.0f} ms")
    print(f"  + operators and sensor                {ours * 1000:7.0f} ms   {ours / base:6.1%} more")
    print(f"  + HTTP, OAuth2, hook and catalogue    {eager * 1000:7.0f} ms   {eager / base:6.1%} more, if not put off")


if __name__ == "__main__":
    main()
