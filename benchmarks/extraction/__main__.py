"""
Table in Markdown of the time and memory of an extraction and of other ways to get the same rows.

It needs Linux. Run it with ``make benchmark`` or, where the packages of the group ``benchmarks`` are installed, with
``python -m benchmarks.extraction``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.extraction import report
from benchmarks.extraction.calls import calls_of_a_run_without_changes
from benchmarks.extraction.measure import memory_of_imports
from benchmarks.extraction.scenarios import PLAIN, SYNC, Scenario, compare, known_contestants
from benchmarks.import_cost import medians

SMALL = Scenario(PLAIN, 6_000)
MIDDLE = Scenario(SYNC, 100_000)
LATE = Scenario(SYNC, 100_000, delay=0.05)
LARGE = Scenario(SYNC, 300_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contestant (5); medians are shown")
    parser.add_argument("--folder", type=Path, help="where to write, such as a disk in memory (a temporary folder)")
    given = parser.parse_args()
    names = known_contestants()
    print(
        f"Python {platform.python_version()}, Airflow {version('apache-airflow')}, {os.cpu_count()} processors; "
        f"medians of {given.rounds} runs.\n",
        flush=True,
    )
    results = {}
    for scenario in (SMALL, MIDDLE, LATE, LARGE):
        results[scenario] = compare(scenario, names, given.rounds, given.folder)
        print(report.table(scenario, results[scenario]), flush=True)
    print(report.calls(results, PLAIN, SYNC, calls_of_a_run_without_changes()))
    with tempfile.TemporaryDirectory() as home:
        airflow = results[LARGE][report.JSONL].airflow
        without = {kind: memory_of_imports((*airflow, *more), Path(home)) for kind, more in report.FORMATS.items()}
    print(report.memory(results[SMALL], results[LARGE], without))
    print(report.waiting(LATE, results[LATE]))
    print(report.imports(*medians(7)))


if __name__ == "__main__":
    main()
