"""Many processes and one expired token."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from tests.sealed import store, stored

pytestmark = pytest.mark.system


def expire(emulator):
    """Let the stored token expire, at Exact and by the clocks of the processes, which no response has corrected yet."""
    kept = json.loads(stored())
    kept |= {"issued_at": time.time() - 601, "expires_at": time.time() - 1}
    store(json.dumps(kept))
    emulator.advance(601)


@pytest.fixture
def signed_in(waiting):
    ExactOnlineHook().get_me()
    return waiting


@pytest.mark.parametrize("number", [12, pytest.param(64, marks=pytest.mark.slow)])
def test_many_processes_with_an_expired_token_refresh_it_once(signed_in, forks, number):
    before = signed_in.statistics()
    expire(signed_in)
    answers = forks.ask_at_once(number)
    assert [answer for answer in answers if "error" in answer] == []
    assert len({answer["token"] for answer in answers}) == 1
    after = signed_in.statistics()
    assert after["refreshes"] - before["refreshes"] == 1
    assert after["refused_refreshes"] == {}


@pytest.mark.parametrize("expiries", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_expiries_in_a_row_lose_nothing(signed_in, forks, expiries):
    before = signed_in.statistics()["refreshes"]
    for _ in range(expiries):
        expire(signed_in)
        assert [answer for answer in forks.ask_at_once(6) if "error" in answer] == []
    after = signed_in.statistics()
    assert after["refreshes"] - before == expiries
    assert after["refused_refreshes"] == {}
