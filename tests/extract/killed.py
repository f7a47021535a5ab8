"""
Extractions in processes that are killed before their first, second, third … touch of a file, and later tries.

``python -m tests.extract.killed FOLDER FORMAT MODE`` leaves one folder for each touch, in which the last try came to
its end, and prints how many touches there are.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys
from pathlib import Path

from airflow_provider_exact.extract.files import Files
from tests.extract.records import a_plan, checkpoint, record, rows_for

TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
# Three pages a file; some keys come again, within a file and later.
PAGES = [
    [record("a", 1), record("b", 2)],
    [record("c", 3), record("a", 4)],
    [],
    [record("d", 5), record("e", 6), record("f", 7)],
    [record("b", 9), record("g", 8)],
]
DELETED = [("d",), ("z",)]
EXPECTED = {"a": 4, "b": 9, "c": 3, "d": 5, "e": 6, "f": 7, "g": 8}


def extract(folder: Path, format: str, mode: str, run_id: str) -> None:
    """Do what the engine does: from where the last try was to the end."""
    made = Files(folder, format=format, rows_per_file=3, run_id=run_id, identity="dag.task")
    plan = a_plan(mode=mode)
    made.check_folder(plan)
    at = made.unfinished(plan) or checkpoint(0)
    made.open(plan, at)
    for number, page in enumerate(PAGES[at.pages :], start=at.pages + 1):
        at = checkpoint(number, phase="deletions" if number == len(PAGES) else "records")
        made.write(rows_for(made, page), at)
    if mode == "incremental" and at.phase != "done":
        at = checkpoint(len(PAGES), phase="done")
        made.delete(DELETED, at)
    made.finish(at)


def in_a_process(kill_at: int, folder: Path, *rest: str) -> bool:
    """Return whether it came to its end, rather than being killed."""
    if (process := os.fork()) == 0:
        touched = 0

        def killing(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal touched
            if event in TOUCHES and str(folder) in str(arguments[0]):
                touched += 1
                if touched == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(killing)
        extract(folder, *rest)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status:
        raise SystemExit(f"a try failed: {folder}")
    return True


def main(folder: Path, format: str, mode: str) -> None:
    # Here rather than in every process.
    importlib.import_module("pyarrow.parquet")
    chance = random.Random(5)
    for kill_at in range(1, 1000):
        place = folder / str(kill_at)
        if mode == "full":
            in_a_process(0, place, format, mode, "an earlier run")
        if in_a_process(kill_at, place, format, mode, "run"):
            print(kill_at)
            return
        in_a_process(chance.randint(1, 60), place, format, mode, "run")
        in_a_process(0, place, format, mode, "run")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
