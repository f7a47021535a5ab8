"""Content of a token Variable, written and read by a test with the connection's settings."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from airflow_provider_exact.client.auth.token import Token
from airflow_provider_exact.connection import ConnectionSettings, find_connection
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.token_store import Seal

SEALED = ("access_token", "refresh_token")


def settings_of(emulator: Any, conn_id: str = "exact_online_default", **changes: Any) -> ConnectionSettings:
    """Return the settings of a connection to an emulator."""
    app = {"client_id": emulator.client_id, "client_secret": emulator.client_secret, "server_url": emulator.url}
    return ConnectionSettings(conn_id, **app | changes)


def seal(settings: ConnectionSettings) -> Seal:
    """Return the seal of a connection's token Variable."""
    return Seal(settings.app, settings.token_key, settings.site)


def sealed(settings: ConnectionSettings, token: dict[str, Any]) -> str:
    """Return a token as the content of a connection's Variable."""
    pair = seal(settings).close(Token(token["access_token"], token["refresh_token"], 0.0, 0.0))
    return json.dumps(token | dict(zip(SEALED, pair, strict=True)))


def opened(settings: ConnectionSettings, text: str) -> dict[str, Any]:
    """Return the content of a connection's Variable with readable tokens."""
    content = json.loads(text)
    token = seal(settings).open(SimpleNamespace(**{"parent": "", **content}))
    return content | dict(zip(SEALED, (token.access, token.refresh), strict=True))


def token_key(conn_id: str = "exact_online_default") -> str:
    """Return the key of a connection's token Variable."""
    settings = find_connection(conn_id)
    assert settings is not None
    return settings.token_key


def stored(conn_id: str = "exact_online_default") -> str | None:
    """Return the content of a connection's token Variable."""
    return variables.read(token_key(conn_id))


def store(text: str, conn_id: str = "exact_online_default") -> None:
    """Replace the content of a connection's token Variable."""
    variables.write(token_key(conn_id), text, description="")
