"""A line in the log every few seconds, while an extraction goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.extract.cursor import Checkpoint
from airflow_provider_exact.extract.plan import Plan

INTERVAL = 5.0
# A list of so many pages is worth one call more to know how many there will be.
WORTH_COUNTING = 10


class Log(Protocol):
    """A logger, Airflow's or Python's."""

    def info(self, message: str, /, *arguments: Any) -> Any: ...

    def warning(self, message: str, /, *arguments: Any) -> Any: ...


class ProgressLog:
    """
    Tells how far an extraction has come.

    :param clock: Seconds, from any start.
    """

    def __init__(
        self,
        client: ExactClient,
        plan: Plan,
        filter: str | None,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._plan = plan
        self._filter = filter
        self._log = log
        self._clock = clock
        self._began = self._told = clock()
        self._pages = self._rows = 0
        self._expected: int | None = None

    def page(self, rows: int, checkpoint: Checkpoint) -> None:
        """Count a page, and tell it if the last line is some seconds old."""
        self._pages += 1
        self._rows += rows
        now = self._clock()
        if now - self._told < INTERVAL:
            return
        self._told = now
        if self._pages >= WORTH_COUNTING and self._expected is None:
            self._expected = self._count()
        pace = self._rows / max(now - self._began, 0.001)
        text = f"{checkpoint.pages:,} pages, {checkpoint.rows:,} rows, {pace:,.0f} rows a second"
        if self._expected and (left := self._expected - checkpoint.rows) > 0:
            text += f", about {left / max(pace, 0.001):,.0f} seconds to go"
        self._log.info("%s: %s%s", self._plan.source.path, text, self._left())

    def _count(self) -> int:
        """Ask for the number of records, where Exact is known to answer that; 0 for unknown."""
        if self._plan.source.is_sync or self._plan.source.is_function:
            return 0
        try:
            return (
                self._client.count_records(self._plan.source.path, filter=self._filter, division=self._plan.division)
                or 0
            )
        except ExactError as error:
            self._log.info("How many there will be is not known: %s", error)
            return 0

    def _left(self) -> str:
        seen = self._client.account.seen().get(self._plan.division)
        day = seen.limits.daily if seen else None
        return f"; {day.remaining:,} calls left today" if day and day.remaining is not None else ""
