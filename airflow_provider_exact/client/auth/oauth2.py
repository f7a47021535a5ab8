"""
OAuth2 grants of Exact Online, sent by requests-oauthlib.

Secrets stay inside values without a ``repr`` until the session gets them. An exception inside the session has frames
with secrets in local variables, and therefore never leaves ``_sent``: error reports hold no secret.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from requests_oauthlib import OAuth2Session

from airflow_provider_exact.client.auth.server_clock import RESOLUTION, ServerClock
from airflow_provider_exact.client.auth.token import (
    ACCESS_TOKEN_SECONDS,
    App,
    AuthorizationCode,
    Token,
    fingerprint,
)
from airflow_provider_exact.client.errors import ExactTokenError, ExactTransportError
from airflow_provider_exact.client.rate_limit import sent_at, server_time
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import LoopbackAdapter, NoResponse, Response, may_have_been_sent

# Seconds to connect, and between two bytes. Exact's token calls are slow at night, and a lost response can cost the
# sign-in.
TOKEN_TIMEOUT = (10.0, 120.0)
MAX_ACCESS_TOKEN_SECONDS = 86_400.0
SUBJECT = "Exact's token endpoint"
RETRYABLE_STATUSES = frozenset({408, 429})


def drop_debug(record: logging.LogRecord) -> bool:
    """Whether a record may be logged: requests-oauthlib writes secrets and tokens at level DEBUG."""
    return record.levelno > logging.DEBUG


logging.getLogger("requests_oauthlib.oauth2_session").addFilter(drop_debug)


class TokenRefusedError(ExactTokenError):
    """
    Refusal of a grant by the token endpoint; ``error`` is the OAuth2 code, empty for a response without JSON.

    ``too_early`` marks the harmless case: the pair is less than 570 s old. ``replacement`` is a new refresh token in
    the refusal; sources contradict one another about such tokens.
    """

    replacement: Token | None = None

    def __init__(self, message: str, *, status: int, error: str, too_early: bool = False) -> None:
        super().__init__(message, status=status)
        self.error = error
        self.too_early = too_early

    @property
    def may_be_replaced(self) -> bool:
        """Whether a second process may hold a newer pair: the refresh token was used, or a newer sign-in exists."""
        return self.error in ("unauthorized_client", "invalid_grant")


class TokenFailedError(ExactTransportError):
    """Failure of a token call without a refusal; ``replacement`` is a new refresh token in the response."""

    replacement: Token | None = None


MEANINGS = {
    "invalid_client": (
        "the client id or client secret is wrong. Correct them in the connection; both are in Exact's App Center."
    ),
    "unauthorized_client": (
        "the refresh token was used before, so this sign-in is used up; another process or a second installation with "
        "the same app registration probably used it."
    ),
    "invalid_grant": (
        "this sign-in no longer exists: a newer one of the same user for the same app replaced it, or the refresh "
        "token or code is not of this app, used or too old."
    ),
    "invalid_request": "the refresh token has expired after 30 days without use, or a field of the call is wrong.",
}


@dataclass(frozen=True)
class Grants:
    """
    Grants of an app registration on a site.

    :param timeout: Seconds to connect, and seconds between two bytes of the response; at least 60.
    :param clock: Exact's clock, corrected by each response.
    """

    site: Site
    app: App
    timeout: tuple[float, float] = TOKEN_TIMEOUT
    clock: ServerClock = field(default_factory=ServerClock, repr=False)

    def authorize_url(self, redirect_uri: str, state: str, *, force_login: bool = False) -> str:
        """Return the address of the page where a person signs in and grants divisions."""
        with OAuth2Session(self.app.client_id, redirect_uri=redirect_uri) as session:
            url, _ = session.authorization_url(
                _secure(self.site.authorize_url), state, force_login="1" if force_login else "0"
            )
        return self.site.authorize_url + str(url).removeprefix(_secure(self.site.authorize_url))

    def exchange(self, code: AuthorizationCode, redirect_uri: str) -> Token:
        """
        Exchange the code of a sign-in for the first pair.

        A refresh token without an access token is no pair, and dropped: the person signs in again.

        :param redirect_uri: Redirect URI of the request for the code.
        :raises TokenRefusedError: the code, the redirect URI or the app's credentials are wrong.
        :raises ExactTransportError: no response came, so the code is probably used up; or the endpoint failed.
        """
        response = self._sent(
            lambda session: session.fetch_token(
                _secure(self.site.token_url),
                code=code.value,
                include_client_id=True,
                client_secret=self.app.client_secret,
                timeout=self.timeout,
            ),
            redirect_uri,
        )
        return self._token(response, redirect_uri=redirect_uri)

    def refresh(self, token: Token, *, may_repeat: Callable[[], bool] = lambda: True) -> Token:
        """
        Refresh a pair, under the store's lock only; the result is stored before the first use.

        A request without a whole response is repeated once, at once, with an unchanged refresh token: the only moment
        when Exact may still accept the token. Either exception may bring a new refresh token, to be stored like a pair.

        :param may_repeat: Whether the lock is still held.
        :raises TokenRefusedError: Exact refused; ``too_early`` marks the harmless case.
        :raises TokenFailedError: no response came, or the endpoint failed; the stored pair may still be valid.
        """
        response = self._refresh_response(token)
        if (isinstance(response, NoResponse) or _is_cut(response)) and may_repeat():
            response = self._refresh_response(token)
        return self._token(response, parent=fingerprint(token.refresh))

    def _refresh_response(self, token: Token) -> Response | NoResponse:
        return self._sent(
            lambda session: session.refresh_token(
                _secure(self.site.token_url),
                refresh_token=token.refresh,
                client_id=self.app.client_id,
                client_secret=self.app.client_secret,
                timeout=self.timeout,
            )
        )

    def _sent(self, send: Callable[[OAuth2Session], object], redirect_uri: str | None = None) -> Response | NoResponse:
        """
        Let a session send a grant, and return the response.

        The session's own reading of the response is ignored: a pair counts at every status, and oauthlib accepts
        neither a pair with an error status nor an odd ``expires_in``.
        """
        received: list[Response] = []

        def receive(response: requests.Response) -> requests.Response:
            received.append(Response(response.status_code, response.headers, response.content))
            return response

        no_response = NoResponse("no request was sent", sent=False)
        since = self.clock.local()
        with OAuth2Session(self.app.client_id, redirect_uri=redirect_uri) as session:
            # A redirect would post the secret to a different host.
            session.max_redirects = 0
            session.register_compliance_hook("access_token_response", receive)
            session.register_compliance_hook("refresh_token_response", receive)
            if self.site.base_url.startswith("http://"):
                session.mount(f"{_secure(self.site.base_url)}/", LoopbackAdapter())
            try:
                try:
                    send(session)
                except requests.TooManyRedirects as error:
                    if error.response is not None:
                        receive(error.response)
            except Exception as error:  # noqa: BLE001 - any exception of the libraries has frames with secrets
                no_response = NoResponse(type(error).__name__, sent=may_have_been_sent(error))
        if not received:
            return no_response
        if (moment := sent_at(received[0].headers)) is not None:
            self.clock.learn(moment, since=since)
        return received[0]

    def _token(self, response: Response | NoResponse, *, redirect_uri: str = "", parent: str = "") -> Token:
        """
        Return the pair of a response, at every status.

        :raises TokenRefusedError: a refusal.
        :raises TokenFailedError: any further response without a pair.
        """
        if isinstance(response, NoResponse):
            raise TokenFailedError(
                f"{SUBJECT} did not answer ({response.reason}). Check the network and the connection's Server URL. If "
                "later calls report a used refresh token, sign in again.",
                outcome_unknown=response.sent,
            )
        fields = _Fields.of(response)
        if fields.has_pair:
            return self._issued(fields, response, parent)
        failure = self._failure(fields, response, redirect_uri)
        if parent and fields.text("refresh_token"):
            failure.replacement = Token("", fields.text("refresh_token"), self._issued_at(response), 0.0, parent)
        raise failure

    def _failure(self, fields: _Fields, response: Response, redirect_uri: str) -> TokenRefusedError | TokenFailedError:
        """Return the exception for a response without a pair."""
        status = response.status
        if status >= 500 or status in RETRYABLE_STATUSES:
            return TokenFailedError(f"{SUBJECT} failed ({status}). Try again later.", status=status)
        if fields.text("error") or _is_too_early(response):
            return self._refusal(fields, response)
        if _is_cut(response):
            return TokenFailedError(
                f"{SUBJECT} answered {status} with half a response. Try again later.",
                status=status,
                outcome_unknown=True,
            )
        if 200 <= status < 300:
            return TokenFailedError(
                f"{SUBJECT} answered {status} without a token. Try again later, and check the connection's region or "
                "Server URL.",
                status=status,
                outcome_unknown=True,
            )
        uri = f" {redirect_uri}" if redirect_uri else ""
        return TokenRefusedError(
            f"{SUBJECT} refused the grant without a reason ({status}). Check that the redirect URI{uri} is, letter for "
            "letter, the one of the app's registration, that the client id and the client secret are those of this "
            "app, and that the connection's region or Server URL is the app's.",
            status=status,
            error="",
        )

    def _issued(self, fields: _Fields, response: Response, parent: str) -> Token:
        issued_at = self._issued_at(response)
        return Token(
            fields.text("access_token"), fields.text("refresh_token"), issued_at, issued_at + fields.lifetime, parent
        )

    def _issued_at(self, response: Response) -> float:
        local = self.clock.local()
        moment = server_time(response.headers, local)
        # Rounded up: an overestimated age would lead to a refresh too early.
        return local if moment <= local <= moment + RESOLUTION else moment + RESOLUTION

    def _refusal(self, fields: _Fields, response: Response) -> TokenRefusedError:
        error, description = fields.text("error")[:100], fields.text("error_description")[:300]
        too_early = error == "access_denied" or _is_too_early(response)
        if too_early:
            message = (
                f"{SUBJECT}: this refresh token is less than 570 s old, and Exact accepts none earlier. Nothing is "
                f"lost; try again in ten minutes. {self.clock.complaint}".rstrip()
            )
        else:
            meaning = MEANINGS.get(error, "the grant was refused.")
            quote = f' Exact Online says: "{description}".' if description else ""
            message = f"{SUBJECT} ({response.status} {error}): {meaning}{quote}"
        return TokenRefusedError(message, status=response.status, error=error, too_early=too_early)


@dataclass(frozen=True)
class _Fields:
    """JSON object of a token response; empty for any other response."""

    values: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, response: Response) -> _Fields:
        """Read a response."""
        # A plain variable would show the tokens in a traceback.
        fields = cls(_json(response))
        return fields if isinstance(fields.values, dict) else cls({})

    def text(self, name: str) -> str:
        """Return a field as text on a single line; empty without the field."""
        return " ".join(str(self.values.get(name) or "").split())

    @property
    def has_pair(self) -> bool:
        return bool(self.text("access_token") and self.text("refresh_token"))

    @property
    def lifetime(self) -> float:
        """Lifetime of the access token in seconds, bounded; Exact sends a text."""
        try:
            seconds = float(self.text("expires_in"))
        except ValueError:
            return ACCESS_TOKEN_SECONDS
        return seconds if 0 < seconds <= MAX_ACCESS_TOKEN_SECONDS else ACCESS_TOKEN_SECONDS


def _json(response: Response) -> Any:
    """Return the body as JSON; ``None`` without JSON. Python's reader accepts ``NaN``, so no pair is lost."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def _is_cut(response: Response) -> bool:
    """Whether a response breaks off inside the JSON, or is empty without a refusal's status."""
    # No variable holds the body: frames of a traceback show variables.
    if response.body.lstrip().startswith(b"{"):
        return _json(response) is None
    return not response.body.strip() and not 300 <= response.status < 500


def _is_too_early(response: Response) -> bool:
    return response.headers.get("Reason", "").startswith("TooEarlyToRefreshTokens")


def _secure(url: str) -> str:
    """Return an address as https, as OAuth2Session demands; ``LoopbackAdapter`` sends plain http."""
    return url.replace("http://", "https://", 1)
