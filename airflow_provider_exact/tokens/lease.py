"""
Lease that one process at a time holds, made of an ordinary Variable.

Airflow's API has no lock and no compare-and-swap. Claim, wait, read again replaces both: a process that still finds its
own name, after every process that saw the lease free has written its own, is the holder (Fischer's algorithm). A lease
of a holder that stopped expires; a living holder extends it.
"""

from __future__ import annotations

import json
import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_exact.tokens import variables

log = logging.getLogger(__name__)

# A write through the API server takes 10 ms, at worst 100 ms; the pause leaves room for a slow one.
SETTLING = 1.0
DURATION = 15.0
# Clocks of workers may differ by so many seconds; a lease that lasts longer was written by no honest holder.
CLOCK_TOLERANCE = 120.0
# A write this long after the look at the old content could overwrite the claim of another process.
MAX_LOOK_AGE = 1.0
# How often a process that stopped between the look at the lease and the write looks again.
MAX_LOOKS = 5
DESCRIPTION = "Which worker is refreshing an Exact Online token; kept by airflow-provider-exact. Holds no secret."


class Lease:
    """
    Variable that is shared by all processes that refresh the same tokens.

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
        # Until when this process holds the lease, by its own clock; 0 when it does not.
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
        """Whether this process holds the lease, as far as its own clock tells."""
        return self._clock() < self._held_until

    @contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Try to become the holder until the block ends; ``False`` at once or after a second for a held lease."""
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
            notes = self.notes()
            looked_at = self._clock()
            owner = notes.get("owner")
            if _is_held(notes, looked_at) and owner != self._owner:
                return False
            claim = {**notes, "owner": self._owner, "until": looked_at + DURATION}
            if owner not in (None, self._owner):
                # The last holder did not release the lease: it may have stopped, and resume with a pair to store.
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
        """Return when a process took the lease over from a holder that did not release it; 0 for never."""
        return _moment(self.notes().get("abandoned_at")) or 0.0

    def keep(self) -> None:
        """Extend the lease; claim an expired one again, unless another process holds it."""
        if not self.is_ours():
            self._claim()
            return
        now = self._clock()
        if self._change(lambda notes: notes | {"until": now + DURATION}):
            self._held_until = now + DURATION

    def leave(self) -> None:
        """Let the lease expire instead of releasing it: this process has a pair that is not stored."""
        self._is_left = True

    def note(self, name: str, value: Any) -> None:
        """Leave a note for the next holders, unless another process holds the lease."""
        self._change(lambda notes: notes | {name: value})

    def _release(self) -> None:
        try:
            self._change(lambda notes: notes | {"owner": None})
        except (variables.VariableReadError, variables.VariableWriteError) as error:
            # The work is done and stored; the others wait until the lease expires.
            log.warning("Could not release the lease: %s", error)

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Change the content; ``False``, and nothing written, when another process holds the lease."""
        for _ in range(MAX_LOOKS):
            notes = self.notes()
            looked_at = self._clock()
            if notes.get("owner") != self._owner:
                self._held_until = 0.0
                return False
            if self._write(change(notes), looked_at):
                return True
        return False

    def _write(self, notes: dict[str, Any], looked_at: float) -> bool:
        """Write the content; ``False``, and nothing written, when the look at the old content was too long ago."""
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
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]
