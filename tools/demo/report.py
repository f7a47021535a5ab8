"""What ``make demo`` prints about the steps of a Dag run."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.demo.processes import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH = 110
# What people look at in an hour entry, among some forty fields.
TELLING = ("Quantity", "HourStatus", "Date", "Notes", "ItemDescription", "ProjectDescription", "ID")


@dataclass(frozen=True)
class Step:
    """A task that ended, as the listener wrote it down."""

    task_id: str
    map_index: int
    state: str
    value: Any = None
    error: str = ""

    @property
    def name(self) -> str:
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    def line(self) -> str:
        return f"  {self.name:<24} {self.state:<8} {shortened(self.error or described(self.value), WIDTH)}".rstrip()


def described(value: Any) -> str:
    """Say in a few words what a task returned."""
    match value:
        case None:
            return ""
        case [dict() as first, *_]:
            return f"{len(value)} record{'s' if len(value) > 1 else ''}, the first: {described(first)}"
        case list():
            return f"{len(value)} values"
        case dict():
            telling = [name for name in TELLING if value.get(name) is not None] or [*value]
            return ", ".join(f"{name} {plain(value[name])}" for name in telling if value[name] is not None)
        case _:
            return plain(value)


def plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    # A date that Exact keeps without a time of day.
    return text.removesuffix("T00:00:00Z")


def shortened(text: str, width: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def summary(steps: Sequence[Step], statistics: Mapping[str, Any], *, seconds: float, log: Path) -> str:
    """Return the last words of the demo: how it went, and how to go on."""
    states = Counter(step.state for step in steps)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    calls: Counter[str] = Counter()
    for row in statistics["calls"]:
        calls[row["method"]] += row["count"]
    called = ", ".join(f"{count} {method}" for method, count in sorted(calls.items()))
    return f"""
{len(steps)} steps in {seconds:.0f} seconds: {counted}. The calls that the emulator saw: {called}.

How to go on
  make ui                                     the same Dag in Airflow's web UI, with the connection's form
  example_dags/example_project_hours.py       the Dag that just ran
  docs/connection.md                          a connection to a real Exact Online
  {shown(log):<42}  the log of this run"""
