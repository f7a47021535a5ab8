"""Tokens in an Airflow Variable, the only encrypted store that workers may write."""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from urllib.parse import quote

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from airflow_provider_exact.client.auth import TOKEN_TIMEOUT, Token, fingerprint
from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.client.token_store import Refusal
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.lease import Lease

log = logging.getLogger(__name__)

TOKEN_KEY = "exact_online_token__"  # noqa: S105 - the name of a Variable
LEASE_KEY = "exact_online_lease__"
# How many of a connection's earlier refresh tokens are known as such.
EARLIER = 20
DESCRIPTION = "Tokens of an Exact Online connection, replaced every ten minutes; kept by airflow-provider-exact."


def lease_key(token_key: str) -> str:
    """Return the key of the lease that belongs to a token Variable."""
    if token_key.startswith(TOKEN_KEY):
        return LEASE_KEY + token_key.removeprefix(TOKEN_KEY)
    return LEASE_KEY + token_key


def mask(token: Token) -> None:
    """Have Airflow's logs hide both tokens, also as they stand in a query."""
    from airflow.sdk.log import mask_secret

    for secret in (token.access, token.refresh):
        if secret:
            mask_secret(secret)
            mask_secret(quote(secret, safe=""))


@dataclass(frozen=True)
class SignedIn:
    """
    Who signed in, how many divisions they granted, and when (``at``, seconds since the epoch).

    ``user`` is empty until Exact has said who it is.
    """

    user: str
    divisions: int
    at: float


@dataclass(frozen=True)
class Kept:
    """
    What a token Variable holds.

    ``began_with`` marks the connection's refresh token that the chain began with, ``earlier`` those of chains before.
    """

    token: Token
    began_with: str | None = None
    signed_in: SignedIn | None = None
    earlier: tuple[str, ...] = ()


class Seal:
    """
    Makes tokens unreadable to whoever does not know the connection's client secret.

    Airflow encrypts Variables in its database, but its supervisor writes them to its log at debug level, and exports
    show them.
    """

    def __init__(self, client_secret: str) -> None:
        key = hashlib.sha256(f"airflow-provider-exact:{client_secret}".encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, token: str) -> str:
        return self._fernet.encrypt(token.encode()).decode()

    def open(self, sealed: str) -> str:
        """
        Return the token.

        :raises InvalidToken: another client secret sealed it.
        """
        return self._fernet.decrypt(sealed.encode()).decode()


class _Stored(msgspec.Struct):
    """The same as JSON, both tokens sealed. Airflow hides values by key: the names of both end in ``token``."""

    access_token: str
    refresh_token: str
    issued_at: float
    expires_at: float
    began_with: str | None = None
    signed_in: SignedIn | None = None
    earlier: tuple[str, ...] = ()

    @classmethod
    def of(cls, kept: Kept, seal: Seal) -> _Stored:
        token = kept.token
        access, refresh = seal.close(token.access), seal.close(token.refresh)
        return cls(access, refresh, token.issued_at, token.expires_at, kept.began_with, kept.signed_in, kept.earlier)

    def to_kept(self, seal: Seal) -> Kept:
        access, refresh = seal.open(self.access_token), seal.open(self.refresh_token)
        token = Token(access, refresh, self.issued_at, self.expires_at)
        return Kept(token, self.began_with, self.signed_in, self.earlier)


class VariableStorage:
    """
    Keeps one connection's tokens in a Variable, under a lease in another.

    :param key: The token Variable's key.
    :param client_secret: The connection's; whoever does not know it can't read the tokens.
    :param client_id: The connection's; what Exact refused with another one is asked again.
    :param seed: The connection's own ``refresh_token``. A person put it there, so a new one wins over what is stored.
    """

    def __init__(
        self,
        key: str,
        client_secret: str,
        *,
        client_id: str = "",
        seed: str | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.key = key
        self.lease = Lease(lease_key(key), clock=clock, sleep=sleep)
        self._seal = Seal(client_secret)
        self._app = (client_id, client_secret)
        self._seed = seed or None
        self._mark = fingerprint(seed) if seed else None
        self._clock = clock
        self._sleep = sleep

    @property
    def can_write(self) -> bool:
        return variables.can_write()

    def read(self) -> Token | None:
        stored = self._stored()
        if stored is not None and not self._begins_after(stored):
            token: Token | None = self._opened(stored).token
        else:
            token = Token.to_begin_with(self._seed) if self._seed else None
        if token is not None:
            mask(token)
        return token

    def write(self, token: Token, *, replacing: Token | None = None) -> Token:
        mask(token)
        if replacing is None:
            signed_in = SignedIn("", 0, self._clock())
            self._keep(Kept(token, self._mark, signed_in, self._earlier()))
            return token
        stored = self._stored_surely()
        if stored is None or (replacing.refresh == self._seed and self._begins_after(stored)):
            self._keep(Kept(token, self._mark, earlier=self._earlier()))
            return token
        kept = self._opened(stored)
        if kept.token.refresh != replacing.refresh:
            began_at = token.issued_at - TOKEN_TIMEOUT[1]
            if kept.began_with != self._mark or (kept.signed_in and kept.signed_in.at > began_at):
                # Another chain began, or a person signed in, while the refresh was under way.
                return kept.token
        self._keep(replace(kept, token=token))
        return token

    def _begins_after(self, stored: _Stored) -> bool:
        """Whether the connection's refresh token is newer than what is stored; a waiting trigger may hold an older."""
        return self._mark is not None and self._mark != stored.began_with and self._mark not in stored.earlier

    def _earlier(self) -> tuple[str, ...]:
        """Return the marks that a chain that begins now leaves behind."""
        try:
            stored = self._stored_surely()
        except ExactTokenError:
            return ()
        if stored is None:
            return ()
        behind = (*stored.earlier, stored.began_with)
        return tuple(mark for mark in dict.fromkeys(behind) if mark and mark != self._mark)[-EARLIER:]

    def note_user(self, token: Token, user: str, divisions: int) -> None:
        """Remember who signed in, unless another sign-in or a refresh has replaced the token meanwhile."""
        kept = self.kept()
        if kept is not None and kept.signed_in is not None and kept.token.refresh == token.refresh:
            self._keep(replace(kept, signed_in=replace(kept.signed_in, user=user, divisions=divisions)))

    def kept(self) -> Kept | None:
        """
        Return what the Variable holds, ``None`` when there is none.

        :raises ExactTokenError: it holds something else than tokens that this connection may read.
        """
        stored = self._stored()
        return None if stored is None else self._opened(stored)

    def _stored_surely(self) -> _Stored | None:
        """Read with the patience of a write, since a pair that can't be stored without it is lost."""
        return self._stored(pauses=variables.WRITE_PAUSES)

    def _stored(self, *, pauses: Iterable[float] = variables.READ_PAUSES) -> _Stored | None:
        text = variables.read_surely(self.key, pauses=pauses, sleep=self._sleep)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=_Stored)
        except msgspec.DecodeError:
            raise ExactTokenError(
                f"The Variable {self.key!r} does not hold tokens of this provider. Sign in again, which replaces it."
            ) from None

    def _opened(self, stored: _Stored) -> Kept:
        try:
            return stored.to_kept(self._seal)
        except InvalidToken:
            raise ExactTokenError(
                f"The tokens in the Variable {self.key!r} were stored while the connection had another client secret. "
                "If the one it has now is right, sign in again."
            ) from None

    def _keep(self, kept: Kept) -> None:
        text = msgspec.json.encode(_Stored.of(kept, self._seal)).decode()
        variables.write_surely(self.key, text, description=DESCRIPTION, sleep=self._sleep)

    def try_lock(self) -> AbstractContextManager[bool]:
        return self.lease.try_hold()

    def is_locked(self) -> bool:
        return self.lease.is_held()

    def keep_lock(self) -> None:
        try:
            self.lease.keep()
        except variables.VariableWriteError as error:
            # The answer to come is worth more than the lease.
            log.warning("Could not keep the lease: %s", error)

    def refusal(self, token: Token) -> Refusal | None:
        noted = self.lease.notes().get("refused")
        if not isinstance(noted, dict) or noted.get("asked") != self._asked(token):
            return None
        return Refusal(str(noted.get("why")), float(noted.get("until", 0)), too_early=bool(noted.get("too_early")))

    def note_refusal(self, token: Token, refusal: Refusal) -> None:
        try:
            self.lease.note("refused", {"asked": self._asked(token), **asdict(refusal)})
        except variables.VariableWriteError as error:
            # What Exact said is worth more than that the next one need not ask.
            log.warning("Could not note that Exact refused a refresh: %s", error)

    def _asked(self, token: Token) -> str:
        return fingerprint(" ".join((token.refresh, *self._app)))
