"""
A sign-in that was begun in a browser and is to be finished in the same one.

It travels in a signed cookie, since the API server's processes share no memory.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field

from airflow.configuration import conf
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_exact import signing_in
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.connection import ConnectionSettings
from airflow_provider_exact.plugin.addresses import CALLBACK, MOUNT, base_url, leads_here, public_path

COOKIE = "exact_online_sign_in"
MINUTES = 15


@dataclass(frozen=True)
class BegunSignIn:
    """Which connection is signed in, and by which user of Airflow (``user_id``)."""

    conn_id: str
    user_id: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @classmethod
    def in_cookie(cls, request: Request) -> BegunSignIn | None:
        """Return what the browser's cookie holds; ``None`` when it has none, or it is forged or too old."""
        try:
            return cls(**_serializer().loads(request.cookies.get(COOKIE, ""), max_age=MINUTES * 60))
        except (BadSignature, TypeError):
            # The second: another release of this provider signed it, with other fields.
            return None

    def remember(self, response: Response) -> None:
        response.set_cookie(
            COOKIE,
            _serializer().dumps(asdict(self)),
            max_age=MINUTES * 60,
            path=public_path(),
            secure=base_url().startswith("https://"),
            httponly=True,
            # Strict would keep it from the redirect that comes back from Exact.
            samesite="lax",
        )


def authorize_url(settings: ConnectionSettings, state: str) -> str:
    """
    Return the address at Exact where a person signs in for a connection and is sent back to this page.

    :raises ExactRequestError: the connection lacks something, or the redirect URI does not lead here.
    """
    redirect_uri = signing_in.redirect_uri(settings)
    if not leads_here(redirect_uri):
        raise ExactRequestError(
            f"The redirect URI {redirect_uri} does not lead to this page, so Exact could not send you back here. "
            f"Register {base_url() or 'https://…'}{MOUNT}{CALLBACK} with your app and set it in the connection, or "
            f"sign in with the command 'exact-online login --conn-id {settings.conn_id}'."
        )
    return settings.grants().authorize_url(redirect_uri, state)


def usual_redirect_uri() -> str:
    """Return the redirect URI of connections that name none, empty when it is not known."""
    try:
        return signing_in.redirect_uri(ConnectionSettings("", "", ""))
    except ExactRequestError:
        return ""


def forget(response: Response) -> None:
    """Take the cookie away: a sign-in is finished once."""
    response.delete_cookie(
        COOKIE, path=public_path(), secure=base_url().startswith("https://"), httponly=True, samesite="lax"
    )


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="exact-online.sign-in")
