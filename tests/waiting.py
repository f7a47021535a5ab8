"""Waits that pass at once, and waits for a condition."""

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


def until(condition, limit=120):
    """Wait until a condition holds, for at most ``limit`` seconds; return whether it holds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def hold_at_full_minute(emulator):
    """Hold the emulator's clock where a minute begins, so that no limit of a minute resets during the test."""
    emulator.advance(-emulator.hold() % 60)


def the_limit_has_reset(conn_id="exact_online_default"):
    """Let this process, and those that it shares Variables with, know of no limit."""
    accounts.forget()
    if variables.can_write():
        variables.write(known_limits.KEY + conn_id, "{}", description="")
