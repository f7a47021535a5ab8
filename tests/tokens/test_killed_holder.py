"""
A refresher that dies at any step of its work, and what happens to the sign-in.

Each test kills a real process at one step, then lets another one ask. Written down per step in docs/tokens.md.
"""

from __future__ import annotations

import json
import signal
import time

import pytest

from airflow_provider_exact.client.auth import token_provider
from airflow_provider_exact.client.errors import ExactTokenError, ExactTransportError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.token_store import HOLDER_SECONDS, lease_key
from tests.sealed import token_key

pytestmark = [pytest.mark.system, pytest.mark.smoke]

# A new pair was handed out, and only the dead process knew it.
WITH_THE_ONLY_COPY = ["after the request was sent", "after the answer", "before the store"]


def kill_at(forks, step):
    assert forks.die_at(step) == signal.SIGKILL
    # The duration of a dead holder's lease is a matter of test_lease.py: here its time is over.
    change_lease(until=time.time())


def change_lease(**changes):
    key = lease_key(token_key())
    if text := variables.read(key):
        variables.write(key, json.dumps(json.loads(text) | changes), description="")


@pytest.mark.parametrize("step", ["before the claim", "after the claim", "before the request"])
def test_a_death_before_the_request_costs_only_the_lease(waiting, forks, step):
    kill_at(forks, step)
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name
    assert waiting.statistics()["refreshes"] == 1


@pytest.mark.parametrize("step", WITH_THE_ONLY_COPY)
def test_a_death_with_the_only_copy_of_the_new_pair_is_survived_while_exact_takes_the_old_one(waiting, forks, step):
    waiting.settings(refresh_grace_seconds=600)
    kill_at(forks, step)
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name


@pytest.mark.parametrize("step", WITH_THE_ONLY_COPY)
def test_and_else_everybody_is_told_to_sign_in_and_exact_is_asked_once(waiting, forks, step, monkeypatch):
    kill_at(forks, step)
    monkeypatch.setattr(token_provider, "MAX_WAIT", 0)
    with pytest.raises(ExactTransportError, match="Try again later"):
        ExactOnlineHook().get_me()
    # By now no holder can be alive any more.
    [(asked, refused)] = json.loads(variables.read(lease_key(token_key())))["refused"].items()
    assert refused["pending_until"] == pytest.approx(waiting.now() + HOLDER_SECONDS, abs=120)
    change_lease(refused={asked: refused | {"pending_until": time.time()}})
    for _ in range(3):
        with pytest.raises(ExactTokenError, match="used before.*exact-online login --conn-id exact_online_default"):
            ExactOnlineHook().get_me()
    assert sum(waiting.statistics()["refused_refreshes"].values()) == 1


def test_a_death_before_the_release_costs_nothing(waiting, forks):
    assert forks.die_at("before the release") == signal.SIGKILL
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name
    assert waiting.statistics()["refreshes"] == 1


def test_a_process_that_finds_a_serving_token_never_comes_to_the_claim(waiting, forks):
    ExactOnlineHook().get_me()
    assert forks.die_at("before the claim") == 0
