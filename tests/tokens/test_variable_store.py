"""Who may replace what the token Variable holds, on a real database."""

from __future__ import annotations

import time

import pytest

from airflow_provider_exact.client.auth.token import App, Token
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.tokens.token_store import VariableTokenStore

KEY = "exact_online_token__x"
SITE = Site.of("nl")


@pytest.fixture
def now(server):
    return time.time()


def kept_by(now, seed=None, *, secret="secret"):
    return VariableTokenStore(KEY, App("id", secret), SITE, seed=seed and Token.to_begin_with(seed), clock=lambda: now)


def pair(name, issued_at):
    return Token(f"access {name}", f"refresh {name}", issued_at, issued_at + 600)


def test_who_signed_in_is_noted_of_that_sign_in_only(now):
    first, second = pair("first", now), pair("second", now)
    store = kept_by(now)
    store.write(first)
    store.write(second)
    store.note_user(second, "Second", 2)
    # The first one's divisions took long to list.
    store.note_user(first, "First", 1)
    kept = store.kept()
    assert kept.token == second
    assert (kept.signed_in.user, kept.signed_in.divisions) == ("Second", 2)


def test_a_sign_in_wins_over_a_late_refresh_before_it_is_known_who_it_was(now):
    old, new = pair("old", now - 601), pair("new", now)
    store = kept_by(now)
    store.write(old)
    store.write(new)
    assert store.write(pair("late", now), replacing=old) == new
    assert store.read() == new


def test_a_process_that_holds_the_connection_without_its_refresh_token_goes_on_with_the_chain(now):
    kept_by(now, "seed").write(pair("first", now - 601), replacing=Token.to_begin_with("seed"))
    deferred = kept_by(now)
    deferred.write(pair("second", now), replacing=deferred.read())
    assert kept_by(now, "seed").read() == pair("second", now)


def test_a_process_that_holds_an_earlier_refresh_token_of_the_connection_goes_on_with_the_newer_chain(now):
    kept_by(now, "seed").write(pair("first", now - 700), replacing=Token.to_begin_with("seed"))
    kept_by(now, "newer").write(pair("second", now - 601), replacing=Token.to_begin_with("newer"))
    deferred = kept_by(now, "seed")
    assert deferred.read() == pair("second", now - 601)
    deferred.write(pair("third", now), replacing=deferred.read())
    assert kept_by(now, "newer").read() == pair("third", now)
    assert kept_by(now, "newest").read() == Token.to_begin_with("newest")


@pytest.mark.parametrize("seed", [None, "seed"])
def test_a_refresh_that_ends_after_a_newer_chain_began_does_not_replace_it(now, seed):
    late = kept_by(now, seed)
    late.write(pair("first", now - 700))
    first = late.read()
    kept_by(now, "newer").write(pair("second", now), replacing=Token.to_begin_with("newer"))
    assert late.write(pair("late", now), replacing=first) == pair("second", now)
    assert kept_by(now, "newer").read() == pair("second", now)


def test_a_refresh_keeps_who_signed_in_and_a_new_refresh_token_does_not(now):
    store = kept_by(now)
    store.write(pair("first", now - 601))
    store.note_user(pair("first", now - 601), "Ann", 2)
    store.write(pair("second", now), replacing=store.read())
    assert store.kept().signed_in.user == "Ann"
    kept_by(now, "seed").write(pair("third", now), replacing=Token.to_begin_with("seed"))
    assert store.kept().signed_in is None


def test_a_new_refresh_token_wins_over_what_another_client_secret_sealed(now):
    kept_by(now, "seed").write(pair("first", now - 601))
    renewed = kept_by(now, "newer", secret="new secret")
    renewed.write(pair("second", now), replacing=renewed.read())
    assert renewed.read() == pair("second", now)
