"""
What a store of tokens promises, and the rules of refreshing that every store shares.

A call asks ``get`` for a token that serves. Where tokens are kept, and how refreshers exclude each other, is behind
``TokenStorage``: in memory here, in an Airflow Variable under a lease in ``airflow_provider_exact.tokens``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from airflow_provider_exact.client.auth import REFRESH_AFTER, Grants, Token, TokenRefusedError
from airflow_provider_exact.client.errors import ExactError, ExactRateLimitError, ExactTokenError, ExactTransportError

# A token call may take two minutes, and a refresher that died holds its lock a little longer.
PATIENCE = 180.0
POLL_INTERVAL = 0.5
SIGN_IN_PATIENCE = 30.0
LOCK_KEEPING_INTERVAL = 5.0
# Exact's gateway has refused good tokens at night: ask again, but rarely, since refusals are counted.
REFUSAL_HOLDS = 600.0
# After one call gave an access token up, others don't try it for so long.
GIVEN_UP_HOLDS = 60.0
# How long a clock that is ahead waits before it asks again.
AHEAD = 15.0


class TokenStore(Protocol):
    """
    Hands out tokens that serve.

    ``advice`` says what a person does to sign in; it ends every message that asks for it.
    """

    @property
    def advice(self) -> str: ...

    def get(self, *, refused: Token | None = None) -> Token:
        """
        Return a token that serves a whole call.

        :param refused: A token that Exact has just answered with a 401. A newer one is returned if there is one, else
            the same: a 401 alone is never a reason to refresh.
        :raises ExactTokenError: only a person can help.
        """
        ...

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        """Hand out no more, for a while, a token that Exact refuses also when asked again; raise the error instead."""
        ...


class TokenStorage(Protocol):
    """Where tokens are kept between processes."""

    def read(self) -> Token | None:
        """Return what is kept now, or ``None`` when nobody has signed in."""
        ...

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:
        """
        Replace what is kept; return what is kept now.

        :param replacing: What ``token`` is the refresh of. If a person has signed in since, theirs is kept. ``None``: a
            person has just signed in.
        """
        ...

    @property
    def can_write(self) -> bool:
        """Whether a refreshed token could be kept; if not, none may be refreshed."""
        ...

    def try_lock(self) -> AbstractContextManager[bool]:
        """Try to keep every other refresher away, in all processes; ``False`` when one is at work already."""
        ...

    def is_locked(self) -> bool:
        """Whether a refresher or a sign-in is at work."""
        ...

    def keep_lock(self) -> None:
        """Tell the others that the refresher who holds the lock still lives; called every few seconds."""
        ...

    def refusal(self, token: Token) -> Refusal | None:
        """Return what was noted of this refresh token, or ``None``; it may be past its ``until``."""
        ...

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        """Remember that this refresh token was refused; called only under the lock."""
        ...


@dataclass(frozen=True)
class Refusal:
    """
    That Exact refused a refresh token, so that nobody asks again before ``until`` (seconds since the epoch).

    ``too_early`` means that the token is good, and was handed out less than 570 s ago.
    """

    why: str
    until: float
    too_early: bool = False

    def error(self) -> ExactError:
        if self.too_early:
            return ExactRateLimitError(self.why, resets_at=self.until, status=400)
        return ExactTokenError(self.why)


class MemoryStorage:
    """Keeps a token in this process, for tests and scripts."""

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
        held = self._lock.acquire(blocking=False)
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    def is_locked(self) -> bool:
        return self._lock.locked()

    def keep_lock(self) -> None:
        """Do nothing: a lock in memory does not run out."""

    def refusal(self, token: Token) -> Refusal | None:
        return self._refused[1] if self._refused and self._refused[0] == token.refresh else None

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        self._refused = (token.refresh, refusal)


class FixedTokenStore:
    """Hands out one ready access token, never refreshed."""

    advice = (
        "The connection's ready access token lives ten minutes and is never refreshed. Put a new one there, or take it "
        "out and sign in."
    )

    def __init__(self, access_token: str) -> None:
        self._token = Token(access_token, "", 0.0, float("inf"))

    def get(self, *, refused: Token | None = None) -> Token:
        if refused is not None:
            raise ExactTokenError(f"Exact Online refuses the access token. {self.advice}")
        return self._token

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        """Do nothing: ``get`` raises as soon as the token is refused."""


class RefreshingTokenStore:
    """
    Hands out tokens from a storage and refreshes them when they are due.

    Under the lock it reads again, refreshes at most once, and stores before use. While the old access token is alive,
    nobody waits for whoever refreshes it.

    :param storage: Where tokens are kept.
    :param grants: Who refreshes them.
    :param advice: What a person does to sign in for this connection.
    :param on_refresh: Told of each refresh.
    """

    def __init__(
        self,
        storage: TokenStorage,
        grants: Grants,
        *,
        advice: str = "Sign in first.",
        on_refresh: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.storage = storage
        self.grants = grants
        self.advice = advice
        self.on_refresh = on_refresh
        self.clock = clock
        self.sleep = sleep
        self._held: Token | None = None
        # The access token that was given up, why, and until when.
        self._given_up: tuple[str, str, float] | None = None
        # The refresh token that was traded, and the pair that came for it and is stored nowhere yet.
        self._unsaved: tuple[str, Token] | None = None
        self._one_thread = threading.Lock()

    def get(self, *, refused: Token | None = None) -> Token:
        held = self._held
        if refused is None and self._why_not(held):
            # Perhaps a newer one was stored, or is about to be.
            refused = held
        if held is not None and self._serves(held, refused):
            return held
        # In one process one thread looks after the storage; the others wait only if nothing serves them meanwhile.
        can_go_on = refused is None and held is not None and held.is_alive(self.clock())
        if not self._one_thread.acquire(blocking=not can_go_on) and held is not None:
            return held
        try:
            # Whoever was waited for may have brought one.
            held = self._held
            if held is None or not self._serves(held, refused):
                held = self._held = self._current(refused)
            if why := self._why_not(held):
                raise ExactTokenError(why, status=401)
            return held
        finally:
            self._one_thread.release()

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        self._given_up = (token.access, str(error), self.clock() + GIVEN_UP_HOLDS)

    def _why_not(self, token: Token | None) -> str | None:
        """Return why a token was given up a short while ago, ``None`` if it was not."""
        if token is None or self._given_up is None:
            return None
        access, why, until = self._given_up
        return why if access == token.access and self.clock() < until else None

    def sign_in(self, code: str, redirect_uri: str) -> Token:
        """
        Trade the code of a sign-in for tokens and store them; they win over whatever was stored.

        :param code: From the redirect.
        :param redirect_uri: The one that the code was asked for with.
        :raises ExactTokenError: Exact refused the code.
        """
        if not self.storage.can_write:
            raise ExactTransportError("This process could not store the tokens, so it signs nobody in.")
        # A code lives a minute or three: rather go on beside a stuck refresher than lose it.
        give_up_at = self.clock() + SIGN_IN_PATIENCE
        is_alone = self._one_thread.acquire(timeout=SIGN_IN_PATIENCE)
        try:
            while True:
                with self.storage.try_lock() as locked:
                    if locked or self.clock() >= give_up_at:
                        self._held = self._traded(lambda: self.grants.exchange(code, redirect_uri))
                        return self._held
                self.sleep(POLL_INTERVAL)
        finally:
            if is_alone:
                self._one_thread.release()

    def _serves(self, token: Token, refused: Token | None) -> bool:
        return token.is_fresh(self.clock()) and (refused is None or token.access != refused.access)

    def _current(self, refused: Token | None) -> Token:
        give_up_at = self.clock() + PATIENCE
        while True:
            token = self._stored()
            if self._serves(token, refused):
                return token
            if not token.may_refresh(self.clock()):
                if refused is not None and self.clock() < give_up_at and self.storage.is_locked():
                    # A sign-in ends the token at once, and stores the one that replaces it a little later.
                    self.sleep(POLL_INTERVAL)
                    continue
                return token
            if not self.storage.can_write:
                if refused is None and token.is_alive(self.clock()):
                    return token
                raise ExactTransportError(
                    "The access token is due for a refresh, and this process could not store the new one, so it asks "
                    "for none. Tasks, triggers and the API server can."
                )
            if self._is_hopeless_now(token):
                return token
            with self.storage.try_lock() as locked:
                if locked:
                    token = self._stored()
                    if self._serves(token, refused) or not token.may_refresh(self.clock()):
                        return token
                    return token if self._is_hopeless_now(token) else self._refreshed(token)
            if refused is None and token.is_alive(self.clock()):
                return token
            if self.clock() >= give_up_at:
                raise ExactTransportError(
                    "For three minutes another process has been refreshing this connection's token, or Airflow's API "
                    "server took no claim to do so. Try again later."
                )
            self.sleep(POLL_INTERVAL)

    def _stored(self) -> Token:
        token = self.storage.read()
        if token is None:
            raise ExactTokenError(f"Nobody has signed in yet. {self.advice}")
        return token

    def _is_hopeless_now(self, token: Token) -> bool:
        """
        Whether a refresh was refused a short while ago as too early, and the old token still serves meanwhile.

        :raises ExactError: it was refused, and nothing serves.
        """
        noted = self.storage.refusal(token)
        if noted is None or self.clock() >= noted.until:
            return False
        if noted.too_early and token.is_alive(self.clock()):
            return True
        raise noted.error()

    def _refreshed(self, token: Token) -> Token:
        if self._unsaved is not None and self._unsaved[0] == token.refresh:
            return self._saved(self._unsaved[1], replacing=token)
        try:
            kept = self._traded(lambda: self.grants.refresh(token), replacing=token)
        except TokenRefusedError as error:
            if error.replacement:
                token = self.storage.write(replace(token, refresh=error.replacement), replacing=token)
            newer = self.storage.read()
            if newer is not None and newer.refresh != token.refresh and newer.is_alive(self.clock()):
                # A sign-in, or a refresher that lost its lock, has stored a pair meanwhile.
                return newer
            if error.too_early:
                # With a token that serves, this clock is ahead of the one that issued it; else its age is not known.
                serves = token.is_alive(self.clock())
                refusal = Refusal(str(error), self.clock() + (AHEAD if serves else REFRESH_AFTER), too_early=True)
            else:
                refusal = Refusal(f"{error} {self.advice}", self.clock() + REFUSAL_HOLDS)
            self.storage.note_refusal(token, refusal)
            if error.too_early and serves:
                return token
            raise refusal.error() from error
        self.on_refresh()
        return kept

    def _traded(self, trade: Callable[[], Token], *, replacing: Token | None = None) -> Token:
        """
        Call Exact in a thread while this thread keeps the lock, and store the new pair.

        A token call may take longer than the lock lasts. An interruption (``execution_timeout``, Ctrl-C) is raised
        after the pair is stored.

        The storage is touched by this thread alone, since Airflow's channel to its stores is bound to one.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="exact-online-refresh") as pool:
            traded = pool.submit(trade)
            try:
                while not wait([traded], timeout=LOCK_KEEPING_INTERVAL).done:
                    self.storage.keep_lock()
                return self._saved(traded.result(), replacing=replacing)
            except ExactError:
                raise
            except BaseException:
                with suppress(ExactError):
                    self._saved(traded.result(), replacing=replacing)
                raise

    def _saved(self, fresh: Token, *, replacing: Token | None) -> Token:
        """Store a new pair before its use; if that fails, this process keeps a refreshed one for its next call."""
        if replacing is not None:
            self._unsaved = (replacing.refresh, fresh)
        kept = self.storage.write(fresh, replacing=replacing)
        self._unsaved = None
        return kept
