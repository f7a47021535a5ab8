"""The rules of refreshing, against the emulator's token endpoint."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from airflow_provider_exact.client.auth import token_provider
from airflow_provider_exact.client.auth.token import Token, fingerprint
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.auth.token_store import MemoryTokenStore, Refusal, StoreUnavailableError
from airflow_provider_exact.client.errors import ExactError, ExactRateLimitError, ExactTokenError, ExactTransportError

REDIRECT_URI = "http://127.0.0.1:9/callback"


def refreshes(exact):
    """Return how many refreshes succeeded, and how many calls the token endpoint saw."""
    return exact.emulator.statistics()["refreshes"], exact.emulator.count(endpoint="oauth2/token")


def works(exact, token):
    return exact.client(FixedTokenProvider(token.access)).get_me()["UserName"] == exact.emulator.user_name


def test_a_fresh_token_is_used_as_it_is(exact):
    provider = exact.provider()
    first = provider.get()
    exact.advance(569)
    assert provider.get() is first
    assert works(exact, first)
    assert refreshes(exact) == (0, 0)


def test_a_token_is_refreshed_at_570_seconds_and_stored_before_its_use(exact):
    provider = exact.provider()
    old = provider.get()
    exact.advance(571)
    new = provider.get()
    assert new.access != old.access
    assert provider.store.read() == new
    assert works(exact, new)
    assert new.expires_at - new.issued_at == 600
    assert refreshes(exact) == (1, 1)


def test_ten_expiries_in_a_row_cost_ten_refreshes(exact):
    provider = exact.provider()
    for _ in range(10):
        exact.advance(601)
        assert works(exact, provider.get())
    assert refreshes(exact) == (10, 10)


def test_a_refresh_token_alone_is_enough_to_begin(exact):
    provider = exact.provider(Token.to_begin_with(exact.signed_in().refresh))
    exact.advance(571)
    assert works(exact, provider.get())


def test_a_refresh_token_that_is_too_young_is_kept_for_later_and_not_asked_about_again(exact):
    provider = exact.provider(Token.to_begin_with(exact.signed_in().refresh))
    with pytest.raises(ExactRateLimitError, match="less than 570 s old") as caught:
        provider.get()
    with pytest.raises(ExactRateLimitError):
        provider.get()
    assert caught.value.resets_at == pytest.approx(exact.clock() + 570, abs=5)
    assert refreshes(exact) == (0, 1)
    exact.advance(571)
    assert works(exact, provider.get())


def test_a_401_alone_is_no_reason_to_refresh(exact):
    provider = exact.provider()
    token = provider.get()
    assert provider.get(refused=token).access == token.access
    assert refreshes(exact) == (0, 0)


def test_a_token_that_a_call_gave_up_is_not_handed_out_until_something_newer_is_stored(exact):
    provider = exact.provider()
    token = provider.get()
    provider.give_up(token, ExactTokenError("Signed in elsewhere."))
    for _ in range(2):
        with pytest.raises(ExactTokenError, match="Signed in elsewhere"):
            provider.get()
    new = exact.signed_in()
    provider.store.write(new)
    assert provider.get() == new
    assert refreshes(exact) == (0, 0)


def test_a_token_that_a_call_gave_up_is_tried_again_a_minute_later(exact):
    provider = exact.provider()
    token = provider.get()
    provider.give_up(token, ExactTokenError("A gateway did not know it."))
    exact.advance(61)
    assert provider.get() == token


def test_after_a_401_a_token_that_another_process_stored_is_used(exact):
    mine = exact.provider()
    old = mine.get()
    exact.advance(571)
    theirs = exact.provider(old)
    theirs.store = mine.store
    new = theirs.get()
    assert mine.get(refused=old).access == new.access
    assert refreshes(exact) == (1, 1)


def test_after_a_401_a_sign_in_that_is_under_way_is_waited_for(exact):
    provider = exact.provider()
    old = provider.get()
    new = exact.signed_in()
    store, pause = provider.store, provider.sleep
    with store.try_lock():

        def sleep(seconds):
            pause(seconds)
            store.write(new)

        provider.sleep = sleep
        assert provider.get(refused=old).access == new.access
    assert works(exact, new)
    assert refreshes(exact) == (0, 0)


def test_a_sign_in_goes_on_beside_a_thread_that_waits_for_a_refresher(exact, monkeypatch):
    monkeypatch.setattr(token_provider, "MAX_SIGN_IN_WAIT", 0)
    provider = exact.provider()
    old = provider.get()
    waits, go_on = threading.Event(), threading.Event()

    def sleep(_seconds):
        waits.set()
        assert go_on.wait(120)

    provider.sleep = sleep
    with ThreadPoolExecutor(1) as pool, provider.store.try_lock():
        waiting = pool.submit(provider.get, refused=old)
        assert waits.wait(120)
        try:
            new = provider.sign_in(exact.code(REDIRECT_URI), REDIRECT_URI)
        finally:
            go_on.set()
        assert waiting.result() == new
    assert works(exact, new)


def test_of_many_threads_with_an_expired_token_one_refreshes_and_only_that_one_reads(exact):
    provider = exact.provider()
    reads, read = [], provider.store.read
    provider.store.read = lambda: reads.append(1) or read()
    exact.advance(601)
    together = threading.Barrier(32)

    def ask():
        together.wait()
        return provider.get().access

    with ThreadPoolExecutor(32) as pool:
        tokens = {future.result() for future in [pool.submit(ask) for _ in range(32)]}
    assert len(tokens) == 1
    assert refreshes(exact) == (1, 1)
    assert len(reads) == 2


def test_while_the_old_token_is_alive_nobody_waits_for_the_refresher(exact):
    provider = exact.provider()
    old = provider.get()
    exact.advance(580)
    with provider.store.try_lock() as held:
        assert held
        assert provider.get() == old
    assert exact.slept == []
    assert provider.get() != old


def test_whoever_must_wait_gives_up_after_three_minutes(exact):
    provider = exact.provider()
    exact.advance(601)
    with provider.store.try_lock(), pytest.raises(ExactTransportError, match="three minutes"):
        provider.get()
    assert 150 < sum(exact.slept) <= 180
    assert refreshes(exact) == (0, 0)


def test_a_used_refresh_token_needs_a_person_and_is_not_tried_over_and_over(exact):
    token = exact.signed_in()
    exact.advance(571)
    exact.provider(token).get()
    exact.advance(571)
    late = exact.provider(token)
    for _ in range(5):
        with pytest.raises(ExactTokenError, match="used before.*second installation.*Sign in, please"):
            late.get()
    assert refreshes(exact) == (1, 2)


def test_a_newer_sign_in_of_the_same_user_ends_the_chain(exact):
    provider = exact.provider()
    exact.emulator.sign_in()
    exact.advance(571)
    with pytest.raises(ExactTokenError, match="newer one of the same user"):
        provider.get()


def test_a_pair_that_a_person_stored_meanwhile_is_used_after_a_refusal(exact):
    provider = exact.provider()
    exact.advance(571)
    newer = exact.signed_in()

    class Meanwhile(MemoryTokenStore):
        def note_refusal(self, token, refusal):
            raise AssertionError("the newer pair was not looked for")

        def refusal(self, token):
            # The last moment before the refresh: here the sign-in is stored.
            self.token = newer

    provider.store = Meanwhile(provider.store.read())
    assert provider.get() == newer


def test_a_refresh_token_dies_after_thirty_days(exact):
    provider = exact.provider()
    exact.advance(31 * 86_400)
    with pytest.raises(ExactTokenError, match="30 days"):
        provider.get()


class Interrupted(MemoryTokenStore):
    """A task's time is up, or somebody presses Ctrl-C, once: while Exact is asked, or while the pair is stored."""

    def __init__(self, token, grants, moment):
        super().__init__(token)
        self.grants, self.moment, self.waiting = grants, moment, threading.Event()
        self.kept, self.is_kept_on, self.interruptions = 0, True, 1

    @property
    def clock(self):
        return self.grants.clock

    def refresh(self, token, **options):
        return self.wait().refresh(token, **options)

    def exchange(self, code, redirect_uri):
        return self.wait().exchange(code, redirect_uri)

    def wait(self):
        if self.moment == "asked":
            self.is_kept_on = self.waiting.wait(120)
        return self.grants

    def keep_lock(self):
        self.kept += 1
        if self.kept == 3:
            self.waiting.set()
        self.interrupt("asked")

    def write(self, token, *, replacing=None):
        self.interrupt("stored")
        return super().write(token, replacing=replacing)

    def interrupt(self, moment):
        if self.moment == moment and self.interruptions:
            self.interruptions -= 1
            raise KeyboardInterrupt


@pytest.fixture(params=["asked", "stored"])
def interrupted(exact, monkeypatch, request):
    """Make a store with a token to refresh whose work is interrupted."""
    monkeypatch.setattr(token_provider, "LOCK_KEEPING_INTERVAL", 0.01)
    provider = exact.provider()
    provider.store = provider.grants = Interrupted(provider.store.token, provider.grants, request.param)
    exact.advance(601)
    return provider


def test_a_refresh_that_is_interrupted_still_stores_its_pair(exact, interrupted):
    with pytest.raises(KeyboardInterrupt):
        interrupted.get()
    # The lock is kept after the interruption, too.
    assert interrupted.store.is_kept_on
    assert works(exact, interrupted.store.token)
    assert works(exact, interrupted.get())
    assert refreshes(exact) == (1, 1)


def test_a_sign_in_that_is_interrupted_still_stores_its_pair(exact, interrupted):
    with pytest.raises(KeyboardInterrupt):
        interrupted.sign_in(exact.code(REDIRECT_URI), REDIRECT_URI)
    assert works(exact, interrupted.get())


@pytest.mark.parametrize("kind", ["token_error", "token_empty", "reset_before"])
def test_a_failure_of_the_token_endpoint_costs_nothing(exact, kind):
    provider = exact.provider()
    exact.advance(601)
    exact.emulator.fault(kind, endpoint="oauth2/token", times=2)
    for _ in range(2):
        try:
            token = provider.get()
            break
        except ExactTransportError:
            continue
    else:
        token = provider.get()
    assert works(exact, token)
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_lost_answer_is_asked_for_once_more_at_once_with_the_same_token(exact):
    exact.emulator.settings(refresh_grace_seconds=600)
    provider = exact.provider()
    exact.advance(601)
    exact.emulator.fault("token_lost")
    assert works(exact, provider.get())
    assert exact.emulator.count(endpoint="oauth2/token") == 2


def test_a_lost_answer_without_grace_needs_a_person(exact):
    provider = exact.provider()
    exact.advance(601)
    exact.emulator.fault("token_lost")
    with pytest.raises(ExactTokenError, match="Sign in, please"):
        provider.get()
    assert exact.emulator.count(endpoint="oauth2/token") == 2


def test_a_refresh_token_that_comes_with_a_refusal_is_stored(exact):
    exact.emulator.settings(too_early_rotates=True)
    first = exact.signed_in()
    # This process believes that the token is older than it is.
    provider = exact.provider(Token(first.access, first.refresh, first.issued_at - 580, first.expires_at))
    assert provider.get().access == first.access
    assert provider.store.read().refresh != first.refresh
    exact.advance(571)
    assert works(exact, provider.get())


class Failing(MemoryTokenStore):
    """Store with a failure at the first write."""

    failure = StoreUnavailableError("Airflow is down.")

    def write(self, token, *, replacing=None):
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return super().write(token, replacing=replacing)


def refresh_token_alone(exact, status):
    body = '{"refresh_token": "successor"}'
    exact.emulator.fault("status", endpoint="oauth2/token", status=status, body=body, times=1)


@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_a_refresh_token_that_comes_with_a_failure_is_stored(exact, status):
    provider = exact.provider()
    old = provider.get()
    exact.advance(601)
    refresh_token_alone(exact, status)
    with pytest.raises(ExactError):
        provider.get()
    stored = provider.store.read()
    assert (stored.access, stored.refresh, stored.parent) == (old.access, "successor", fingerprint(old.refresh))


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_refresh_token_that_could_not_be_stored_is_stored_a_moment_later(exact, status):
    provider = exact.provider()
    provider.store = Failing(provider.get())
    exact.advance(601)
    refresh_token_alone(exact, status)
    # The emulator does not know the made-up successor, and refuses.
    with pytest.raises(ExactTokenError):
        provider.get()
    assert provider.store.read().refresh == "successor"
    assert exact.emulator.count(endpoint="oauth2/token") == 2


def test_repeated_interruptions_wait_for_the_pair(exact, interrupted):
    interrupted.store.interruptions = 3
    with pytest.raises(KeyboardInterrupt):
        interrupted.get()
    assert works(exact, interrupted.store.token)
    assert interrupted.store.interruptions == 0


def test_an_explicit_refusal_of_a_persons_refresh_token_brings_no_successor(exact):
    provider = exact.provider(Token.to_begin_with(exact.signed_in().refresh))
    exact.advance(571)
    body = '{"error": "invalid_grant", "refresh_token": "successor"}'
    exact.emulator.fault("status", endpoint="oauth2/token", status=400, body=body, times=1)
    with pytest.raises(ExactTokenError):
        provider.get()
    assert provider.store.read().refresh != "successor"


def test_a_lone_successor_of_a_persons_refresh_token_is_stored(exact):
    provider = exact.provider(Token.to_begin_with(exact.signed_in().refresh))
    exact.advance(571)
    refresh_token_alone(exact, 500)
    with pytest.raises(ExactTransportError):
        provider.get()
    stored = provider.store.read()
    assert (stored.access, stored.refresh) == ("", "successor")
    assert stored.issued_at == pytest.approx(exact.clock(), abs=60)


def test_an_interruption_waits_for_the_refresh_token_of_a_failure(exact, interrupted):
    refresh_token_alone(exact, 500)
    with pytest.raises(KeyboardInterrupt):
        interrupted.get()
    assert interrupted.store.read().refresh == "successor"


def test_a_process_whose_clock_is_ahead_asks_rarely_and_goes_on_with_the_old_token(exact):
    provider = exact.provider()
    old = provider.get()
    provider.grants.clock.local = lambda: exact.clock() + 25
    exact.advance(550)
    for _ in range(10):
        assert provider.get() == old
    assert refreshes(exact) == (0, 1)
    exact.advance(25)
    assert works(exact, provider.get())
    assert refreshes(exact) == (1, 2)


def test_without_a_place_to_store_nothing_is_refreshed(exact):
    class ReadOnly(MemoryTokenStore):
        can_write = False

    provider = exact.provider()
    provider.store = ReadOnly(provider.store.read())
    old = provider.get()
    exact.advance(575)
    assert provider.get() == old
    exact.advance(30)
    with pytest.raises(ExactTransportError, match="could not store"):
        provider.get()
    assert refreshes(exact) == (0, 0)


def test_nobody_signed_in_is_said_with_what_to_do(exact):
    provider = exact.provider()
    provider.store = MemoryTokenStore()
    with pytest.raises(ExactTokenError, match="Nobody has signed in.*Sign in, please"):
        provider.get()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_secret": "wrong"}, "client id or client secret"),
        ({"client_id": "wrong"}, "client id or client secret"),
    ],
)
def test_wrong_credentials_are_named(exact, change, words):
    provider = exact.provider()
    provider.grants = exact.grants(**change)
    exact.advance(601)
    with pytest.raises(ExactTokenError, match=words):
        provider.get()


def test_no_error_names_a_secret(exact):
    token = exact.signed_in()
    exact.advance(571)
    exact.provider(token).get()
    exact.advance(571)
    with pytest.raises(ExactTokenError) as caught:
        exact.provider(token).get()
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {exact.grants()!r} {token!r}"
    for secret in (token.access, token.refresh, exact.emulator.client_secret):
        assert secret not in told


def test_a_ready_token_is_never_replaced():
    provider = FixedTokenProvider("ready")
    assert provider.get().access == "ready"
    with pytest.raises(ExactTokenError, match="never refreshed"):
        provider.get(refused=provider.get())


class Forgetful(MemoryTokenStore):
    """Store with an ended refusal, and without a place for a newer one."""

    def refusal(self, token):
        return Refusal("Earlier.", 1.0)

    def note_refusal(self, token, refusal):
        """Skip."""


def test_a_refusal_that_could_not_be_noted_is_remembered_by_the_process(exact):
    provider = exact.provider()
    provider.store = Forgetful(provider.get())
    exact.signed_in()
    exact.advance(601)
    for _ in range(2):
        with pytest.raises(ExactTokenError, match="no longer exists"):
            provider.get()
    assert exact.emulator.count(endpoint="oauth2/token") == 1


class Shared(MemoryTokenStore):
    """Store that another holder may still write to for some seconds; ``later`` is called at each look after a note."""

    def __init__(self, token, seconds):
        super().__init__(token)
        self.seconds = seconds
        self.noted = []

    def undecided_seconds(self):
        return self.seconds

    def note_refusal(self, token, refusal):
        super().note_refusal(token, refusal)
        self.noted.append(refusal)


@pytest.fixture
def used(exact):
    """Return a function that makes a provider of a refresh token which another holder has used a moment ago."""

    def make(seconds):
        old = exact.signed_in()
        exact.advance(601)
        pair = exact.provider(old).get()
        provider = exact.provider(old)
        provider.store = Shared(old, seconds)
        return provider, pair

    return make


def test_after_a_used_refresh_token_the_pair_of_its_holder_is_waited_for(exact, used):
    provider, pair = used(300)

    def sleep(seconds):
        exact.sleep(seconds)
        if sum(exact.slept) > 20:
            provider.store.write(pair)

    provider.sleep = sleep
    assert provider.get() == pair
    assert refreshes(exact) == (1, 2)


def test_a_pair_that_stays_away_is_no_reason_to_sign_in_while_its_holder_may_live(exact, used):
    provider, pair = used(300)
    with pytest.raises(ExactTransportError, match="Try again later"):
        provider.get()
    assert 170 < sum(exact.slept) < 190
    provider.store.write(pair)
    assert provider.get() == pair
    assert refreshes(exact) == (1, 2)


def test_a_pair_that_stays_away_for_longer_than_any_holder_lives_needs_a_person(exact, used):
    provider, _ = used(15)
    for _ in range(3):
        with pytest.raises(ExactTokenError, match="used before.*Sign in, please"):
            provider.get()
    assert 14 < sum(exact.slept) < 20
    assert refreshes(exact) == (1, 2)


def test_while_the_access_token_is_valid_nobody_waits_for_that_pair(exact, used):
    provider, _ = used(300)
    provider.store.token = replace(provider.store.token, issued_at=exact.clock() - 575, expires_at=exact.clock() + 25)
    assert provider.get() == provider.store.token
    assert exact.slept == []


def test_a_noted_refusal_from_the_far_future_is_not_believed(exact):
    provider = exact.provider()
    exact.advance(601)
    far = Refusal("Everybody is locked out.", exact.clock() + 86_400, pending_until=exact.clock() + 86_400)
    provider.store.note_refusal(provider.store.token, far)
    assert works(exact, provider.get())


def test_a_worker_whose_clock_is_a_minute_ahead_harms_nobody(exact):
    token = exact.signed_in()
    fast, right = exact.provider(token), exact.provider(token)
    right.store = fast.store
    fast.grants.clock.local = lambda: exact.clock() + 60
    for _ in range(3):
        exact.advance(571)
        token = fast.get()
        assert right.get() == token
        # The last moment at which the token is valid for a whole call.
        exact.advance(568)
        assert right.get() == token
        assert works(exact, token)
        exact.advance(3)
        assert works(exact, right.get())
    assert exact.emulator.statistics()["refused_refreshes"] == {}


def test_a_worker_whose_clock_is_a_minute_behind_learns_that_from_one_401(exact):
    provider = exact.provider()
    client = exact.client(provider)
    provider.grants.clock.local = lambda: exact.clock() - 60
    for _ in range(3):
        exact.advance(602)
        client.get_me()
    assert exact.emulator.count(endpoint="current/Me", status=401) == 1
    assert refreshes(exact) == (3, 3)


def test_a_token_from_the_future_is_due_as_soon_as_exact_refuses_it(exact):
    provider = exact.provider()
    client = exact.client(provider)
    token = provider.store.token
    exact.advance(300)
    # A worker with a wrong clock, and a response without a Date.
    provider.store.token = replace(token, issued_at=exact.clock() + 3600, expires_at=exact.clock() + 4200)
    client.get_me()
    exact.advance(301)
    client.get_me()
    assert provider.get().access != token.access
    assert exact.emulator.count(endpoint="current/Me", status=401) == 1
    assert refreshes(exact) == (1, 1)


def test_a_process_with_an_outdated_skew_does_not_refresh_too_early(exact):
    provider = exact.provider()
    old = provider.store.token
    provider.grants.clock.adopt(-3600.0)
    exact.advance(601)
    provider.store.token = exact.provider(old).get()
    assert works(exact, provider.get())
    assert refreshes(exact) == (1, 1)


def test_a_clock_that_is_wrong_is_named(exact, caplog):
    provider = exact.provider()
    provider.grants.clock.local = lambda: exact.clock() + 700
    provider.store = MemoryTokenStore(Token.to_begin_with(provider.store.token.refresh))
    with pytest.raises(ExactRateLimitError, match=r"less than 570 s old.* clock of .* (699|700) seconds ahead"):
        provider.get()
    assert [record.levelname for record in caplog.records if "seconds ahead of Exact" in record.getMessage()] == [
        "WARNING"
    ]


def test_the_skew_that_a_process_of_the_same_host_learned_is_used(exact):
    first = exact.provider()
    exact.advance(500)
    first.grants.clock.local = lambda: exact.clock() + 300
    assert first.get() == first.store.token
    for _ in range(3):
        second = exact.provider(first.store.token)
        second.store = first.store
        second.grants.clock.local = first.grants.clock.local
        assert second.get() == first.store.token
    assert refreshes(exact) == (0, 1)


def test_a_pair_that_a_slower_process_overwrote_with_an_older_one_is_stored_again(exact):
    exact.emulator.settings(refresh_grace_seconds=600)
    provider = exact.provider()
    old = provider.store.token
    exact.advance(601)
    earlier = exact.grants().refresh(old)
    exact.advance(20)
    provider.store.token = old
    later = provider.get()
    provider.store.token = earlier
    exact.advance(571)
    assert works(exact, provider.get())
    assert later.supersedes(earlier)
    assert exact.emulator.statistics()["refused_refreshes"] == {}


def test_a_pair_with_a_changed_stamp_in_the_store_is_no_older_sibling(exact):
    provider = exact.provider()
    exact.advance(571)
    own = provider.get()
    provider.store.token = replace(own, issued_at=own.issued_at - 3600, expires_at=own.expires_at - 3600)
    exact.advance(601)
    assert works(exact, provider.get())
    assert refreshes(exact) == (2, 2)
