"""
A lease that one process at a time holds, made of an ordinary Variable.

Airflow's API has no lock and no compare-and-swap. Claim, wait, read again works in their place: whoever still finds its
own name after everybody who saw the lease free has written theirs, holds it (Fischer's algorithm). A holder that died
is succeeded when its lease runs out; one that lives keeps it.
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

# A write through the API server takes 10 ms, at worst 100 ms; the pause leaves room for a slow one.
SETTLING = 1.0
DURATION = 15.0
DESCRIPTION = "Which worker is refreshing an Exact Online token; kept by airflow-provider-exact. Holds no secret."


class Lease:
    """
    One Variable, shared by all processes that refresh the same tokens.

    :param key: The Variable's key.
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

    def notes(self) -> dict[str, Any]:
        """Return what the Variable holds: ``owner``, ``until`` (seconds since the epoch) and a holder's notes."""
        try:
            content = json.loads(variables.read(self.key) or "{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def is_held(self) -> bool:
        """Whether somebody holds it now."""
        return _is_held(self.notes(), self._clock())

    @contextmanager
    def try_hold(self) -> Iterator[bool]:
        """Try to become the holder until the block ends; ``False`` at once or after a second if another one is."""
        notes = self.notes()
        if _is_held(notes, self._clock()):
            yield False
            return
        try:
            self._write({**notes, "owner": self._owner, "until": self._clock() + DURATION})
        except variables.VariableWriteError as error:
            log.warning("Could not claim the lease: %s", error)
            yield False
            return
        self._sleep(SETTLING)
        if self.notes().get("owner") != self._owner:
            yield False
            return
        try:
            yield True
        finally:
            self._release()

    def keep(self) -> None:
        """Hold on for another while, if it is still ours."""
        notes = self.notes()
        if notes.get("owner") == self._owner:
            self._write({**notes, "until": self._clock() + DURATION})

    def note(self, name: str, value: Any) -> None:
        """Leave something for the next holders."""
        self._write({**self.notes(), name: value})

    def _release(self) -> None:
        try:
            notes = self.notes()
            if notes.get("owner") == self._owner:
                self._write({**notes, "owner": None})
        except variables.VariableWriteError as error:
            # The work is done and stored; the others wait until the lease runs out.
            log.warning("Could not give back the lease: %s", error)

    def _write(self, notes: dict[str, Any]) -> None:
        variables.write(self.key, json.dumps(notes), description=DESCRIPTION)


def _is_held(notes: Mapping[str, Any], now: float) -> bool:
    return bool(notes.get("owner")) and float(notes.get("until", 0)) > now
