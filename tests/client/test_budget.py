"""When the next call may be made, decided from what answers said; no network, and a clock by hand."""

from __future__ import annotations

import itertools
from email.utils import formatdate

import pytest

from airflow_provider_exact.client.budget import Budget, Seen, merged
from airflow_provider_exact.client.rate_limit import GRACE, RateLimits, Window
from airflow_provider_exact.client.transport import Held, NoResponse, Response

NOON = 1_700_049_600.0  # a full minute, and noon of a day in UTC
MIDNIGHT = NOON + 43_200


def answer(at, *, minute=None, day=None, status=200, limit=60):
    """Return an answer with what is left of the minute and the day; a family that is not given is missing."""
    headers = {"Date": formatdate(at, usegmt=True)}
    if minute is not None:
        headers |= {"X-RateLimit-Minutely-Limit": str(limit), "X-RateLimit-Minutely-Remaining": str(minute)}
        headers["X-RateLimit-Minutely-Reset"] = str(int((at // 60 + 1) * 60_000))
    if day is not None:
        headers |= {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(day)}
        headers["X-RateLimit-Reset"] = str(int(MIDNIGHT) * 1000)
    return Response(status, headers)


def budget(jitter=0.5):
    return Budget(lambda: jitter)


def call(made, at, **told):
    assert made.hold(at) is None
    made.note(answer(at, **told), at)


def test_while_much_is_left_calls_go_at_once():
    made = budget()
    for number in range(25):
        call(made, NOON + number / 10, minute=59 - number, day=4000)


def test_a_missing_family_is_not_a_zero():
    made = budget()
    call(made, NOON)
    call(made, NOON, day=3)
    call(made, NOON, minute=59)
    assert made.hold(NOON) is None


def test_the_rest_of_a_minute_is_shared_out_over_its_seconds():
    made = budget()
    moments, now, left = [], NOON + 2.0, 31
    call(made, now, minute=left)
    while now < NOON + 60:
        moments.append(now)
        turn = None
        while held := made.hold(now, turn):
            now = turn = now + held.seconds
        left -= 1
        made.note(answer(now, minute=left % 60), now)
    # One in ten is left to the others, who used the first half of the minute.
    assert len(moments) == 25
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert max(gaps[1:]) < 5
    assert moments[-1] > NOON + 50


def test_an_exhausted_minute_is_left_alone_until_it_has_ended():
    made = budget()
    for number in range(60):
        made.hold(NOON, NOON)
        made.note(answer(NOON, minute=59 - number), NOON)
    held = made.hold(NOON + 10)
    assert held == Held(50 + GRACE + 0.5)
    assert made.hold(NOON + 10 + held.seconds) is None


def test_when_others_use_the_minute_some_of_it_is_left_to_them_and_they_come_back_apart():
    waits = []
    for jitter in (0.0, 0.5, 1.0):
        made = budget(jitter)
        call(made, NOON, minute=6)
        waits.append(made.hold(NOON + 10).seconds)
    assert waits == [51, 78, 105]


def test_a_429_despite_calls_left_closes_the_minute():
    made = budget()
    call(made, NOON, minute=49)
    made.hold(NOON + 5)
    made.note(answer(NOON + 5, minute=49, status=429), NOON + 5)
    assert made.hold(NOON + 6).seconds >= 54
    # An answer that was overtaken does not open it again.
    made.note(answer(NOON + 4, minute=48), NOON + 7)
    assert made.hold(NOON + 7).seconds >= 53


def test_a_429_that_names_nothing_closes_the_minute_too():
    made = budget()
    made.hold(NOON + 5)
    made.note(Response(429, {"Date": formatdate(NOON + 5, usegmt=True)}), NOON + 5)
    assert 55 <= made.hold(NOON + 5).seconds <= 115


def test_calls_under_way_count_before_their_answers_come():
    made = budget()
    call(made, NOON, minute=4, limit=5)
    granted = [made.hold(NOON + 1, NOON) for _ in range(6)]
    assert granted.count(None) == 4
    made.note(NoResponse("ReadTimeout"), NOON + 2)
    assert made.hold(NOON + 2, NOON) is None


def test_a_used_up_day_is_believed_for_an_hour_at_most():
    made = budget()
    call(made, NOON, minute=59, day=0)
    assert made.hold(NOON + 60) == Held(MIDNIGHT - NOON - 60 + GRACE, "day")
    assert made.hold(NOON + 3601) is None


def test_a_server_whose_clock_is_ahead_is_waited_for_by_this_clock():
    made = budget(0.0)
    ahead = 571.0
    made.hold(NOON)
    made.note(answer(NOON + ahead, minute=0), NOON)
    # By the server's clock it is 31 seconds past.
    assert made.hold(NOON).seconds == pytest.approx(29 + GRACE, abs=1)


def test_what_another_process_saw_counts_until_its_minute_ends():
    made = budget()
    assert made.wants_news(NOON)
    made.learn(Seen(RateLimits(Window(60, 0, NOON + 60), Window(5000, 700, MIDNIGHT)), NOON), NOON + 1)
    assert not made.wants_news(NOON + 1)
    assert made.hold(NOON + 1).seconds >= 59
    assert made.wants_news(NOON + 61)
    assert made.hold(NOON + 61) is None
    made.learn(Seen(RateLimits(Window(60, 0, NOON + 60)), NOON), NOON + 62)
    assert made.hold(NOON + 62) is None


def test_while_much_is_left_other_processes_are_told_once_a_minute():
    made, told = budget(), 0
    for number in range(80):
        now = NOON + number * 1.3
        call(made, now, minute=59 - number % 20)
        if made.has_news(now):
            made.tell()
            told += 1
    assert told == 2
    call(made, NOON + 110, minute=20)
    assert made.has_news(NOON + 110)


def test_sights_of_several_processes_are_merged_and_a_missing_family_is_kept():
    day = Window(5000, 700, MIDNIGHT)
    first = {1: Seen(RateLimits(Window(60, 30, NOON), day), 1.0), 2: Seen(RateLimits(Window(60, 1, NOON)), 9.0)}
    second = {1: Seen(RateLimits(Window(60, 20, NOON)), 2.0), 2: Seen(RateLimits(Window(60, 5, NOON)), 8.0)}
    found = merged(first, second)
    assert found[1] == Seen(RateLimits(Window(60, 20, NOON), day), 2.0)
    assert found[2] == first[2]
