"""
Token provider: hands out valid access tokens, and refreshes a due pair.

The rules of refreshing are here, for every token store: read again under the lock, refresh at most once, store before
use, keep the lock until the pair is stored.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from airflow_provider_exact.client.auth.oauth2 import Grants, TokenFailedError, TokenRefusedError
from airflow_provider_exact.client.auth.token import REFRESH_AFTER, AuthorizationCode, Token, fingerprint
from airflow_provider_exact.client.auth.token_store import Refusal, StoreUnavailableError, TokenStore
from airflow_provider_exact.client.errors import ExactError, ExactTokenError, ExactTransportError

log = logging.getLogger(__name__)

# Seconds. A token call may take two minutes, and the lock of a dead holder lasts a little longer.
MAX_WAIT = 180.0
POLL_INTERVAL = 0.5
MAX_SIGN_IN_WAIT = 30.0
LOCK_KEEPING_INTERVAL = 5.0
# Exact's gateway has refused valid tokens at night: ask again, but rarely, since Exact counts refusals.
REFUSAL_SECONDS = 600.0
# A refusal with an end further in the future was noted by a wrong clock, or is damaged.
MAX_REFUSAL_SECONDS = 3600.0
# Further calls do not try an access token after repeated refusals.
GIVEN_UP_SECONDS = 60.0
# Number of interruptions, such as repeated Ctrl-C, before an unsaved pair is lost.
MAX_INTERRUPTIONS = 10
# Wait of a worker with a clock ahead of Exact's before the next refresh.
TOO_EARLY_SECONDS = 15.0


class TokenProvider(Protocol):
    """
    Source of valid tokens.

    ``advice`` says how a person signs in, and ends every message about a needed sign-in.
    """

    @property
    def advice(self) -> str: ...

    def get(self, *, refused: Token | None = None, refused_at: float | None = None) -> Token:
        """
        Return a token with enough time left for a whole call.

        :param refused: Token of a call that Exact has just answered with a 401. A newer token is preferred, but a 401
            alone is never a reason to refresh.
        :param refused_at: ``Date`` of the 401 in seconds since the epoch.
        :raises ExactTokenError: a person must sign in.
        :raises ExactTransportError: no token at the moment; a later call may get one.
        """
        ...

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        """Stop handing out, for a while, a token after repeated refusals by Exact; raise the error instead."""
        ...


class FixedTokenProvider:
    """Provider of a ready access token, without refreshes."""

    advice = (
        "The connection's ready access token lives ten minutes and is never refreshed. Put a new one there, or take it "
        "out and sign in."
    )

    def __init__(self, access_token: str) -> None:
        self._token = Token(access_token, "", 0.0, float("inf"))

    def get(self, *, refused: Token | None = None, refused_at: float | None = None) -> Token:  # noqa: ARG002
        if refused is not None:
            raise ExactTokenError(f"Exact Online refuses the access token. {self.advice}")
        return self._token

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        """Ignore the error: ``get`` raises as soon as the token is refused."""


class RefreshingTokenProvider:
    """
    Provider of the pair in a token store, with refreshes of a due pair.

    While the old access token is valid, no call waits for the refresher.

    :param store: Place of the pair between processes.
    :param grants: Grants of the app, with Exact's clock.
    :param advice: How a person signs in; empty for a provider behind a ``ConnectionTokenProvider``.
    :param on_refresh: Called after each refresh.
    """

    def __init__(
        self,
        store: TokenStore,
        grants: Grants,
        *,
        advice: str = "Sign in first.",
        on_refresh: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = store
        self.grants = grants
        self.advice = advice
        self.on_refresh = on_refresh
        self.sleep = sleep
        self._held: Token | None = None
        # Access token after repeated refusals, the reason, and the end of the pause.
        self._given_up: tuple[Token, str, float] | None = None
        # Last pair from Exact to this process, and the replaced token.
        self._own: tuple[Token, Token] | None = None
        self._is_unsaved = False
        # Token with a refused refresh, and the refusal: the store may fail to note the refusal.
        self._refused: tuple[Token, Refusal] | None = None
        self._one_thread = threading.Lock()

    def get(self, *, refused: Token | None = None, refused_at: float | None = None) -> Token:
        if refused_at is not None:
            self.grants.clock.learn_behind(refused_at)
        held = self._held
        if refused is None and self._why_not(held):
            # Perhaps a newer token is stored.
            refused = held
        if held is not None and self._serves(held, refused):
            return held
        # In a process a single thread uses the store; further threads wait only without a valid token.
        can_go_on = refused is None and held is not None and held.is_alive(self._now(held))
        if not self._one_thread.acquire(blocking=not can_go_on) and held is not None:
            return held
        try:
            # The previous thread may have brought a new token.
            held = self._held
            if held is None or not self._serves(held, refused):
                held = self._held = self._current(refused)
            if why := self._why_not(held):
                raise ExactTokenError(why, status=401)
            return held
        finally:
            self._one_thread.release()

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        """Stop handing out an access token for a minute, and note the refusal in the store for the page."""
        self._given_up = (token, str(error), self.grants.clock.local() + GIVEN_UP_SECONDS)
        if not self.store.can_write or not self._one_thread.acquire(timeout=MAX_SIGN_IN_WAIT):
            return
        try:
            self.store.note_access_refusal(token, Refusal(str(error), self._now(token)))
        except StoreUnavailableError as failure:
            log.warning("Could not note that Exact refuses the access token: %s", failure)
        finally:
            self._one_thread.release()

    def _why_not(self, token: Token | None) -> str:
        """Return the reason of a pause for a token; empty without a pause."""
        if token is None or self._given_up is None:
            return ""
        given_up, why, until = self._given_up
        return why if given_up.access == token.access and self.grants.clock.local() < until else ""

    def sign_in(self, code: AuthorizationCode, redirect_uri: str) -> Token:
        """
        Exchange the code of a sign-in for a pair, and replace the stored pair.

        :param redirect_uri: Redirect URI of the request for the code.
        :raises ExactTokenError: Exact refused the code.
        :raises ExactTransportError: no response came, or the pair could not be stored.
        """
        if not self.store.can_write:
            raise ExactTransportError("This process could not store the tokens, so no sign-in begins.")
        # A code is valid for a minute or three: rather sign in beside a stuck refresher than lose the code.
        deadline = self.grants.clock.local() + MAX_SIGN_IN_WAIT
        is_alone = self._one_thread.acquire(timeout=MAX_SIGN_IN_WAIT)
        try:
            while True:
                with self.store.try_lock() as locked:
                    if locked or self.grants.clock.local() >= deadline:
                        self._held = self._obtained(lambda: self.grants.exchange(code, redirect_uri))
                        return self._held
                self.sleep(POLL_INTERVAL)
        finally:
            if is_alone:
                self._one_thread.release()

    def _now(self, token: Token) -> float:
        """Return Exact's time. A token from the future counts as just issued."""
        return max(self.grants.clock.now(), token.issued_at)

    def _is_due(self, token: Token, refused: Token | None) -> bool:
        """
        Whether Exact allows a refresh: of an old pair, or of a pair from the future with a refused access token.

        Without a refusal, the worker's clock may be the wrong clock, and Exact would count a refresh too early.
        """
        if _is_refused(token, refused) and token.is_from_the_future(self.grants.clock.now()):
            return bool(token.refresh)
        return token.may_refresh(self._now(token))

    def _serves(self, token: Token, refused: Token | None) -> bool:
        return token.is_fresh(self._now(token)) and not _is_refused(token, refused) and not self._is_behind(token)

    def _is_behind(self, token: Token) -> bool:
        """Whether this process got a newer pair than the stored pair: not stored, or overwritten."""
        if self._own is None:
            return False
        own, _ = self._own
        return self._is_unsaved or own.parent == fingerprint(token.refresh) or own.supersedes(token)

    def _current(self, refused: Token | None) -> Token:
        """Return the token of the store, refreshed if due; wait up to ``MAX_WAIT`` for further processes."""
        deadline = self.grants.clock.local() + MAX_WAIT
        failure: ExactTransportError | None = None
        while True:
            try:
                token = self._next(refused)
                failure = None
            except StoreUnavailableError as error:
                token, failure = None, error
                if refused is None and self._held is not None and self._held.is_alive(self._now(self._held)):
                    token = self._held
            if token is not None:
                return token
            if self.grants.clock.local() >= deadline:
                raise failure or ExactTransportError(
                    "For three minutes another process has been refreshing this connection's token, or has stopped "
                    "before it stored the new pair, or Airflow's API server took no claim to do so. Try again later."
                )
            self.sleep(POLL_INTERVAL)

    def _next(self, refused: Token | None) -> Token | None:
        """Return the token of the store, refreshed if due; ``None`` to look again a little later."""
        token = self._stored()
        if self._serves(token, refused):
            return token
        is_behind = self._is_behind(token)
        if not is_behind and not self._is_due(token, refused):
            # A sign-in ends the token at once, and stores the new token a little later.
            return None if refused is not None and self.store.is_locked() else token
        if not self.store.can_write:
            if refused is None and token.is_alive(self._now(token)):
                return token
            raise ExactTransportError(
                "The access token is due for a refresh, and this process could not store the new pair, so no refresh "
                "begins. Tasks, triggers and the API server can store."
            )
        if not is_behind and (noted := self._noted(token)):
            return self._without_refresh(token, refused, noted)
        with self.store.try_lock() as locked:
            if locked:
                return self._under_lock(refused)
        return token if refused is None and token.is_alive(self._now(token)) else None

    def _under_lock(self, refused: Token | None) -> Token | None:
        token = self._stored()
        if self._own is not None and self._is_behind(token):
            own, replaced = self._own
            token = self._saved(own, replacing=replaced)
        if self._serves(token, refused) or not self._is_due(token, refused):
            return token
        if noted := self._noted(token):
            return self._without_refresh(token, refused, noted)
        # A stopped process may have lost the lock meanwhile.
        return self._refreshed(token) if self.store.holds_lock() else None

    def _stored(self) -> Token:
        token = self.store.read()
        if token is None:
            raise ExactTokenError(f"Nobody has signed in yet. {self.advice}".rstrip())
        return token

    def _noted(self, token: Token) -> Refusal | None:
        """Return the noted refusal of a refresh token, if still in force."""
        noted, clock = self.store.refusal(token), self.grants.clock
        if self._refused is not None and self._refused[0].refresh == token.refresh:
            # The note may be missing in the store, or be older.
            noted = max(filter(None, (noted, self._refused[1])), key=lambda refusal: refusal.until)
        if noted is None:
            return None
        if clock.skew is None and noted.skew_here:
            clock.adopt(noted.skew_here)
        return noted if 0 < noted.until - self._now(token) <= MAX_REFUSAL_SECONDS else None

    def _without_refresh(self, token: Token, refused: Token | None, noted: Refusal) -> Token | None:
        """
        Return a valid token after a refused refresh; ``None`` while a newer pair may be stored.

        :raises ExactError: the refusal is final.
        """
        now = self._now(token)
        is_pending = now < noted.pending_until
        if token.is_alive(now) and (noted.too_early or (is_pending and refused is None)):
            return token
        if is_pending:
            return None
        raise noted.error(self.advice)

    def _refreshed(self, token: Token) -> Token | None:
        try:
            kept = self._obtained(lambda: self.grants.refresh(token, may_repeat=self.store.holds_lock), replacing=token)
        except TokenRefusedError as error:
            refused = error
        else:
            self.on_refresh()
            return kept
        if self._own is not None and self._own[1] == token:
            token = self._own[0]
        refusal = self._refusal(token, refused)
        self._refused = (token, refusal)
        self.store.note_refusal(token, refusal)
        newer = self.store.read()
        if newer is not None and newer.refresh != token.refresh:
            # A sign-in, or a refresher without its lock, has stored a pair meanwhile; or a sign-in is stored beside a
            # connection's own refresh token.
            return None
        return self._without_refresh(token, None, refusal)

    def _refusal(self, token: Token, refused: TokenRefusedError) -> Refusal:
        """Return the note of a refusal, by Exact's clock."""
        now, host, skew = self._now(token), platform.node(), self.grants.clock.skew
        if refused.too_early:
            # With a valid token, the worker's clock is ahead of Exact's; else the token's age is not known.
            seconds = TOO_EARLY_SECONDS if token.is_alive(now) else REFRESH_AFTER
            return Refusal(str(refused), now + seconds, too_early=True, host=host, skew=skew)
        pending_until = now + (self.store.undecided_seconds() if refused.may_be_replaced else 0.0)
        until = pending_until + REFUSAL_SECONDS
        return Refusal(str(refused), until, pending_until=pending_until, host=host, skew=skew)

    def _obtained(self, obtain: Callable[[], Token], *, replacing: Token | None = None) -> Token:
        """
        Call Exact in a second thread while the calling thread keeps the lock, and store the new pair.

        A token call may take longer than the lock lasts. An interruption (``execution_timeout``, Ctrl-C) is raised
        after the pair is stored. Only the calling thread uses the store: Airflow's channel to Variables belongs to a
        single thread.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="exact-online-refresh") as pool:
            obtained = pool.submit(obtain)
            try:
                return self._kept(obtained, replacing)
            except ExactError:
                raise
            except BaseException:
                self._keep_in_spite_of_interruptions(obtained, replacing)
                raise

    def _keep_in_spite_of_interruptions(self, obtained: Future[Token], replacing: Token | None) -> None:
        for _ in range(MAX_INTERRUPTIONS):
            with suppress(BaseException):
                with suppress(ExactError):
                    self._kept(obtained, replacing)
                return

    def _kept(self, obtained: Future[Token], replacing: Token | None) -> Token:
        """Wait for a response and store its pair, also the refresh token in the response of a failed refresh."""
        while not wait([obtained], timeout=LOCK_KEEPING_INTERVAL).done:
            self.store.keep_lock()
        try:
            fresh = obtained.result()
        except (TokenFailedError, TokenRefusedError) as error:
            if replacing is not None and (successor := _successor(replacing, error)) is not None:
                self._saved(successor, replacing=replacing)
            raise
        return self._saved(fresh, replacing=replacing)

    def _saved(self, fresh: Token, *, replacing: Token | None) -> Token:
        """Store a new pair before its use; after a failure the process keeps a refreshed pair for the next call."""
        if replacing is not None:
            self._own, self._is_unsaved = (fresh, replacing), True
        stored = self.store.write(fresh, replacing=replacing)
        self._is_unsaved = False
        return stored


def _successor(token: Token, error: TokenFailedError | TokenRefusedError) -> Token | None:
    """Return the token with the new refresh token of a failed refresh; ``None`` if the old one stays."""
    lone = error.replacement
    if lone is None:
        return None
    if token.access:
        return replace(token, refresh=lone.refresh, parent=lone.parent)
    # A living sign-in may be stored beside a person's own refresh token, and outlives a refusal.
    is_refused = isinstance(error, TokenRefusedError) and bool(error.error) and not error.too_early
    return None if is_refused else lone


def _is_refused(token: Token, refused: Token | None) -> bool:
    return refused is not None and token.access == refused.access
