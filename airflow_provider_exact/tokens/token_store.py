"""Token store in an Airflow Variable, the only encrypted place with write access for workers."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airflow_provider_exact.client.auth.token import REFRESH_TOKEN_SECONDS, App, Token, fingerprint
from airflow_provider_exact.client.auth.token_store import Refusal, StoreUnavailableError
from airflow_provider_exact.client.errors import ExactError, ExactTokenError
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.tokens import lease as leases
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.lease import Lease

log = logging.getLogger(__name__)

TOKEN_KEY = "exact_online_token__"  # noqa: S105 - the name of a Variable
LEASE_KEY = "exact_online_lease__"
# Number of remembered earlier refresh tokens of a connection.
EARLIER = 20
DESCRIPTION = "Tokens of an Exact Online connection, replaced every ten minutes; kept by airflow-provider-exact."
# Pauses between attempts to store a pair: five minutes, since the pair exists nowhere else.
STORE_PAUSES = (0.5, *[1.0] * 300)
# Limit of writes without an error and without an effect: an environment variable hides the Variable.
MAX_HIDDEN_WRITES = 30
# A stopped holder may resume, and store a pair, for five minutes.
HOLDER_SECONDS = 300.0
# Time without further requests for a refused refresh token of a connection beside a stored sign-in.
PASSED_OVER_SECONDS = 86_400.0
# Number of remembered refusals of a sign-in: connections of an app may have different refresh tokens and secrets.
REFUSALS = 50


def lease_key(token_key: str) -> str:
    """Return the key of the lease of a token Variable."""
    return LEASE_KEY + token_key.removeprefix(TOKEN_KEY)


def mask(token: Token) -> None:
    """Have Airflow's logs hide both tokens, also as part of a query."""
    from airflow.sdk.log import mask_secret

    try:
        for name in ("access", "refresh"):
            if getattr(token, name):
                mask_secret(getattr(token, name))
                mask_secret(quote(getattr(token, name), safe=""))
    except Exception as error:  # noqa: BLE001 - a pair that could not be masked is stored all the same
        log.warning("Airflow's logs could not be told to hide a token (%s)", type(error).__name__)


@dataclass(frozen=True)
class SignedIn:
    """
    User of a sign-in, number of granted divisions, and time of the sign-in in seconds since the epoch.

    ``user`` (full name) and ``user_id`` are empty until ``Me`` is read.
    """

    user: str
    divisions: int
    at: float
    user_id: str = ""


@dataclass(frozen=True)
class Kept:
    """
    Content of a token Variable.

    ``began_with`` is the fingerprint of the connection's own refresh token at the start of the chain, ``earlier`` holds
    the fingerprints of previous chains. ``connections`` are the ids of connections with a stored pair.
    """

    token: Token
    began_with: str | None = None
    signed_in: SignedIn | None = None
    earlier: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()


class Seal:
    """
    Encryption of the tokens in a Variable, with a key from the app's client secret.

    Airflow encrypts Variables in the database, but the supervisor logs Variables at debug level, and exports show
    Variables. The Variable's key and the site are part of the encryption key: a copy in a second Variable can't be
    opened, and a connection with an edited Server URL does not send stored tokens there.
    """

    def __init__(self, app: App, key: str, site: Site) -> None:
        info = f"airflow-provider-exact\n{site.base_url}\n{key}".encode()
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(app.client_secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def close(self, token: Token) -> tuple[str, str]:
        """Return the sealed access token and refresh token."""
        return (
            self._fernet.encrypt(token.access.encode()).decode(),
            self._fernet.encrypt(token.refresh.encode()).decode(),
        )

    def open(self, stored: _Stored) -> Token:
        """
        Return the token.

        :raises InvalidToken: the client secret, Variable or site differs from the sealing one.
        """
        return Token(
            self._fernet.decrypt(stored.access_token.encode()).decode(),
            self._fernet.decrypt(stored.refresh_token.encode()).decode(),
            stored.issued_at,
            stored.expires_at,
            stored.parent,
        )


class _Stored(msgspec.Struct):
    """Content of the Variable as JSON. Airflow hides values by key: both sealed tokens have keys in ``…token``."""

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float
    parent: str = ""
    began_with: str | None = None
    signed_in: SignedIn | None = None
    earlier: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()

    @classmethod
    def of(cls, kept: Kept, seal: Seal) -> _Stored:
        token = kept.token
        return cls(
            *seal.close(token),
            token.issued_at,
            token.expires_at,
            token.parent,
            kept.began_with,
            kept.signed_in,
            kept.earlier,
            kept.connections,
        )

    def to_kept(self, seal: Seal) -> Kept:
        return Kept(seal.open(self), self.began_with, self.signed_in, self.earlier, self.connections)


class VariableTokenStore:
    """
    Token store of a sign-in: a Variable, under a lease in a second Variable.

    :param key: Key of the token Variable.
    :param app: App registration; only the client secret of the stored tokens opens them.
    :param site: Site of the tokens.
    :param seed: The connection's own ``refresh_token``, from a person: a new seed replaces the stored token.
    :param conn_id: Id of the connection; the Variable lists all connections with a stored pair.
    """

    def __init__(
        self,
        key: str,
        app: App,
        site: Site,
        *,
        seed: Token | None = None,
        conn_id: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.key = key
        self.lease = Lease(lease_key(key), clock=clock, sleep=sleep)
        self._seal = Seal(app, key, site)
        self._app = app
        self._seed = seed
        self._mark = fingerprint(seed.refresh) if seed else None
        self._conn_id = conn_id
        self._clock = clock
        self._sleep = sleep
        self._is_seed_reported = False

    @property
    def can_write(self) -> bool:
        return variables.can_write()

    def read(self) -> Token | None:
        try:
            stored = self._stored()
        except ExactTokenError:
            # Damaged content: a person's refresh token replaces the Variable.
            if self._seed is None:
                raise
            stored = None
        if stored is None:
            token = None if self._seed is None else replace(self._seed, beside=_chain(None))
        elif self._seed is not None and self._begins_after(stored):
            token = self._instead_of(self._seed, stored) or replace(self._seed, beside=_chain(stored))
        else:
            token = self._opened(stored).token
        if token is not None:
            mask(token)
        return token

    def _instead_of(self, seed: Token, stored: _Stored) -> Token | None:
        """Return the stored pair if Exact has refused the connection's own refresh token, and the pair may be alive."""
        refusals, asked = self._refusals("refused"), self._asked(seed)
        seeds = refusals.get(asked)
        if seeds is None or seeds.too_early:
            return None
        try:
            token = self._opened(stored).token
        except ExactTokenError:
            return None
        now = self._clock() + seeds.skew_here
        if now >= seeds.pending_until + PASSED_OVER_SECONDS or now >= token.issued_at + REFRESH_TOKEN_SECONDS:
            return None
        asked_about_pair = self._asked(token)
        pairs = refusals.get(asked_about_pair)
        if pairs is not None and not pairs.too_early:
            # Exact has refused both, and is asked about one of them at a time: the last one until its refusal has
            # ended, and then the other.
            is_in_force = now < max(pairs.until, seeds.until)
            in_order = list(refusals)
            is_pair_last = in_order.index(asked_about_pair) > in_order.index(asked)
            return token if is_pair_last == is_in_force else None
        if not self._is_seed_reported:
            self._is_seed_reported = True
            log.warning(
                "Exact refused the refresh token in the connection %r. The stored sign-in of the app is used instead; "
                "take the refresh token out of the connection.",
                self._conn_id,
            )
        return token

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:
        """
        Store a pair, with attempts over five minutes while Airflow fails; the lease is kept meanwhile.

        :raises VariableWriteError: no attempt succeeded. The lease is left to expire, not released.
        """
        mask(token)
        hidden, deadline = 0, self._clock() + sum(STORE_PAUSES)
        for pause in (*STORE_PAUSES, None):
            try:
                return self._stored_now(token, replacing)
            except StoreUnavailableError as error:
                failure = error
            hidden += isinstance(failure, _HiddenError)
            if pause is None or hidden == MAX_HIDDEN_WRITES or self._clock() > deadline:
                break
            self.keep_lock()
            self._sleep(pause)
        self.lease.leave()
        raise variables.VariableWriteError(str(failure))

    def _stored_now(self, token: Token, replacing: Token | None) -> Token:
        """Store a pair in a single attempt, unless a newer pair is stored; return the stored pair."""
        looked_at, before = self._clock(), variables.read_surely(self.key, pauses=())
        kept = self._to_keep(token, replacing, before)
        if not isinstance(kept, Kept):
            return kept
        text = self._sealed(kept)
        if not variables.write(self.key, text, description=DESCRIPTION, is_timely=self._is_timely(looked_at)):
            raise variables.VariableWriteError(
                f"Airflow took more than {leases.MAX_LOOK_AGE:.0f} s to read the Variable {self.key!r}. Check its API "
                "server and database."
            )
        after = variables.read_surely(self.key, pauses=())
        if after == text:
            return kept.token
        # Airflow before 3.3 logs a failed write and goes on.
        error = _HiddenError if after == before else variables.VariableWriteError
        raise error(
            f"Airflow did not store the Variable {self.key!r}. Check its API server and database, and that no "
            "environment variable or secrets backend holds one of this name."
        )

    def _to_keep(self, token: Token, replacing: Token | None, text: str | None) -> Kept | Token:
        """Return the new content for a pair, or the token of a newer present content."""
        try:
            stored = _decoded(text)
        except msgspec.DecodeError:
            stored = None
        try:
            present = None if stored is None else stored.to_kept(self._seal)
        except InvalidToken:
            present = None
        if present is not None and present.token.refresh == token.refresh and present.token.access == token.access:
            return present.token
        if replacing is None or stored is None:
            return self._begun(token, stored, SignedIn("", 0, self._clock()) if replacing is None else None)
        if replacing == self._seed and self._begins_after(stored):
            if present is None or replacing.beside in (None, _chain(stored)):
                return self._begun(token, stored, None)
            # A sign-in was stored during the refresh. The connection's own refresh token is spent.
            return replace(present, earlier=(*present.earlier, fingerprint(replacing.refresh))[-EARLIER:])
        if present is None:
            log.warning("The Variable %r was stored by a connection with another client secret, and stays", self.key)
            return token
        if present.token.refresh == replacing.refresh or token.supersedes(present.token):
            return replace(present, token=token, connections=self._connections(present.connections))
        return present.token

    def _begun(self, token: Token, stored: _Stored | None, signed_in: SignedIn | None) -> Kept:
        """Return the content for the first pair of a sign-in, or of the connection's own refresh token."""
        connections = self._connections(() if stored is None else stored.connections)
        return Kept(token, self._mark, signed_in, self._earlier(stored), connections)

    def _connections(self, known: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({*known, self._conn_id} - {""}))

    def _is_timely(self, looked_at: float) -> Callable[[], bool]:
        return lambda: self._clock() - looked_at <= leases.MAX_LOOK_AGE

    def _sealed(self, kept: Kept) -> str:
        return msgspec.json.encode(_Stored.of(kept, self._seal)).decode()

    def _begins_after(self, stored: _Stored) -> bool:
        """Whether the connection's refresh token is newer than the stored token; a deferred trigger may be behind."""
        return self._mark is not None and self._mark != stored.began_with and self._mark not in stored.earlier

    def _earlier(self, stored: _Stored | None) -> tuple[str, ...]:
        """Return the fingerprints of previous chains for a chain that begins now."""
        if stored is None:
            return ()
        behind = (*stored.earlier, stored.began_with)
        return tuple(mark for mark in dict.fromkeys(behind) if mark and mark != self._mark)[-EARLIER:]

    def note_user(self, token: Token, user: str, divisions: int, *, user_id: str = "") -> None:
        """Remember the user of a sign-in, unless the token has been replaced meanwhile."""
        try:
            for _ in range(leases.MAX_LOOKS):
                looked_at, kept = self._clock(), self.kept()
                if kept is None or kept.signed_in is None or kept.token.refresh != token.refresh:
                    return
                signed_in = replace(kept.signed_in, user=user, divisions=divisions, user_id=user_id)
                connections = self._connections(kept.connections)
                text = self._sealed(replace(kept, signed_in=signed_in, connections=connections))
                if variables.write(self.key, text, description=DESCRIPTION, is_timely=self._is_timely(looked_at)):
                    return
        except ExactError as error:
            log.warning("Could not note who signed in: %s", error)

    def kept(self) -> Kept | None:
        """
        Return the content of the Variable, ``None`` before the first sign-in.

        :raises ExactTokenError: the content is not a token of this provider, or has a different client secret.
        :raises VariableReadError: Airflow failed to read.
        """
        stored = self._stored()
        return None if stored is None else self._opened(stored)

    def _stored(self) -> _Stored | None:
        try:
            return _decoded(variables.read_surely(self.key, sleep=self._sleep))
        except msgspec.DecodeError:
            raise ExactTokenError(
                f"The Variable {self.key!r} does not hold tokens of this provider. A new sign-in replaces the content."
            ) from None

    def _opened(self, stored: _Stored) -> Kept:
        try:
            return stored.to_kept(self._seal)
        except InvalidToken:
            raise ExactTokenError(
                f"The tokens in the Variable {self.key!r} were stored by a connection with another client secret, "
                "region or Server URL. If those of this connection are right, a new sign-in replaces the tokens."
            ) from None

    def try_lock(self) -> AbstractContextManager[bool]:
        return self.lease.try_hold()

    def is_locked(self) -> bool:
        return self.lease.is_held()

    def holds_lock(self) -> bool:
        return self.lease.is_ours()

    def keep_lock(self) -> None:
        try:
            self.lease.keep()
        except StoreUnavailableError as error:
            # The response to come is worth more than the lease.
            log.warning("Could not keep the lease: %s", error)

    def undecided_seconds(self) -> float:
        since_abandoned = max(self._clock() - self.lease.abandoned_at(), 0.0)
        return max(leases.DURATION, HOLDER_SECONDS - since_abandoned)

    def refusal(self, token: Token) -> Refusal | None:
        return self._refusals("refused").get(self._asked(token))

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        self._note("refused", self._asked(token), refusal)

    def _refusals(self, name: str) -> dict[str, Refusal]:
        """Return the noted refusals by fingerprint; empty for damaged content."""
        return _refusals_in(self.lease.notes().get(name, {}))

    def _note(self, name: str, asked: str, refusal: Refusal) -> None:
        def noted(notes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
            known = _refusals_in(notes.get(name, {}))
            known.pop(asked, None)
            return {key: asdict(each) for key, each in [*known.items(), (asked, refusal)][-REFUSALS:]}

        try:
            self.lease.change(lambda notes: notes | {name: noted(notes)})
        except StoreUnavailableError as error:
            # The refusal reaches the caller all the same.
            log.warning("Could not note a refusal by Exact: %s", error)

    def access_refusal(self, token: Token) -> Refusal | None:
        """Return the noted refusal of an access token; ``until`` is the time of the refusal."""
        return self._refusals("access_refused").get(fingerprint(token.access)) if token.access else None

    def note_access_refusal(self, token: Token, refusal: Refusal) -> None:
        if self.access_refusal(token) is not None:
            return
        with self.try_lock() as locked:
            if locked:
                self._note("access_refused", fingerprint(token.access), refusal)

    def _asked(self, token: Token) -> str:
        return fingerprint(" ".join((token.refresh, self._app.client_id, self._app.client_secret)))


class _HiddenError(variables.VariableWriteError):
    """A write without an error and without an effect."""


def _decoded(text: str | None) -> _Stored | None:
    """
    Return the content of a token Variable; ``None`` for a missing Variable.

    :raises msgspec.DecodeError: the content is damaged.
    """
    if text is None:
        return None
    try:
        stored = msgspec.json.decode(text, type=_Stored)
    except RecursionError as error:
        raise msgspec.DecodeError(str(error)) from None
    if not all(0 <= moment <= leases.MAX_MOMENT for moment in (stored.issued_at, stored.expires_at)):
        raise msgspec.DecodeError("a moment is damaged")
    return stored


def _refusals_in(noted: object) -> dict[str, Refusal]:
    try:
        refusals = msgspec.convert(noted, dict[str, Refusal])
    except msgspec.ValidationError:
        return {}
    return {
        asked: refusal
        for asked, refusal in refusals.items()
        if 0 <= refusal.pending_until <= refusal.until <= leases.MAX_MOMENT
    }


def _chain(stored: _Stored | None) -> str:
    """Return a mark of a stored sign-in, the same for all its pairs; empty without a sign-in."""
    if stored is None:
        return ""
    return f"{stored.began_with} {stored.signed_in.at if stored.signed_in else 0}"


def connections_of(text: str | None) -> tuple[str, ...]:
    """Return the ids of the connections in a token Variable; empty for damaged content."""
    try:
        stored = _decoded(text)
    except msgspec.DecodeError:
        return ()
    return () if stored is None else stored.connections
