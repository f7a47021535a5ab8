"""Codes, access tokens and chains of refresh tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_provider_exact.emulator.settings import App, Settings

DAY = 86_400


class TokenRefusal(Exception):  # noqa: N818 - an answer, not a failure
    """
    What the token endpoint answers instead of a pair.

    ``kind`` names the cause in the statistics.
    """

    def __init__(
        self, kind: str, status: int, error: str = "", description: str = "", *, reason: str | None = None
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status
        self.error = error
        self.description = description
        self.reason = reason
        self.refresh_token: str | None = None


@dataclass(frozen=True)
class Grant:
    """What a user allowed an app: in which divisions it may act for them."""

    app: App
    user: int
    divisions: frozenset[int]


@dataclass
class Chain:
    """One authorisation and the refresh tokens that followed from it; only ``current`` is good."""

    grant: Grant
    current: str = field(default="", repr=False)
    previous: str = field(default="", repr=False)
    issued_at: float = 0.0
    previous_at: float = 0.0
    is_used: bool = False
    is_dead: bool = False


@dataclass(frozen=True)
class Access:
    """What an access token stands for; ``refresh`` is the token that it came with."""

    chain: Chain = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True)
class Code:
    grant: Grant
    redirect_uri: str
    expires_at: float


@dataclass(frozen=True)
class Pair:
    """What the token endpoint hands out; ``expires_in`` is a string at Exact."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: str

    def body(self) -> dict[str, str]:
        return {
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
        }


def broken_chain(kind: str) -> TokenRefusal:
    return TokenRefusal(kind, 400, "invalid_grant", "Token is not allowed, because of invalid or empty chainId")


def american(moment: float) -> str:
    """Write a moment the way the token endpoint's messages do."""
    at = datetime.fromtimestamp(moment, UTC)
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"


class TokenBook:
    """Every token that is out. Values are random: a test that guesses one would pass by accident."""

    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.used_codes: set[str] = set()
        self.chains: dict[str, Chain] = {}
        self.current: dict[tuple[str, int], Chain] = {}
        self.accesses: dict[str, Access] = {}
        self.calls: dict[tuple[str, int, int], int] = {}

    def make_code(self, grant: Grant, redirect_uri: str, settings: Settings, now: float) -> str:
        code = f"stampNL001.{secrets.token_hex(2).upper()}!IAAAA{secrets.token_urlsafe(48)}"
        self.codes[code] = Code(grant, redirect_uri, now + settings.code_seconds)
        return code

    def redeem(self, code: str, app: App, redirect_uri: str, settings: Settings, now: float) -> Pair:
        """
        Exchange a code for the first pair of a chain.

        :raises TokenRefusal: it is unknown, used, too old or another app's, or the redirect URI differs.
        """
        found = self.codes.pop(code, None)
        if found is None:
            raise broken_chain("code used twice" if code in self.used_codes else "unknown code")
        self.used_codes.add(code)
        if found.grant.app.client_id != app.client_id:
            raise broken_chain("another app's code")
        if found.redirect_uri != redirect_uri:
            raise TokenRefusal("wrong redirect_uri", 400)
        if now >= found.expires_at:
            raise broken_chain("code expired")
        return self.sign_in(found.grant, settings, now)

    def sign_in(self, grant: Grant, settings: Settings, now: float) -> Pair:
        """Start a chain; the one that this user gave this app before is dead from now on."""
        owner = (grant.app.client_id, grant.user)
        if earlier := self.current.get(owner):
            earlier.is_dead = True
        chain = self.current[owner] = Chain(grant)
        return self._issue(chain, settings, now)

    def _issue(self, chain: Chain, settings: Settings, now: float, *, spent: tuple[str, float] | None = None) -> Pair:
        refresh = f"stampNL001.{secrets.token_hex(2).upper()}!IAAAA{secrets.token_urlsafe(72)}"
        access = f"stampNL001.{secrets.token_urlsafe(96)}"
        chain.previous, chain.previous_at = spent or (chain.current, now)
        chain.current, chain.issued_at, chain.is_used = refresh, now, False
        self.chains[refresh] = chain
        self.accesses[access] = Access(chain, refresh, now + settings.access_token_seconds)
        return Pair(access, refresh, str(settings.access_token_seconds))

    def refresh(self, token: str, app: App, settings: Settings, now: float) -> Pair:
        """
        Exchange a refresh token for a new pair.

        :raises TokenRefusal: in the words of Exact's own answers.
        """
        chain = self.chains.get(token)
        if chain is None or chain.grant.app.client_id != app.client_id:
            raise broken_chain("unknown token")
        if chain.is_dead:
            raise broken_chain("dead chain")
        self._count(chain, settings, now)
        if token != chain.current and settings.single_use_refresh_tokens:
            age = now - chain.previous_at
            graced = not chain.is_used and age < settings.refresh_grace_seconds
            if token == chain.previous and (graced or age < settings.concurrent_refresh_seconds):
                # Its first successor is lost from here on; the grace does not start again.
                return self._issue(chain, settings, now, spent=(token, chain.previous_at))
            raise TokenRefusal("old token", 401, "unauthorized_client", "Old refresh token used.")
        ends_at = chain.issued_at + settings.refresh_token_days * DAY
        if now > ends_at:
            text = f"The refresh token expired at {american(ends_at)} and it is now {american(now)}."
            raise TokenRefusal("token expired", 400, "invalid_request", text)
        if now < chain.issued_at + settings.refresh_after_seconds:
            refusal = TokenRefusal(
                "too early",
                400,
                "access_denied",
                "Rate limit exceeded: access_token not expired",
                reason="TooEarlyToRefreshTokens: the access token has not expired yet",
            )
            if settings.too_early_rotates:
                refusal.refresh_token = self._issue(chain, settings, chain.issued_at).refresh_token
            raise refusal
        return self._issue(chain, settings, now)

    def _count(self, chain: Chain, settings: Settings, now: float) -> None:
        day = (chain.grant.app.client_id, chain.grant.user, int(now) // DAY)
        self.calls[day] = self.calls.get(day, 0) + 1
        if settings.token_calls_per_day and self.calls[day] > settings.token_calls_per_day:
            raise TokenRefusal("too many token calls", 429)

    def issued(self) -> list[str]:
        """Return every code, access token and refresh token that was ever handed out."""
        return [*self.codes, *self.used_codes, *self.chains, *self.accesses]

    def access(self, token: str) -> Access | None:
        """Return what an access token stands for, expired or not; ``None`` if it was never handed out."""
        found = self.accesses.get(token)
        if found is not None and found.refresh == found.chain.current:
            found.chain.is_used = True
        return found
