"""
Token store: keeps a token pair between processes, and permits a single refresh at a time.

``MemoryTokenStore`` is for tests and scripts; ``airflow_provider_exact.tokens`` has a store on Airflow's Variables.
"""

from __future__ import annotations

import platform
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
    Refusal of a refresh token by Exact. No process asks again before ``until``.

    All moments are seconds since the epoch. Before ``pending_until`` a second process may still store the successor of
    the refresh token. ``too_early`` marks a valid pair of less than 570 s. ``skew`` is the lead of Exact's clock, in
    seconds, over the clock of the refused worker's ``host``.
    """

    why: str
    until: float
    too_early: bool = False
    pending_until: float = 0.0
    host: str = ""
    skew: float | None = None

    @property
    def skew_here(self) -> float:
        """Lead of Exact's clock over the clock of this host, in seconds; 0 without a note of this host."""
        return self.skew if self.skew is not None and self.host == platform.node() else 0.0

    def error(self, advice: str) -> ExactError:
        """
        Return the exception for a call in need of the refresh.

        :param advice: How a person signs in.
        """
        if self.too_early:
            return ExactRateLimitError(self.why, resets_at=self.until, status=400)
        return ExactTokenError(f"{self.why} {advice}".rstrip())


class TokenStore(Protocol):
    """Place of a token pair between processes. Each method may raise ``StoreUnavailableError``."""

    def read(self) -> Token | None:
        """Return the stored token; ``None`` before the first sign-in."""
        ...

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:
        """
        Store a pair, and return the stored token.

        :param replacing: Token of the refresh. A newer sign-in stays, and so does a pair that Exact issued later for
            the refresh token. ``None`` for the pair of a sign-in, with priority over all stored pairs.
        """
        ...

    @property
    def can_write(self) -> bool:
        """Whether a refreshed pair could be stored; a refresh needs a place for the new pair."""
        ...

    def try_lock(self) -> AbstractContextManager[bool]:
        """Try to lock out further refreshers in all processes; ``False`` for a held lock."""
        ...

    def is_locked(self) -> bool:
        """Whether a refresh or a sign-in is under way."""
        ...

    def holds_lock(self) -> bool:
        """Whether the lock from ``try_lock`` is still valid, by the clock alone; callable from any thread."""
        ...

    def keep_lock(self) -> None:
        """Extend the lock; called every few seconds."""
        ...

    def undecided_seconds(self) -> float:
        """Return for how long a second process may still store the successor of a used refresh token."""
        ...

    def refusal(self, token: Token) -> Refusal | None:
        """Return the noted refusal of a refresh token, also after ``until``; ``None`` without a note."""
        ...

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        """Remember a refused refresh token; called only under the lock."""
        ...

    def note_access_refusal(self, token: Token, refusal: Refusal) -> None:
        """Remember repeated refusals of an access token, for people; ``until`` is the time of the refusal."""
        ...


class MemoryTokenStore:
    """Token store in memory, for tests and scripts."""

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
        """Skip: a lock in memory does not expire."""

    def undecided_seconds(self) -> float:
        return 0.0

    def refusal(self, token: Token) -> Refusal | None:
        return self._refused[1] if self._refused and self._refused[0] == token.refresh else None

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        self._refused = (token.refresh, refusal)

    def note_access_refusal(self, token: Token, refusal: Refusal) -> None:
        """Skip: the provider of the process knows."""
