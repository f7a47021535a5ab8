"""
The OAuth2 grants of Exact Online, and the token that they hand out.

oauthlib builds the bodies and reads the answers; the exchange itself goes through our own transport, because
requests-oauthlib writes tokens to its debug log and takes plain http on loopback only with a process-wide switch.
Exact's rules (observed in several independent clients): the access token lives 600 s, a refresh earlier than 570 s
after the last is an error, each refresh token works once and dies after 30 days unused.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

from airflow_provider_exact.client.errors import ExactTokenError, ExactTransportError
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import NoResponse, Request, Response, Transport

REFRESH_AFTER = 570.0
LIFETIME = 600.0
REFRESH_TOKEN_LIFETIME = 30 * 86_400.0
TOKEN_TIMEOUT = (10.0, 120.0)


@dataclass(frozen=True)
class Token:
    """
    What a sign-in or a refresh hands out; stored before use, since Exact takes each refresh token once.

    ``issued_at`` and ``expires_at`` are seconds since the epoch. A token without ``refresh`` is never renewed.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    issued_at: float
    expires_at: float

    def is_fresh(self, now: float) -> bool:
        """Whether it serves a whole call: younger than 570 s, and 30 s from its end."""
        return bool(self.access) and now < min(self.issued_at + REFRESH_AFTER, self.expires_at)

    def is_alive(self, now: float) -> bool:
        """Whether Exact still takes it, if only for a short call."""
        return bool(self.access) and now < self.expires_at

    def may_refresh(self, now: float) -> bool:
        """Whether a refresh is allowed yet; earlier is an error that Exact counts."""
        return bool(self.refresh) and not (self.access and now < self.issued_at + REFRESH_AFTER)

    @classmethod
    def to_begin_with(cls, refresh: str) -> Token:
        """Return a token that holds only a refresh token, to be refreshed before its first use."""
        return cls("", refresh, 0.0, 0.0)


def fingerprint(secret: str) -> str:
    """Return a short mark of a secret, enough to see that it was replaced and too little to guess it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


class TokenRefusedError(ExactTokenError):
    """
    The token endpoint refused a grant; ``error`` is its OAuth2 code.

    ``too_early`` means that nothing is lost: somebody else refreshed less than 570 s ago. ``replacement`` is a new
    refresh token that came with the refusal; sources contradict each other on whether one does.
    """

    def __init__(
        self, message: str, *, status: int, error: str, too_early: bool = False, replacement: str | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.error = error
        self.too_early = too_early
        self.replacement = replacement


MEANINGS = {
    "invalid_client": (
        "the client id or client secret is wrong. Correct them in the connection; both are in Exact's App Center."
    ),
    "unauthorized_client": (
        "the refresh token was used before, so this sign-in is used up; another process or a second installation with "
        "the same app registration probably used it."
    ),
    "invalid_grant": (
        "this sign-in no longer exists: a newer one of the same user for the same app replaced it, or the code was "
        "wrong, used or too old."
    ),
    "invalid_request": ("the refresh token has expired after 30 days without use, or a field of the call is wrong."),
}


@dataclass(frozen=True)
class Grants:
    """
    The grants of one app registration on one site.

    :param transport: Its read timeout should be at least 60 s: Exact's token calls are slow at night, and a lost
        answer can cost the sign-in.
    """

    site: Site
    client_id: str
    client_secret: str = field(repr=False)
    transport: Transport
    clock: Callable[[], float] = time.time

    def authorize_url(self, redirect_uri: str, state: str, *, force_login: bool = False) -> str:
        """Return the address of the page where a person signs in and grants divisions."""
        query = {
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": state,
            "force_login": "1" if force_login else "0",
        }
        return f"{self.site.authorize_url}?{urlencode(query, quote_via=quote)}"

    def exchange(self, code: str, redirect_uri: str) -> Token:
        """
        Trade the code of a sign-in for the first token.

        :param code: Out of the redirect's query, decoded once: a ``!`` is written there as ``%21``.
        :raises ExactTokenError: the code, the redirect URI or the app's credentials are wrong.
        :raises ExactTransportError: no answer came; the code is probably used up.
        """
        body = self._grant.prepare_request_body(code=code, redirect_uri=redirect_uri, client_secret=self.client_secret)
        answer = self._post(body, repeat=False)
        if answer.status == 400 and not answer.body.strip().startswith(b"{"):
            raise ExactTokenError(
                f"Exact's token endpoint refused the code without a word (400). Mostly the redirect URI {redirect_uri} "
                "is not, letter for letter, the one of the app's registration. Correct it there or in the connection.",
                status=400,
            )
        return self._token(answer)

    def refresh(self, token: Token) -> Token:
        """
        Trade a refresh token for a new pair. Call it only under the store's lock, and store the result before use.

        A lost answer is repeated once, at once, with the same token: the one moment when Exact may still take it.

        :raises TokenRefusedError: Exact refused; ``too_early`` tells the harmless case.
        :raises ExactTransportError: no answer came, or the endpoint failed; the stored token may still be good.
        """
        body = self._grant.prepare_refresh_body(
            refresh_token=token.refresh, client_id=self.client_id, client_secret=self.client_secret
        )
        return self._token(self._post(body, repeat=True))

    @property
    def _grant(self) -> WebApplicationClient:
        return WebApplicationClient(self.client_id)

    def _post(self, body: str, *, repeat: bool) -> Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        request = Request("POST", self.site.token_url, headers, body, subject="Exact's token endpoint")
        answer = self.transport.send(request)
        if repeat and isinstance(answer, NoResponse):
            answer = self.transport.send(request)
        if isinstance(answer, NoResponse):
            raise ExactTransportError(
                f"{request} did not answer ({answer.reason}). Check the network and the connection's Server URL. If "
                "later calls report a used refresh token, sign in again.",
                outcome_unknown=answer.sent,
            )
        return answer

    def _token(self, answer: Response) -> Token:
        try:
            fields: Any = answer.json
        except (msgspec.DecodeError, UnicodeDecodeError):
            fields = None
        if not isinstance(fields, dict):
            raise ExactTransportError(
                f"Exact's token endpoint answered {answer.status} without JSON; it is overloaded at times. "
                "Try again later.",
                status=answer.status,
            )
        now = self.clock()
        if fields.get("access_token") and fields.get("refresh_token"):
            # Whatever the status: a pair that was handed out replaces the old one.
            return Token(str(fields["access_token"]), str(fields["refresh_token"]), now, now + _lifetime(fields))
        if answer.status >= 500:
            raise ExactTransportError(
                f"Exact's token endpoint failed ({answer.status}). Try again later.", status=answer.status
            )
        try:
            self._grant.parse_request_body_response(answer.body.decode())
        except OAuth2Error as error:
            refusal = self._refusal(answer, str(error.error), str(error.description or ""))
            refusal.replacement = str(fields["refresh_token"]) if fields.get("refresh_token") else None
            raise refusal from None
        raise ExactTransportError(
            f"Exact's token endpoint answered {answer.status} without a token. Try again later.",
            status=answer.status,
        )

    def _refusal(self, answer: Response, error: str, description: str) -> TokenRefusedError:
        reason = answer.headers.get("Reason", "")
        if error == "access_denied" or reason.startswith("TooEarlyToRefreshTokens"):
            return TokenRefusedError(
                "Exact's token endpoint: this refresh token is less than 570 s old, and Exact trades none earlier. "
                "Nothing is lost; try again in ten minutes.",
                status=answer.status,
                error=error,
                too_early=True,
            )
        meaning = MEANINGS.get(error, "the grant was refused.")
        quote_ = f' Exact Online says: "{description[:300]}"' if description else ""
        return TokenRefusedError(
            f"Exact's token endpoint ({answer.status} {error}): {meaning}{quote_}",
            status=answer.status,
            error=error,
        )


def _lifetime(fields: dict[str, Any]) -> float:
    """Return the seconds that an access token lives; Exact sends them as text."""
    try:
        return float(fields.get("expires_in", LIFETIME))
    except (TypeError, ValueError):
        return LIFETIME
