"""Who may replace what the token Variable holds, on a real database."""

from __future__ import annotations

import time

import pytest

from airflow_provider_exact.client.auth import Token
from airflow_provider_exact.tokens.storage import VariableStorage

KEY = "exact_online_token__x"


@pytest.fixture
def now(server):
    return time.time()


def kept_by(now, seed=None):
    return VariableStorage(KEY, "secret", seed=seed, clock=lambda: now)


def pair(name, issued_at):
    return Token(f"access {name}", f"refresh {name}", issued_at, issued_at + 600)


def test_who_signed_in_is_noted_of_that_sign_in_only(now):
    first, second = pair("first", now), pair("second", now)
    storage = kept_by(now)
    storage.write(first)
    storage.write(second)
    storage.note_user(second, "Second", 2)
    # The first one's divisions took long to list.
    storage.note_user(first, "First", 1)
    kept = storage.kept()
    assert kept.token == second
    assert (kept.signed_in.user, kept.signed_in.divisions) == ("Second", 2)


def test_a_sign_in_wins_over_a_late_refresh_before_it_is_known_who_it_was(now):
    old, new = pair("old", now - 601), pair("new", now)
    storage = kept_by(now)
    storage.write(old)
    storage.write(new)
    assert storage.write(pair("late", now), replacing=old) == new
    assert storage.read() == new
