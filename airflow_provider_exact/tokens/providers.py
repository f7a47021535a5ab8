"""Token providers of a process, one per connection: a single thread or trigger per sign-in claims the lease."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.token import Token, fingerprint
from airflow_provider_exact.client.auth.token_provider import RefreshingTokenProvider
from airflow_provider_exact.tokens.token_store import VariableTokenStore

_providers: dict[tuple[str | None, ...], RefreshingTokenProvider] = {}
# Locks by key of the token Variable.
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_guard = threading.Lock()


def shared_provider(
    key: str,
    grants: Grants,
    *,
    seed: Token | None,
    conn_id: str,
    advice: str,
    on_refresh: Callable[[], None] = lambda: None,
) -> RefreshingTokenProvider:
    """
    Return the provider of the process for the tokens in the Variable ``key``.

    :param seed: The connection's own ``refresh_token``, if any.
    :param conn_id: Id of the connection; empty for a form that is not saved.
    :param advice: How a person signs in.
    :param on_refresh: Called after each refresh.
    """
    identity = (
        key,
        grants.site.base_url,
        grants.app.client_id,
        fingerprint(grants.app.client_secret),
        fingerprint(seed.refresh) if seed else None,
        conn_id,
    )
    with _guard:
        if identity not in _providers:
            _providers[identity] = RefreshingTokenProvider(
                VariableTokenStore(key, grants.app, grants.site, seed=seed, conn_id=conn_id),
                grants,
                advice=advice,
                on_refresh=on_refresh,
                one_thread=_locks[key],
            )
        return _providers[identity]
