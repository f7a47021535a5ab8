"""
Token store: keeps a token pair between processes, and lets one process at a time refresh the pair.

``MemoryTokenStore`` serves tests and scripts; ``airflow_provider_exact.tokens`` has one on Airflow's Variables.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_exact.client.auth.token import Token
from airflow_provider_exact.client.errors import ExactError, ExactRateLimitError, ExactTokenError, ExactTransportError


class StoreUnavailableError(ExactTransportError):
    """Failure of a store to read or write at the moment."""


@dataclass(frozen=True)
class Refusal:
    """
    Refusal of a refresh token by Exact, so that nobody asks again before ``until``.

    All moments are seconds since the epoch. Before ``pending_until`` another process may still store the pair that
    replaced the refresh token. ``too_early`` means that the pair is valid, and less than 570 s old. ``host`` and
    ``skew`` tell by how many seconds Exact's clock was ahead of the clock of the worker that was refused.
    """

    why: str
    until: float
    too_early: bool = False
    pending_until: float = 0.0
    host: str = ""
    skew: float | None = None

    def error(self) -> ExactError:
        """Return the exception for a call that needs the refresh."""
        if self.too_early:
            return ExactRateLimitError(self.why, resets_at=self.until, status=400)
        return ExactTokenError(self.why)


class TokenStore(Protocol):
    """Place of a token pair between processes. Each method may raise ``StoreUnavailableError``."""

    def read(self) -> Token | None:
        """Return the stored token; ``None`` before the first sign-in."""
        ...

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:
        """
        Store a pair, and return the stored token.

        :param replacing: Token that the pair was refreshed from; a newer sign-in, and a pair that was issued later for
            the same refresh token, stay. ``None``: the pair of a sign-in, which replaces everything.
        """
        ...

    @property
    def can_write(self) -> bool:
        """Whether a refreshed pair could be stored; if not, none may be refreshed."""
        ...

    def try_lock(self) -> AbstractContextManager[bool]:
        """Try to lock out other refreshers in all processes; ``False`` while another one holds the lock."""
        ...

    def is_locked(self) -> bool:
        """Whether a refresh or a sign-in is under way."""
        ...

    def holds_lock(self) -> bool:
        """Whether the lock that ``try_lock`` gave is still valid; asks nobody, and may be called from any thread."""
        ...

    def keep_lock(self) -> None:
        """Extend the lock; called every few seconds."""
        ...

    def undecided_seconds(self) -> float:
        """Return for how long another process may still store the successor of a used refresh token."""
        ...

    def refusal(self, token: Token) -> Refusal | None:
        """Return the noted refusal of a refresh token, which may be past its ``until``; ``None`` without one."""
        ...

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        """Remember that Exact refused a refresh token; called only under the lock."""
        ...

    def note_access_refusal(self, token: Token, refusal: Refusal) -> None:
        """Remember repeated refusals of an access token, for people; ``until`` is the time of the refusal."""
        ...


class MemoryTokenStore:
    """Token store in this process, for tests and scripts."""

    can_write = True

    def __init__(self, token: Token | None = None) -> None:
        self.token = token
        self._refused: tuple[str, Refusal] | None = None
        self._lock = threading.Lock()

    def read(self) -> Token | None:
        return self.token

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:  # noqa: ARG002 - see the protocol
        self.token = token
        return token

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        is_held = self._lock.acquire(blocking=False)
        try:
            yield is_held
        finally:
            if is_held:
                self._lock.release()

    def is_locked(self) -> bool:
        return self._lock.locked()

    def holds_lock(self) -> bool:
        return self._lock.locked()

    def keep_lock(self) -> None:
        """Do nothing: a lock in memory does not expire."""

    def undecided_seconds(self) -> float:
        return 0.0

    def refusal(self, token: Token) -> Refusal | None:
        return self._refused[1] if self._refused and self._refused[0] == token.refresh else None

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        self._refused = (token.refresh, refusal)

    def note_access_refusal(self, token: Token, refusal: Refusal) -> None:
        """Do nothing: the provider of the process knows."""
