"""Who may replace what the token Variable holds, on a real database."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from airflow_provider_exact.client.auth.token import App, Token, fingerprint
from airflow_provider_exact.client.auth.token_store import Refusal
from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.tokens import token_store, variables
from airflow_provider_exact.tokens.token_store import HOLDER_SECONDS, VariableTokenStore, lease_key

KEY = "exact_online_token__x"
SITE = Site.of("nl")


@pytest.fixture
def now(server):
    return time.time()


def kept_by(now, seed=None, *, secret="secret"):
    return VariableTokenStore(KEY, App("id", secret), SITE, seed=seed and Token.to_begin_with(seed), clock=lambda: now)


def pair(name, issued_at, parent=None):
    mark = fingerprint(parent.refresh) if parent else ""
    return Token(f"access {name}", f"refresh {name}", issued_at, issued_at + 600, mark)


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


def refuse(store, token, at, **changes):
    with store.try_lock():
        store.note_refusal(token, Refusal("Used before.", **{"until": at + 600, "pending_until": at, **changes}))


@pytest.mark.parametrize(
    ("issued_at", "refused_at", "is_passed_over"),
    [(-601, -5, True), (-31 * 86_400, -5, False), (-601, -80_000, True), (-601, -90_000, False)],
)
def test_a_refused_refresh_token_is_passed_over_for_a_stored_sign_in(now, issued_at, refused_at, is_passed_over):
    stored = pair("stored", now + issued_at)
    kept_by(now, "seed").write(stored)
    other = kept_by(now, "refused")
    refused = other.read()
    assert refused.refresh == "refused"
    refuse(other, refused, now + refused_at)
    assert other.read() == (stored if is_passed_over else refused)
    assert kept_by(now, "seed").read() == stored


def test_a_refresh_token_that_is_too_young_is_not_passed_over(now):
    kept_by(now, "seed").write(pair("stored", now))
    store = kept_by(now, "young")
    refuse(store, store.read(), now - 5, too_early=True)
    assert store.read().refresh == "young"


@pytest.mark.parametrize(
    ("seed_at", "pair_at", "refresh"),
    [(-5, -300, "refused"), (-300, -5, "refresh stored"), (-700, -900, "refresh stored"), (-900, -700, "refused")],
)
def test_of_two_refused_tokens_exact_is_asked_about_one_at_a_time(now, seed_at, pair_at, refresh):
    stored = pair("stored", now - 1200)
    kept_by(now, "seed").write(stored)
    store = kept_by(now, "refused")
    for at, token in sorted([(seed_at, store.read()), (pair_at, stored)], key=lambda refusal: refusal[0]):
        refuse(store, token, now + at)
    assert store.read().refresh == refresh


@pytest.mark.parametrize("age", [300, 601])
def test_while_a_successor_may_be_stored_the_stored_sign_in_serves(now, age):
    kept_by(now, "seed").write(pair("stored", now - age))
    store = kept_by(now, "refused")
    refuse(store, store.read(), now + 100)
    assert store.read().refresh == "refresh stored"


def test_refusals_of_many_connections_are_remembered_together(now):
    stores = [kept_by(now, f"seed {number}") for number in range(60)]
    for store in stores:
        refuse(store, store.read(), now)
    found = [store.refusal(store.read()) is not None for store in stores]
    assert found == [False] * 10 + [True] * 50


@pytest.mark.parametrize("is_beside_another", [False, True])
def test_a_sign_in_during_the_first_refresh_of_a_connections_own_refresh_token_stays(now, is_beside_another):
    store = kept_by(now, "seed")
    if is_beside_another:
        kept_by(now).write(pair("earlier", now - 601))
    seed, sign_in = store.read(), pair("sign-in", now)
    kept_by(now + 1).write(sign_in)
    assert store.write(pair("late", now + 5, seed), replacing=seed) == sign_in
    # The refresh token is spent.
    assert store.read() == sign_in


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_the_first_pair_of_a_new_refresh_token_replaces_the_sign_in_beside(now, is_refreshed):
    beside = kept_by(now)
    beside.write(pair("earlier", now))
    store = kept_by(now, "seed")
    seed = store.read()
    if is_refreshed:
        # By a process that was stopped before it stored the pair.
        beside.write(pair("later", now + 5, pair("earlier", now)), replacing=pair("earlier", now))
    successor = Token("", "successor", now - 5, 0.0, fingerprint(seed.refresh))
    assert store.write(successor, replacing=seed) == successor
    assert store.read() == successor


@pytest.mark.parametrize("content", [None, "damaged"])
def test_without_a_sign_in_that_opens_a_refused_refresh_token_stays(now, content):
    if content is None:
        kept_by(now, secret="other").write(pair("stored", now))
    else:
        variables.write(KEY, content, description="")
    store = kept_by(now, "refused")
    refuse(store, store.read(), now - 5)
    assert store.read().refresh == "refused"


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


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_successors_of_one_refresh_token_the_one_issued_later_stays(now, reverse):
    store = kept_by(now)
    old = pair("old", now - 601)
    store.write(old)
    earlier, later = pair("earlier", now - 20, old), pair("later", now, old)
    for successor in sorted([earlier, later], key=lambda token: token.issued_at, reverse=reverse):
        store.write(successor, replacing=old)
    assert store.read() == later


def test_a_late_successor_does_not_replace_what_followed_its_sibling(now):
    store = kept_by(now)
    old = pair("old", now - 1300)
    store.write(old)
    sibling = pair("sibling", now - 700, old)
    following = pair("following", now - 100, sibling)
    store.write(sibling, replacing=old)
    store.write(following, replacing=sibling)
    assert store.write(pair("late", now, old), replacing=old) == following
    assert store.read() == following


def test_a_pair_replaces_a_damaged_content(now):
    store = kept_by(now)
    store.write(pair("old", now - 601))
    old = store.read()
    variables.write(KEY, "damaged", description="")
    assert store.write(pair("new", now, old), replacing=old) == pair("new", now, old)
    assert store.read() == pair("new", now, old)


def test_a_pair_is_stored_once_even_if_its_first_write_looked_lost(now, monkeypatch):
    store = kept_by(now)
    slept = []
    store._sleep = slept.append
    old = pair("old", now - 601)
    store.write(old)
    read, answers = variables.read_surely, []

    def lose_one(key, **options):
        answers.append(key)
        if key == KEY and answers.count(KEY) == 2:
            raise variables.VariableReadError("Airflow did not read.")
        return read(key, **options)

    monkeypatch.setattr(variables, "read_surely", lose_one)
    new = pair("new", now, old)
    assert store.write(new, replacing=old) == new
    assert store.read() == new
    assert slept == [0.5]


def test_a_variable_that_something_hides_is_told_within_half_a_minute(now, monkeypatch):
    store = kept_by(now)
    slept = []
    store._sleep = slept.append
    monkeypatch.setenv(f"AIRFLOW_VAR_{KEY.upper()}", "hidden")
    with pytest.raises(variables.VariableWriteError, match="environment variable or secrets backend"):
        store.write(pair("new", now))
    assert sum(slept) < 40


def test_reads_that_are_always_slow_end_with_an_error(now, monkeypatch):
    monkeypatch.setattr(token_store, "STORE_PAUSES", (0, 0))
    kept_by(now).write(pair("old", now))
    store = kept_by(now)
    store._clock = itertools.count(now, 6).__next__
    with pytest.raises(variables.VariableWriteError, match="took more than 5 s to read"):
        store.write(pair("new", now))
    store.note_user(pair("old", now), "Ann", 1)
    assert kept_by(now).kept().signed_in.user == ""


def test_tokens_that_were_copied_to_another_variable_or_site_cannot_be_read(now):
    kept_by(now).write(pair("first", now))
    other_key, other_site = f"{KEY}2", Site.of("be")
    variables.write(other_key, variables.read(KEY), description="")
    app = App("id", "secret")
    for store in (VariableTokenStore(other_key, app, SITE), VariableTokenStore(KEY, app, other_site)):
        with pytest.raises(ExactTokenError, match="region or Server URL.*a new sign-in replaces the tokens"):
            store.read()


@pytest.mark.parametrize(
    "noted",
    [
        {"why": 1, "until": "soon"},
        {"until": None, "why": "x"},
        {"why": "x"},
        {"why": "x", "until": 1, "pending_until": []},
        {"why": "x", "until": 1, "pending_until": 2},
        "refused",
        7,
    ],
)
def test_a_damaged_note_of_a_refusal_counts_as_none(now, noted):
    store = kept_by(now)
    token = pair("first", now)
    variables.write(lease_key(KEY), json.dumps({"refused": {store._asked(token): noted}}), description="")
    assert store.refusal(token) is None


@pytest.mark.parametrize("noted", [None, "refused", 7, [], {"why": "x", "until": 1}])
def test_damaged_notes_of_refusals_count_as_none_and_are_replaced(now, noted):
    store = kept_by(now)
    token = pair("first", now)
    variables.write(lease_key(KEY), json.dumps({"refused": noted}), description="")
    assert store.refusal(token) is None
    refuse(store, token, now)
    assert store.refusal(token).why == "Used before."


def test_how_long_a_holder_may_live_depends_on_whether_one_left_without_releasing(now):
    store = kept_by(now)
    assert store.undecided_seconds() == 15
    variables.write(lease_key(KEY), json.dumps({"abandoned_at": now - 20}), description="")
    assert store.undecided_seconds() == HOLDER_SECONDS - 20
    variables.write(lease_key(KEY), json.dumps({"abandoned_at": now + 1e6}), description="")
    assert store.undecided_seconds() == HOLDER_SECONDS
