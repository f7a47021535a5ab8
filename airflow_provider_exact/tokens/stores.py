"""One token store per connection in each process, so that only one of its threads or triggers ever claims the lease."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_provider_exact.client.auth import Grants, fingerprint
from airflow_provider_exact.client.token_store import RefreshingTokenStore
from airflow_provider_exact.tokens.storage import VariableStorage

_stores: dict[tuple[str | None, ...], RefreshingTokenStore] = {}
_guard = threading.Lock()


def shared_store(
    key: str, grants: Grants, *, seed: str | None, advice: str, on_refresh: Callable[[], None] = lambda: None
) -> RefreshingTokenStore:
    """
    Return this process's store for the tokens in the Variable ``key``.

    :param seed: The connection's own ``refresh_token``, if any.
    :param advice: What a person does to sign in.
    :param on_refresh: Told of each refresh.
    """
    identity = (
        key,
        grants.site.base_url,
        grants.client_id,
        fingerprint(grants.client_secret),
        fingerprint(seed) if seed else None,
    )
    with _guard:
        if identity not in _stores:
            _stores[identity] = RefreshingTokenStore(
                VariableStorage(key, grants.client_secret, client_id=grants.client_id, seed=seed),
                grants,
                advice=advice,
                on_refresh=on_refresh,
            )
        return _stores[identity]
