"""
Lease with a single holder at a time, made of an ordinary Variable.

Airflow's API has no lock and no compare-and-swap. Claim, wait, read again replaces both: all processes with a view of a
free lease write their names, wait, and read; the process with the last name is the holder (Fischer's algorithm). The
lease of a stopped holder expires; a living holder extends the lease.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_exact.tokens import variables

log = logging.getLogger(__name__)

# A write through the API server takes 10 ms, at worst 100 ms; the pause leaves room for slow writes.
SETTLING = 1.0
DURATION = 15.0
# Clocks of workers may differ by this number of seconds; no honest lease lasts longer.
CLOCK_TOLERANCE = 120.0
# Limit of seconds between a look and a write; a later write could overwrite a newer claim.
MAX_LOOK_AGE = 5.0
# Number of looks of a process with stops between look and write.
MAX_LOOKS = 5
# Later moments, in the year 2286, are damage.
MAX_MOMENT = 1e10
DESCRIPTION = "Which worker is refreshing an Exact Online token; kept by airflow-provider-exact. Holds no secret."


class Lease:
    """
    Variable of all processes with access to a sign-in.

    :param key: Key of the Variable.
    """

    def __init__(
        self,
        key: str,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.key = key
        self._clock = clock
        self._sleep = sleep
        self._owner = uuid.uuid4().hex
        # End of the lease of this process, by the local clock; 0 without the lease.
        self._held_until = 0.0
        self._is_left = False

    def notes(self) -> dict[str, Any]:
        """
        Return the content: ``owner``, ``until`` (seconds since the epoch) and a holder's notes.

        :raises VariableReadError: Airflow failed to read.
        """
        try:
            content = json.loads(variables.read_surely(self.key, sleep=self._sleep) or "{}")
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def is_held(self) -> bool:
        """Whether a process holds the lease now."""
        return _is_held(self.notes(), self._clock())

    def held_until(self) -> float | None:
        """Return when the lease of the present holder expires; ``None`` for a free lease."""
        notes = self.notes()
        return float(notes["until"]) if _is_held(notes, self._clock()) else None

    def is_ours(self) -> bool:
        """Whether this process holds the lease, according to the local clock."""
        return self._clock() < self._held_until

    @contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Try to become the holder for the block; ``False`` at once or after a second for a held lease."""
        try:
            is_holder = self._claim()
        except (variables.VariableReadError, variables.VariableWriteError) as error:
            log.warning("Could not claim the lease: %s", error)
            is_holder = False
        if not is_holder:
            yield False
            return
        self._is_left = False
        try:
            yield True
        finally:
            self._held_until = 0.0
            if not self._is_left:
                self._release()

    def _claim(self) -> bool:
        for _ in range(MAX_LOOKS):
            looked_at = self._clock()
            notes = self.notes()
            owner = notes.get("owner")
            if _is_held(notes, self._clock()) and owner != self._owner:
                return False
            claim = {**notes, "owner": self._owner, "until": looked_at + DURATION}
            if owner not in (None, self._owner):
                # The last holder did not release the lease, and may resume with a pair to store.
                claim["abandoned_at"] = looked_at
            if self._write(claim, looked_at):
                self._held_until = looked_at + DURATION
                break
        else:
            return False
        self._sleep(SETTLING)
        if self.notes().get("owner") == self._owner:
            return True
        self._held_until = 0.0
        return False

    def abandoned_at(self) -> float:
        """Return the time of the last takeover without a release; 0 for never."""
        return _moment(self.notes().get("abandoned_at")) or 0.0

    def keep(self) -> None:
        """Extend the lease; claim an expired lease again, unless a second process is the holder."""
        if not self.is_ours():
            self._claim()
            return
        now = self._clock()
        if self.change(lambda notes: notes | {"until": now + DURATION}):
            self._held_until = now + DURATION

    def leave(self) -> None:
        """Let the lease expire instead of a release: the process has an unsaved pair."""
        self._is_left = True

    def _release(self) -> None:
        try:
            self.change(lambda notes: notes | {"owner": None})
        except (variables.VariableReadError, variables.VariableWriteError) as error:
            # The work is done and stored; further processes wait for the end of the lease.
            log.warning("Could not release the lease: %s", error)

    def change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """
        Change the content, such as the notes for the next holders.

        ``False``, without a write, for a lease of a second process.
        """
        for _ in range(MAX_LOOKS):
            looked_at = self._clock()
            notes = self.notes()
            if notes.get("owner") != self._owner:
                self._held_until = 0.0
                return False
            if self._write(change(notes), looked_at):
                return True
        return False

    def _write(self, notes: dict[str, Any], looked_at: float) -> bool:
        """Write the content; ``False``, without a write, after too long a time since the look at the old content."""
        return variables.write(
            self.key,
            json.dumps(notes),
            description=DESCRIPTION,
            is_timely=lambda: self._clock() - looked_at <= MAX_LOOK_AGE,
        )


def _is_held(notes: Mapping[str, Any], now: float) -> bool:
    until = _moment(notes.get("until"))
    if not isinstance(notes.get("owner"), str) or not notes["owner"] or until is None:
        return False
    return now < until <= now + DURATION + CLOCK_TOLERANCE


def _moment(value: object) -> float | None:
    """Return a number of seconds; ``None`` for damaged content."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= MAX_MOMENT else None
