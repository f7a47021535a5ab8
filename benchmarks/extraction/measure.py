"""
One contestant at work in a process of its own, and what that took (Linux only).

The process imports first and then says that it begins; imports are in no figure but ``imported``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.extraction.contestants import CONTESTANTS, Task

BEGINS = "begins\n"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measured:
    """
    Seconds, and megabytes of resident memory.

    :param first: Until the first bytes of a file could be read, where files are written as rows come.
    :param imported: What the process held before it began.
    :param peak: The most that it held after that.
    :param airflow: The modules of Airflow that were there at the end.
    """

    wall: float
    cpu: float
    imported: float
    peak: float
    first: float = 0.0
    airflow: tuple[str, ...] = ()

    @property
    def needed(self) -> float:
        """Megabytes beyond what was imported."""
        return self.peak - self.imported


def measure(contestant: str, task: Task, home: Path) -> Measured:
    """
    Let a contestant work.

    :param home: A folder for Airflow.
    """
    given = {**asdict(task), "folder": str(task.folder)}
    with _process(home, contestant, json.dumps(given)) as report:
        said, started, first = report.readline(), time.perf_counter(), 0.0
        # A millisecond is near enough, and leaves the processor to the other process.
        while said == BEGINS and not first and not select.select([report], [], [], 0.001)[0]:
            if _has_bytes(task.folder):
                first = time.perf_counter() - started
        found: dict[str, Any] = json.loads(report.readline() or "{}")
    # Seen from here, a file that appears at the end may come a little later.
    return Measured(**found, first=min(first or found["wall"], found["wall"]))


def memory_of_imports(modules: tuple[str, ...], home: Path) -> float:
    """Return the megabytes of a process that imported these modules and did nothing."""
    with _process(home, "", json.dumps(modules)) as report:
        return float(report.readline())


@contextlib.contextmanager
def _process(home: Path, *arguments: str) -> Iterator[Any]:
    """Run this module with these arguments; what it has to report is read from the pipe that is returned."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "benchmarks.extraction.measure", str(writing), *arguments]
    settings = {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PYTHONPATH": str(ROOT)}
    with (home / "output.log").open("w+") as output, os.fdopen(reading) as report:
        process = subprocess.Popen(
            command, env=os.environ | settings, pass_fds=[writing], stdout=output, stderr=subprocess.STDOUT
        )
        os.close(writing)
        try:
            yield report
        finally:
            report.close()
            if process.wait():
                output.seek(0)
                print(output.read()[-4000:], file=sys.stderr)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)


def _has_bytes(folder: Path) -> bool:
    return any((Path(where) / name).stat().st_size for where, _, names in os.walk(folder) for name in names)


def _megabytes(what: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _work(contestant: str, task: Task, report: Any) -> None:
    work = CONTESTANTS[contestant][1](task)
    gc.collect()
    # The peak from here on.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    imported = _megabytes("VmRSS")
    report.write(BEGINS)
    report.flush()
    started, used = time.perf_counter(), _processor_seconds()
    work()
    wall, cpu = time.perf_counter() - started, _processor_seconds() - used
    airflow = tuple(sorted(name for name in sys.modules if name.partition(".")[0] == "airflow"))
    found = {"wall": wall, "cpu": cpu, "imported": imported, "peak": _megabytes("VmHWM"), "airflow": airflow}
    report.write(json.dumps(found) + "\n")


def main() -> None:
    pipe, contestant, given = sys.argv[1:]
    with os.fdopen(int(pipe), "w") as report:
        if contestant:
            known = json.loads(given)
            task = Task(**{**known, "fields": tuple(known["fields"]), "folder": Path(known["folder"])})
            _work(contestant, task, report)
        else:
            for name in json.loads(given):
                importlib.import_module(name)
            report.write(f"{_megabytes('VmRSS')}\n")


if __name__ == "__main__":
    main()
