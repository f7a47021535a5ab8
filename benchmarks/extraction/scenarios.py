"""What is measured: each contestant in its turn, several times, in processes of their own; all rows must be there."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from airflow_provider_exact.client.catalogue import resolve
from benchmarks.extraction.contestants import CONTESTANTS, Task
from benchmarks.extraction.measure import Measured, measure

SYNC = "sync/Project/TimeCostTransactions"
PLAIN = "project/TimeTransactions"


@dataclass(frozen=True)
class Scenario:
    """:param delay: Seconds before each answer."""

    path: str
    rows: int
    delay: float = 0.0

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(prop.name for prop in resolve(self.path).properties if not prop.hidden)

    @property
    def page_size(self) -> int:
        return resolve(self.path).page_size or self.rows

    def __str__(self) -> str:
        late = f", each answer {self.delay * 1000:.0f} ms late" if self.delay else ""
        return f"{self.rows:,} rows, {self.page_size:,} a page{late}"


@dataclass(frozen=True)
class Seen:
    """What a server saw: calls by path, and the seconds that it waited for one after an answer."""

    calls: Counter[str]
    waited: float


@dataclass(frozen=True)
class Result:
    """
    The medians of several runs.

    :param idle: Seconds between an answer and the next call, in which nobody did anything at the other end.
    """

    wall: float
    cpu: float
    imported: float
    needed: float
    peak: float
    first: float
    idle: float
    calls: int
    airflow: tuple[str, ...]

    @classmethod
    def of(cls, runs: list[tuple[Measured, Seen]]) -> Result:
        names = ("wall", "cpu", "imported", "needed", "peak", "first")
        figures = {name: statistics.median(getattr(measured, name) for measured, _ in runs) for name in names}
        return cls(
            **figures,
            idle=statistics.median(seen.waited for _, seen in runs),
            calls=round(statistics.median(seen.calls.total() for _, seen in runs)),
            airflow=runs[-1][0].airflow,
        )


def known_contestants() -> list[str]:
    """Return those whose packages are installed; ``make benchmark`` has them all."""
    return [name for name, (needs, _) in CONTESTANTS.items() if all(map(_is_installed, needs))]


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def compare(scenario: Scenario, contestants: list[str], rounds: int, folder: Path | None = None) -> dict[str, Result]:
    """
    Let contestants do the same, in turns.

    :param folder: Where to write, instead of the folder for temporary files.
    :raises RuntimeError: one of them did not get all rows.
    """
    runs: dict[str, list[tuple[Measured, Seen]]] = {name: [] for name in contestants}
    with server(scenario) as url, tempfile.TemporaryDirectory() as home:
        for _ in range(rounds):
            for name in contestants:
                with tempfile.TemporaryDirectory(dir=folder) as made:
                    task = Task(url, scenario.path, scenario.fields, Path(made))
                    measured = measure(name, task, Path(home))
                    rows = count_rows(task.folder)
                if rows != scenario.rows:
                    raise RuntimeError(f"{scenario}: {name} has {rows:,} rows in its files.")
                runs[name].append((measured, seen_by(url)))
    return {name: Result.of(measured) for name, measured in runs.items()}


@contextlib.contextmanager
def server(scenario: Scenario) -> Iterator[str]:
    """Run the server in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.extraction.server", scenario.path, str(scenario.rows)]
    with subprocess.Popen([*command, "--delay", str(scenario.delay)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def seen_by(url: str) -> Seen:
    """Return what a server saw since it was asked last."""
    found = json.loads(requests.get(f"{url}/_seen", timeout=60).content)
    return Seen(Counter(found["calls"]), found["waited"])


def count_rows(folder: Path) -> int:
    """Return the rows in a folder's files, whatever kind they are of."""
    return sum(_rows_in(path) for path in folder.rglob("*") if path.is_file())


def _rows_in(path: Path) -> int:
    if path.suffix == ".parquet":
        from pyarrow.parquet import ParquetFile

        with ParquetFile(path) as file:
            return int(file.metadata.num_rows)
    mark = {".jsonl": b"\n", ".pages": b'{"__metadata"'}.get(path.suffix)
    if mark is None:
        return 0
    with path.open("rb") as lines:
        return sum(line.count(mark) for line in lines)
