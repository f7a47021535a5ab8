"""
Token providers of a process, shared by the connections of a sign-in: a single thread or trigger claims the lease.

A connection with a ``refresh_token`` of its own has a separate provider.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.token import AuthorizationCode, Token, fingerprint
from airflow_provider_exact.client.auth.token_provider import RefreshingTokenProvider
from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.tokens.token_store import VariableTokenStore

_providers: dict[tuple[str | None, ...], RefreshingTokenProvider] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class ConnectionTokenProvider:
    """Token provider of a connection: the provider of the sign-in, with the connection's own advice."""

    shared: RefreshingTokenProvider
    advice: str

    def get(self, *, refused: Token | None = None, refused_at: float | None = None) -> Token:
        try:
            return self.shared.get(refused=refused, refused_at=refused_at)
        except ExactTokenError as error:
            raise ExactTokenError(f"{error} {self.advice}", status=error.status) from error

    def give_up(self, token: Token, error: ExactTokenError) -> None:
        # Each connection of the sign-in has advice of its own.
        why = str(error).removesuffix(self.advice).rstrip()
        self.shared.give_up(token, ExactTokenError(why, status=error.status))

    def sign_in(self, code: AuthorizationCode, redirect_uri: str) -> Token:
        return self.shared.sign_in(code, redirect_uri)


def shared_provider(
    key: str,
    grants: Grants,
    *,
    seed: Token | None,
    conn_id: str,
    on_refresh: Callable[[], None] = lambda: None,
) -> RefreshingTokenProvider:
    """
    Return the provider of the process for the tokens in the Variable ``key``.

    :param seed: The connection's own ``refresh_token``, if any.
    :param conn_id: Id of the first connection in the process.
    :param on_refresh: Called after each refresh.
    """
    identity = (
        key,
        grants.site.base_url,
        grants.app.client_id,
        fingerprint(grants.app.client_secret),
        fingerprint(seed.refresh) if seed else None,
    )
    with _guard:
        if identity not in _providers:
            _providers[identity] = RefreshingTokenProvider(
                VariableTokenStore(key, grants.app, grants.site, seed=seed, conn_id=conn_id),
                grants,
                advice="",
                on_refresh=on_refresh,
            )
        return _providers[identity]
