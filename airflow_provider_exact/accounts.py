"""One account per connection in each process, so that its threads and triggers share what they know of the limits."""

from __future__ import annotations

import threading

from airflow_provider_exact.client.account import Account
from airflow_provider_exact.connection import ConnectionSettings, count_option
from airflow_provider_exact.known_limits import KnownInAirflow

_accounts: dict[tuple[str, ...], Account] = {}
_guard = threading.Lock()


def shared_account(settings: ConnectionSettings) -> Account:
    """Return this process's account of a connection."""
    identity = (settings.conn_id, settings.site.base_url, settings.client_id)
    with _guard:
        if identity not in _accounts:
            _accounts[identity] = Account(
                KnownInAirflow(settings.conn_id), errors_per_hour=count_option("errors_per_hour")
            )
        return _accounts[identity]


def forget() -> None:
    """Know nothing again, as a new process does."""
    with _guard:
        _accounts.clear()
