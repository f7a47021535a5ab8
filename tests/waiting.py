"""Waits that pass at once."""

from __future__ import annotations

import time

from airflow_provider_exact import accounts, known_limits
from airflow_provider_exact.tokens import variables


def wait_in_no_time(client):
    """Let a client's waits only move the clock that limits are told by; return their lengths, as they come."""
    slept = []
    client._sleep = slept.append
    client.account._clock = lambda: time.time() + sum(slept)
    return slept


def the_limit_has_reset(conn_id="exact_online_default"):
    """Let this process, and those that it shares Variables with, know of no limit."""
    accounts.forget()
    if variables.can_write():
        variables.write(known_limits.KEY + conn_id, "{}", description="")
