"""Signing in, for the page in Airflow and the command line alike; and what can be told of a sign-in without a call."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_provider_exact.client.auth.oauth2 import TokenRefusedError
from airflow_provider_exact.client.auth.token import REFRESH_TOKEN_SECONDS, AuthorizationCode, Token, fingerprint
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.errors import ExactError, ExactRateLimitError, ExactRequestError, ExactTokenError
from airflow_provider_exact.client.site import DEFAULT_PORTS, origin
from airflow_provider_exact.connection import CONFIG_SECTION
from airflow_provider_exact.tokens.token_store import SignedIn, VariableTokenStore

if TYPE_CHECKING:
    from airflow_provider_exact.connection import ConnectionSettings

CALLBACK_PATH = "/exact-online/callback"
# A refresh token that dies within this many seconds is worth a warning.
WARNING_TIME = 7 * 86_400.0
# A person waits for the names: rather do without them than sit out a limit.
PATIENCE = 10.0


def redirect_uri(settings: ConnectionSettings, *, chosen: str = "") -> str:
    """
    Return the redirect URI: the chosen one, the connection's, the configuration's, else the page of this Airflow.

    Never taken from a request, since a proxy may have changed the request.

    :raises ExactRequestError: none is configured, or the redirect URI is not an address.
    """
    from airflow.configuration import conf

    configured = chosen or settings.redirect_uri or conf.get(CONFIG_SECTION, "redirect_uri", fallback="").strip()
    if configured:
        return _address(configured)
    base_url = conf.get("api", "base_url", fallback="").rstrip("/")
    if base_url.startswith(("http://", "https://")):
        return base_url + CALLBACK_PATH
    raise ExactRequestError(
        f"redirect_uri: none is known. Set it in the connection {settings.conn_id!r}, or [{CONFIG_SECTION}] "
        "redirect_uri or [api] base_url in Airflow's configuration. It must be, letter for letter, the one of the "
        "app's registration."
    )


def _address(redirect_uri: str) -> str:
    try:
        scheme, host, _ = origin(redirect_uri)
    except ValueError:
        scheme = host = ""
    if scheme not in DEFAULT_PORTS or not host:
        raise ExactRequestError(
            f"redirect_uri: {redirect_uri!r} is not an address. Give the redirect URI of the app's registration, such "
            "as https://airflow.example.com/exact-online/callback."
        )
    return redirect_uri


@dataclass(frozen=True)
class Division:
    code: int
    name: str


@dataclass(frozen=True)
class SignedInUser:
    """
    Result of a sign-in whose tokens are stored.

    ``user`` is ``None``, and ``divisions`` is empty, where Exact did not tell; ``problem`` says why and what to do, and
    is empty at a rate limit.
    """

    user: str | None = None
    divisions: tuple[Division, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class RedirectQuery:
    """Query that Exact sends the browser back with, decoded once; one of its fields is the code."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, query: str) -> RedirectQuery:
        """Read the query of an address; fields without a value are left out."""
        return cls(dict(parse_qsl(query)))

    @property
    def has_code(self) -> bool:
        return bool(self.values.get("code"))

    def answers(self, state: str) -> bool:
        """Whether the query belongs to the sign-in with this state."""
        return hmac.compare_digest(self.values.get("state", "").encode(), state.encode())

    def code(self) -> AuthorizationCode:
        """
        Return the code.

        :raises ExactTokenError: the query has none, with the reason that Exact gives.
        """
        if error := self.values.get("error"):
            if error == "access_denied":
                raise ExactTokenError("Access was denied on Exact's consent page. Start again and choose to allow it.")
            described = " ".join((self.values.get("error_description") or error).split())[:300]
            raise ExactTokenError(f'Exact did not sign anybody in. It says: "{described}" Start again.')
        if not self.has_code:
            raise ExactTokenError("The address holds no code. Give the whole address that Exact sent the browser to.")
        return AuthorizationCode(self.values["code"])


def finish(settings: ConnectionSettings, code: AuthorizationCode, sent_back_to: str) -> SignedInUser:
    """
    Exchange a code for tokens, store them, and look up who signed in.

    :param sent_back_to: Redirect URI that the code was requested with.
    :raises ExactTokenError: Exact refused the code, with the correction.
    :raises ExactError: no tokens are stored. After the tokens are stored, a failure is the result's ``problem``.
    """
    provider = settings.refreshing_provider()
    try:
        token = provider.sign_in(code, sent_back_to)
    except TokenRefusedError as error:
        if error.error != "invalid_grant":
            raise
        raise ExactTokenError(
            "Exact refused the code: it was used already, is older than a minute or two, or belongs to another app or "
            "redirect URI. Start the sign-in again.",
            status=error.status,
        ) from error
    client = ExactClient(settings.site, FixedTokenProvider(token.access), patience=PATIENCE)
    user, user_id = "", ""
    try:
        me = client.get_me()
    except ExactRateLimitError:
        signed_in = SignedInUser()
    except ExactError as error:
        signed_in = SignedInUser(problem=f"Who signed in could not be looked up. {error}")
    else:
        user = str(me.get("FullName") or me.get("UserName") or me.get("UserID") or "")
        user_id = str(me.get("UserID") or "")
        signed_in = _granted(client, SignedInUser(user))
    settings.token_store().note_user(token, user, len(signed_in.divisions), user_id=user_id)
    return signed_in


def _granted(client: ExactClient, signed_in: SignedInUser) -> SignedInUser:
    try:
        rows = client.list_divisions()
    except ExactRateLimitError:
        return signed_in
    except ExactError as error:
        return replace(signed_in, problem=f"The granted divisions could not be listed. {error}")
    divisions = tuple(
        Division(int(row["Code"]), str(row.get("Description") or ""))
        for row in rows
        if str(row.get("Code")).isdecimal()
    )
    return replace(signed_in, divisions=divisions)


class State(StrEnum):
    """How a connection stands, in the words that people see."""

    NEVER = "never signed in"
    SIGNED_IN = "signed in"
    DUE = "refresh due"
    NEEDED = "sign-in needed"
    READY_TOKEN = "ready access token"  # noqa: S105 - words, no token


@dataclass(frozen=True)
class Status:
    """
    State of a connection's sign-in, as far as Airflow knows; moments are seconds since the epoch.

    ``expires_at`` is the end of an unused refresh token; ``problem`` says why a person is needed. ``is_stored`` marks a
    stored sign-in, in contrast to the connection's own tokens.
    """

    state: State
    user: str | None = None
    user_id: str = ""
    issued_at: float | None = None
    expires_at: float | None = None
    refreshing_until: float | None = None
    problem: str | None = None
    is_stored: bool = False

    def expires_soon(self, now: float) -> bool:
        """Whether the connection must be used, or signed in again, within a week."""
        return self.expires_at is not None and self.expires_at - now < WARNING_TIME


def status(settings: ConnectionSettings, *, now: float | None = None) -> Status:
    """
    Return how a connection stands; reads Variables only.

    :raises ExactRequestError: client id, client secret or site is missing or malformed.
    :raises StoreUnavailableError: Airflow failed to read.
    """
    now = time.time() if now is None else now
    if settings.access_token:
        return Status(State.READY_TOKEN)
    # Raises for a missing field.
    settings.grants()
    # Without pauses between reads that find nothing: nothing is spent or written on the strength of these.
    store = settings.token_store(sleep=lambda _: None)
    try:
        token = store.read()
    except ExactTokenError as error:
        return Status(State.NEEDED, problem=str(error))
    problem = _refused(store, token) if token else None
    if token is None or (not token.access and not token.issued_at):
        if problem:
            return Status(State.NEEDED, problem=problem)
        waiting = "A refresh token waits in the connection; the first task that runs will use it." if token else None
        return Status(State.NEVER, problem=waiting)
    kept = store.kept()
    signed_in = kept.signed_in if kept and kept.signed_in else SignedIn("", 0, 0.0)
    expires_at = token.issued_at + REFRESH_TOKEN_SECONDS
    if problem is None and now >= expires_at:
        problem = "The refresh token has expired after 30 days without use."
    # A token from the future was issued a moment ago, and the clock of this machine is behind Exact's.
    alive = State.SIGNED_IN if token.is_fresh(max(now, token.issued_at)) else State.DUE
    state = State.NEEDED if problem else alive
    refreshing_until = store.lease.held_until()
    return Status(
        state, signed_in.user, signed_in.user_id, token.issued_at, expires_at, refreshing_until, problem, is_stored=True
    )


def _refused(store: VariableTokenStore, token: Token) -> str | None:
    """Return the reason of a noted refusal of the token that a person must know; ``None`` without one."""
    refusal = store.refusal(token)
    if refusal is not None and not refusal.too_early:
        return refusal.why
    refusal = store.access_refusal(token)
    if refusal is None:
        return None
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(refusal.until))
    return f"Exact refused the access token at {at}. {refusal.why}"


@dataclass(frozen=True)
class SharedSignIn:
    """
    Sign-in of one or more connections with the same app on the same site.

    ``error`` says why the connections can't be used; ``status`` is then ``None``.
    """

    connections: tuple[ConnectionSettings, ...]
    status: Status | None = None
    error: str = ""

    def has(self, conn_id: str) -> bool:
        """Whether a connection shares the sign-in."""
        return any(settings.conn_id == conn_id for settings in self.connections)

    @property
    def names(self) -> str:
        """Ids of the connections."""
        return ", ".join(settings.conn_id for settings in self.connections)

    @property
    def divisions(self) -> str:
        """Default divisions of the connections."""
        found = dict.fromkeys(str(settings.division) for settings in self.connections if settings.division)
        return ", ".join(found)


def shared_sign_ins(connections: Iterable[ConnectionSettings], *, now: float | None = None) -> list[SharedSignIn]:
    """Return the sign-ins of connections, in the order of their first connections; reads Variables only."""
    statuses: dict[tuple[object, ...], Status] = {}
    found: dict[tuple[object, ...], SharedSignIn] = {}
    for settings in connections:
        identity: tuple[object, ...] = (settings.conn_id,)
        try:
            app = (settings.token_key, settings.site, settings.app.bare_id, fingerprint(settings.client_secret))
            own = (*app, fingerprint(settings.refresh_token or ""), fingerprint(settings.access_token or ""))
            if own not in statuses:
                statuses[own] = status(settings, now=now)
            sign_in = SharedSignIn((settings,), statuses[own])
            if not settings.access_token:
                identity = app if statuses[own].is_stored else own
        except ExactError as error:
            sign_in = SharedSignIn((settings,), error=str(error))
        if (first := found.get(identity)) is not None:
            sign_in = replace(first, connections=(*first.connections, settings))
        found[identity] = sign_in
    return list(found.values())


def shared_with(settings: ConnectionSettings, sign_ins: Iterable[SharedSignIn]) -> list[str]:
    """Return the ids of the further connections that share a connection's sign-in."""
    sharing = (one.conn_id for each in sign_ins if each.has(settings.conn_id) for one in each.connections)
    return [conn_id for conn_id in sharing if conn_id != settings.conn_id]


def clashes(sign_ins: Iterable[SharedSignIn]) -> list[str]:
    """Return a warning for each pair of sign-ins of one app by the same user: either ends the other at Exact."""
    owners: dict[tuple[str, str, str], SharedSignIn] = {}
    warnings = []
    for sign_in in sign_ins:
        if sign_in.status is None or not sign_in.status.user_id:
            continue
        lead = sign_in.connections[0]
        first = owners.setdefault((lead.site.base_url, lead.app.bare_id, sign_in.status.user_id), sign_in)
        if first is not sign_in:
            warnings.append(
                f"{sign_in.status.user} has signed in twice for the same app: for {first.names}, and for "
                f"{sign_in.names}. At Exact only the later sign-in is valid. Leave the field Variable for tokens "
                "(token_variable) empty, so that the connections share one sign-in, or sign in as another user for one "
                "of them."
            )
    return warnings
