"""
Token pair and other secrets of OAuth2, as values without a readable ``repr``.

Rules of Exact, observed in several independent clients: an access token is valid for 600 s, a refresh earlier than
570 s after the last is an error, and a refresh token works once and expires after 30 days without use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

REFRESH_AFTER = 570.0
ACCESS_TOKEN_SECONDS = 600.0
REFRESH_TOKEN_SECONDS = 30 * 86_400.0
# Exact's clock is known to about a second; a token further in the future was stamped by a wrong clock.
CLOCK_TOLERANCE = 5.0


@dataclass(frozen=True)
class App:
    """App registration in Exact's App Center."""

    client_id: str
    client_secret: str = field(repr=False)

    @property
    def bare_id(self) -> str:
        """Client id for comparisons: some people paste the braces of Exact's ids."""
        return self.client_id.strip("{}").lower()


@dataclass(frozen=True)
class AuthorizationCode:
    """Code from the redirect of a sign-in, decoded once: the redirect's query holds ``%21`` for ``!``."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class Token:
    """
    OAuth2 token pair. Exact accepts each refresh token once, so the pair is stored before its first use.

    ``issued_at`` and ``expires_at`` are seconds since the epoch by Exact's clock. ``parent`` is the fingerprint of the
    refresh token that the pair replaced, empty for the pair of a sign-in. A token without ``refresh`` is never
    refreshed. ``beside`` is a store's mark of the sign-in beside a person's own refresh token.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    issued_at: float
    expires_at: float
    parent: str = ""
    beside: str | None = field(default=None, compare=False)

    def is_fresh(self, now: float) -> bool:
        """Whether the access token is valid for a whole call: younger than 570 s."""
        return bool(self.access) and now < min(self.issued_at + REFRESH_AFTER, self.expires_at)

    def is_alive(self, now: float) -> bool:
        """Whether Exact still accepts the access token, if only for a short call."""
        return bool(self.access) and now < self.expires_at

    def may_refresh(self, now: float) -> bool:
        """Whether Exact allows a refresh yet; an earlier refresh is an error, and Exact counts errors."""
        return bool(self.refresh) and not (self.access and now < self.issued_at + REFRESH_AFTER)

    def is_from_the_future(self, now: float) -> bool:
        """Whether a wrong clock stamped the token, or the clock of ``now`` is wrong."""
        return self.issued_at > now + CLOCK_TOLERANCE

    def supersedes(self, other: Token) -> bool:
        """Whether both pairs replaced the same refresh token, and this pair was issued later."""
        is_sibling = bool(self.parent) and self.parent == other.parent and self.refresh != other.refresh
        return is_sibling and self.issued_at > other.issued_at

    @classmethod
    def to_begin_with(cls, refresh: str) -> Token:
        """Return a token that holds only a refresh token, and is refreshed before its first use."""
        return cls("", refresh, 0.0, 0.0)


def fingerprint(secret: str) -> str:
    """Return a short hash of a secret: enough to notice a replacement, too short to guess the secret."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]
