"""The emulator's clock: it runs with real time, from any moment, and can be moved or held by a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate
from zoneinfo import ZoneInfo


class Clock:
    """
    Seconds since the epoch, as the emulator sees them.

    :param start_at: The moment to start from; real time when absent.
    """

    def __init__(self, start_at: float | None = None) -> None:
        self._start_at = start_at
        self._held_at: float | None = None
        self._ahead = 0.0
        self.reset()

    def reset(self) -> None:
        self._held_at = None
        self._ahead = 0.0 if self._start_at is None else self._start_at - time.time()

    def now(self) -> float:
        return time.time() + self._ahead if self._held_at is None else self._held_at

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        if self._held_at is not None:
            self._held_at += seconds

    def hold(self) -> None:
        """Stop the clock where it is; ``advance`` still moves it."""
        self._held_at = self.now()

    def run(self) -> None:
        """Let a held clock go on from where it stands."""
        if self._held_at is not None:
            self._ahead = self._held_at - time.time()
            self._held_at = None

    @property
    def is_held(self) -> bool:
        return self._held_at is not None

    def http_date(self) -> str:
        return formatdate(self.now(), usegmt=True)

    def wall(self, zone: str) -> datetime:
        """Return what a clock on the wall of ``zone`` shows, to the second and without a zone, as Exact stores it."""
        return datetime.fromtimestamp(self.now(), ZoneInfo(zone)).replace(microsecond=0, tzinfo=None)

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)
