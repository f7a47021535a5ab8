"""The rules of refreshing, against the emulator's token endpoint."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_exact.client import token_store
from airflow_provider_exact.client.auth import Token
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactTokenError, ExactTransportError
from airflow_provider_exact.client.token_store import FixedTokenStore, MemoryStorage

REDIRECT_URI = "http://127.0.0.1:9/callback"


def refreshes(exact):
    """Return how many refreshes succeeded, and how many calls the token endpoint saw."""
    return exact.emulator.statistics()["refreshes"], exact.emulator.count(endpoint="oauth2/token")


def works(exact, token):
    return exact.client(FixedTokenStore(token.access)).get_me()["UserName"] == exact.emulator.user_name


def test_a_fresh_token_is_used_as_it_is(exact):
    store = exact.store()
    first = store.get()
    exact.advance(569)
    assert store.get() is first
    assert works(exact, first)
    assert refreshes(exact) == (0, 0)


def test_a_token_is_refreshed_at_570_seconds_and_stored_before_its_use(exact):
    store = exact.store()
    old = store.get()
    exact.advance(571)
    new = store.get()
    assert new.access != old.access
    assert store.storage.read() == new
    assert works(exact, new)
    assert new.expires_at - new.issued_at == 600
    assert refreshes(exact) == (1, 1)


def test_ten_expiries_in_a_row_cost_ten_refreshes(exact):
    store = exact.store()
    for _ in range(10):
        exact.advance(601)
        assert works(exact, store.get())
    assert refreshes(exact) == (10, 10)


def test_a_refresh_token_alone_is_enough_to_begin(exact):
    store = exact.store(Token.to_begin_with(exact.signed_in().refresh))
    exact.advance(571)
    assert works(exact, store.get())


def test_a_refresh_token_that_is_too_young_is_kept_for_later_and_not_asked_about_again(exact):
    store = exact.store(Token.to_begin_with(exact.signed_in().refresh))
    with pytest.raises(ExactRateLimitError, match="less than 570 s old") as caught:
        store.get()
    with pytest.raises(ExactRateLimitError):
        store.get()
    assert caught.value.resets_at == pytest.approx(exact.clock() + 570, abs=5)
    assert refreshes(exact) == (0, 1)
    exact.advance(571)
    assert works(exact, store.get())


def test_a_401_alone_is_no_reason_to_refresh(exact):
    store = exact.store()
    token = store.get()
    assert store.get(refused=token).access == token.access
    assert refreshes(exact) == (0, 0)


def test_a_token_that_a_call_gave_up_is_not_handed_out_until_something_newer_is_stored(exact):
    store = exact.store()
    token = store.get()
    store.give_up(token, ExactTokenError("Signed in elsewhere."))
    for _ in range(2):
        with pytest.raises(ExactTokenError, match="Signed in elsewhere"):
            store.get()
    new = exact.signed_in()
    store.storage.write(new)
    assert store.get() == new
    assert refreshes(exact) == (0, 0)


def test_a_token_that_a_call_gave_up_is_tried_again_a_minute_later(exact):
    store = exact.store()
    token = store.get()
    store.give_up(token, ExactTokenError("A gateway did not know it."))
    exact.advance(61)
    assert store.get() == token


def test_after_a_401_a_token_that_another_process_stored_is_used(exact):
    mine = exact.store()
    old = mine.get()
    exact.advance(571)
    theirs = exact.store(old)
    theirs.storage = mine.storage
    new = theirs.get()
    assert mine.get(refused=old).access == new.access
    assert refreshes(exact) == (1, 1)


def test_after_a_401_a_sign_in_that_is_under_way_is_waited_for(exact):
    store = exact.store()
    old = store.get()
    new = exact.signed_in()
    storage, pause = store.storage, store.sleep
    with storage.try_lock():

        def sleep(seconds):
            pause(seconds)
            storage.write(new)

        store.sleep = sleep
        assert store.get(refused=old).access == new.access
    assert works(exact, new)
    assert refreshes(exact) == (0, 0)


def test_a_sign_in_goes_on_beside_a_thread_that_waits_for_a_refresher(exact, monkeypatch):
    monkeypatch.setattr(token_store, "SIGN_IN_PATIENCE", 0)
    store = exact.store()
    old = store.get()
    waits, go_on = threading.Event(), threading.Event()

    def sleep(_seconds):
        waits.set()
        assert go_on.wait(120)

    store.sleep = sleep
    with ThreadPoolExecutor(1) as pool, store.storage.try_lock():
        waiting = pool.submit(store.get, refused=old)
        assert waits.wait(120)
        try:
            new = store.sign_in(exact.code(REDIRECT_URI), REDIRECT_URI)
        finally:
            go_on.set()
        assert waiting.result() == new
    assert works(exact, new)


def test_of_many_threads_with_an_expired_token_one_refreshes_and_only_that_one_reads(exact):
    store = exact.store()
    reads, read = [], store.storage.read
    store.storage.read = lambda: reads.append(1) or read()
    exact.advance(601)
    together = threading.Barrier(32)

    def ask():
        together.wait()
        return store.get().access

    with ThreadPoolExecutor(32) as pool:
        tokens = {future.result() for future in [pool.submit(ask) for _ in range(32)]}
    assert len(tokens) == 1
    assert refreshes(exact) == (1, 1)
    assert len(reads) == 2


def test_while_the_old_token_is_alive_nobody_waits_for_the_refresher(exact):
    store = exact.store()
    old = store.get()
    exact.advance(580)
    with store.storage.try_lock() as held:
        assert held
        assert store.get() == old
    assert exact.slept == []
    assert store.get() != old


def test_whoever_must_wait_gives_up_after_three_minutes(exact):
    store = exact.store()
    exact.advance(601)
    with store.storage.try_lock(), pytest.raises(ExactTransportError, match="three minutes"):
        store.get()
    assert 150 < sum(exact.slept) <= 180
    assert refreshes(exact) == (0, 0)


def test_a_used_refresh_token_needs_a_person_and_is_not_tried_over_and_over(exact):
    token = exact.signed_in()
    exact.advance(571)
    exact.store(token).get()
    exact.advance(571)
    late = exact.store(token)
    for _ in range(5):
        with pytest.raises(ExactTokenError, match="used before.*second installation.*Sign in, please"):
            late.get()
    assert refreshes(exact) == (1, 2)


def test_a_newer_sign_in_of_the_same_user_ends_the_chain(exact):
    store = exact.store()
    exact.emulator.sign_in()
    exact.advance(571)
    with pytest.raises(ExactTokenError, match="newer one of the same user"):
        store.get()


def test_a_pair_that_a_person_stored_meanwhile_is_used_after_a_refusal(exact):
    store = exact.store()
    exact.advance(571)
    newer = exact.signed_in()

    class Meanwhile(MemoryStorage):
        def note_refusal(self, token, refusal):
            raise AssertionError("the newer pair was not looked for")

        def refusal(self, token):
            # The last moment before the refresh: here the sign-in is stored.
            self.token = newer

    store.storage = Meanwhile(store.storage.read())
    assert store.get() == newer


def test_a_refresh_token_dies_after_thirty_days(exact):
    store = exact.store()
    exact.advance(31 * 86_400)
    with pytest.raises(ExactTokenError, match="30 days"):
        store.get()


class Interrupted(MemoryStorage):
    """A task's time is up, or somebody presses Ctrl-C, once: while Exact is asked, or while the pair is stored."""

    def __init__(self, token, grants, moment):
        super().__init__(token)
        self.grants, self.moment, self.waiting = grants, moment, threading.Event()

    def refresh(self, token):
        return self.wait().refresh(token)

    def exchange(self, code, redirect_uri):
        return self.wait().exchange(code, redirect_uri)

    def wait(self):
        if self.moment == "asked":
            self.waiting.wait(120)
        return self.grants

    def keep_lock(self):
        self.interrupt("asked")

    def write(self, token, *, replacing=None):
        self.interrupt("stored")
        return super().write(token, replacing=replacing)

    def interrupt(self, moment):
        if self.moment == moment:
            self.moment = None
            self.waiting.set()
            raise KeyboardInterrupt


@pytest.fixture(params=["asked", "stored"])
def interrupted(exact, monkeypatch, request):
    """Make a store with a token to refresh whose work is interrupted."""
    monkeypatch.setattr(token_store, "LOCK_KEEPING_INTERVAL", 0.01)
    store = exact.store()
    store.storage = store.grants = Interrupted(store.storage.token, store.grants, request.param)
    exact.advance(601)
    return store


def test_a_refresh_that_is_interrupted_still_stores_its_pair(exact, interrupted):
    with pytest.raises(KeyboardInterrupt):
        interrupted.get()
    assert works(exact, interrupted.storage.token)
    assert works(exact, interrupted.get())
    assert refreshes(exact) == (1, 1)


def test_a_sign_in_that_is_interrupted_still_stores_its_pair(exact, interrupted):
    with pytest.raises(KeyboardInterrupt):
        interrupted.sign_in(exact.code(REDIRECT_URI), REDIRECT_URI)
    assert works(exact, interrupted.get())


@pytest.mark.parametrize("kind", ["token_error", "token_empty", "reset_before"])
def test_a_failure_of_the_token_endpoint_costs_nothing(exact, kind):
    store = exact.store()
    exact.advance(601)
    exact.emulator.fault(kind, endpoint="oauth2/token", times=2)
    for _ in range(2):
        try:
            token = store.get()
            break
        except ExactTransportError:
            continue
    else:
        token = store.get()
    assert works(exact, token)
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_lost_answer_is_asked_for_once_more_at_once_with_the_same_token(exact):
    exact.emulator.settings(refresh_grace_seconds=600)
    store = exact.store()
    exact.advance(601)
    exact.emulator.fault("token_lost")
    assert works(exact, store.get())
    assert exact.emulator.count(endpoint="oauth2/token") == 2


def test_a_lost_answer_without_grace_needs_a_person(exact):
    store = exact.store()
    exact.advance(601)
    exact.emulator.fault("token_lost")
    with pytest.raises(ExactTokenError, match="Sign in, please"):
        store.get()
    assert exact.emulator.count(endpoint="oauth2/token") == 2


def test_a_refresh_token_that_comes_with_a_refusal_is_stored(exact):
    exact.emulator.settings(too_early_rotates=True)
    first = exact.signed_in()
    # This process believes that the token is older than it is.
    store = exact.store(Token(first.access, first.refresh, first.issued_at - 580, first.expires_at))
    assert store.get().access == first.access
    assert store.storage.read().refresh != first.refresh
    exact.advance(571)
    assert works(exact, store.get())


def test_a_process_whose_clock_is_ahead_asks_rarely_and_goes_on_with_the_old_token(exact):
    store = exact.store()
    old = store.get()
    store.clock = lambda: exact.clock() + 25
    exact.advance(550)
    for _ in range(10):
        assert store.get() == old
    assert refreshes(exact) == (0, 1)
    exact.advance(25)
    assert works(exact, store.get())
    assert refreshes(exact) == (1, 2)


def test_without_a_place_to_store_nothing_is_refreshed(exact):
    class ReadOnly(MemoryStorage):
        can_write = False

    store = exact.store()
    store.storage = ReadOnly(store.storage.read())
    old = store.get()
    exact.advance(575)
    assert store.get() == old
    exact.advance(30)
    with pytest.raises(ExactTransportError, match="could not store"):
        store.get()
    assert refreshes(exact) == (0, 0)


def test_nobody_signed_in_is_said_with_what_to_do(exact):
    store = exact.store()
    store.storage = MemoryStorage()
    with pytest.raises(ExactTokenError, match="Nobody has signed in.*Sign in, please"):
        store.get()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_secret": "wrong"}, "client id or client secret"),
        ({"client_id": "wrong"}, "client id or client secret"),
    ],
)
def test_wrong_credentials_are_named(exact, change, words):
    store = exact.store()
    store.grants = exact.grants(**change)
    exact.advance(601)
    with pytest.raises(ExactTokenError, match=words):
        store.get()


def test_no_error_names_a_secret(exact):
    token = exact.signed_in()
    exact.advance(571)
    exact.store(token).get()
    exact.advance(571)
    with pytest.raises(ExactTokenError) as caught:
        exact.store(token).get()
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {exact.grants()!r} {token!r}"
    for secret in (token.access, token.refresh, exact.emulator.client_secret):
        assert secret not in told


def test_a_ready_token_is_never_replaced():
    store = FixedTokenStore("ready")
    assert store.get().access == "ready"
    with pytest.raises(ExactTokenError, match="never refreshed"):
        store.get(refused=store.get())
