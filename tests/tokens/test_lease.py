"""The lease on real Variables of a real database; its clock is moved, nothing sleeps."""

from __future__ import annotations

import json

import pytest

from airflow_provider_exact.tokens import lease as lease_room
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.lease import DURATION, MAX_LOOK_AGE, SETTLING, Lease

KEY = "exact_online_lease__x"


class Clock:
    def __init__(self):
        self.now = 1_000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lease(server, clock, monkeypatch):
    # The fixture ``server`` takes the pause away.
    monkeypatch.setattr(lease_room, "SETTLING", SETTLING)
    return Lease(KEY, clock=clock, sleep=clock.sleep)


def other(clock):
    return Lease(KEY, clock=clock, sleep=clock.sleep)


def write(**content):
    variables.write(KEY, json.dumps(content), description="")


def test_a_free_lease_is_claimed_settled_and_given_back(lease, clock):
    with lease.try_hold() as held:
        assert held
        assert clock.slept == [SETTLING]
        with other(clock).try_hold() as theirs:
            assert not theirs
            assert other(clock).is_held()
    assert not lease.is_held()
    with other(clock).try_hold() as theirs:
        assert theirs


def test_whoever_wrote_last_holds_it(lease, clock):
    rival = other(clock)

    def meanwhile(seconds):
        # Another process saw the lease free as well, and writes its claim while this one settles.
        write(owner=rival._owner, until=clock() + DURATION)
        clock.now += seconds

    lease._sleep = meanwhile
    with lease.try_hold() as held:
        assert not held
    assert lease.notes()["owner"] == rival._owner


def test_a_holder_that_died_is_succeeded_within_twenty_seconds(lease, clock):
    died = other(clock)
    write(owner=died._owner, until=clock() + DURATION)
    waited = 0
    while True:
        with lease.try_hold() as held:
            if held:
                break
        clock.now += 0.5
        waited += 0.5
    assert waited + SETTLING <= 20


def test_a_holder_that_lives_keeps_it_for_as_long_as_it_takes(lease, clock):
    with lease.try_hold():
        for _ in range(24):
            clock.now += 5
            lease.keep()
            with other(clock).try_hold() as theirs:
                assert not theirs


def test_a_holder_that_lost_it_neither_takes_it_back_nor_frees_it(lease, clock):
    with lease.try_hold():
        clock.now += DURATION + 1
        successor = other(clock)
        with successor.try_hold() as theirs:
            assert theirs
            lease.keep()
            assert lease.notes()["owner"] == successor._owner
            lease._release()
            assert lease.notes()["owner"] == successor._owner


def test_notes_outlive_the_holder(lease, clock):
    with lease.try_hold():
        lease.change(lambda notes: notes | {"refused": {"why": "because"}})
    with other(clock).try_hold():
        pass
    assert other(clock).notes()["refused"] == {"why": "because"}


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"owner": null}', '{"owner": "x"}'])
def test_whatever_stands_in_the_variable_it_can_be_claimed(lease, content):
    if content:
        variables.write(KEY, content, description="")
    with lease.try_hold() as held:
        assert held


def test_it_holds_no_secret(lease):
    with lease.try_hold():
        assert set(json.loads(variables.read(KEY))) == {"owner", "until"}


@pytest.mark.parametrize(
    "until", ["null", '"soon"', "true", "[]", "NaN", "Infinity", "-1e400", "1e400", "1" + "0" * 400, "1e20", "{}"]
)
def test_a_lease_with_a_damaged_end_is_free(lease, until):
    variables.write(KEY, f'{{"owner": "x", "until": {until}, "abandoned_at": {until}}}', description="")
    assert not lease.is_held()
    assert lease.held_until() is None
    with lease.try_hold() as held:
        assert held


@pytest.mark.parametrize("owner", ["", 7, None, ["x"], {}])
def test_a_lease_of_nobody_is_free(lease, clock, owner):
    write(owner=owner, until=clock() + DURATION)
    with lease.try_hold() as held:
        assert held


@pytest.mark.parametrize(("ahead", "held"), [(0, True), (60, True), (120, True), (121, False), (3600, False)])
def test_a_lease_that_ends_later_than_any_honest_one_has_expired(lease, clock, ahead, held):
    # A clock that is ahead writes a later end.
    write(owner="x", until=clock() + DURATION + ahead)
    assert lease.is_held() is held
    with lease.try_hold() as ours:
        assert ours is not held


def test_a_process_that_stopped_after_it_saw_the_lease_free_looks_again(lease, clock, monkeypatch):
    rival = other(clock)
    look = lease.notes

    def stop_once():
        monkeypatch.setattr(lease, "notes", look)
        notes = look()
        clock.now += MAX_LOOK_AGE + 0.5
        write(owner=rival._owner, until=clock() + DURATION)
        return notes

    monkeypatch.setattr(lease, "_clock", iter_clock(clock))
    monkeypatch.setattr(lease, "notes", stop_once)
    with lease.try_hold() as held:
        assert not held
    assert lease.notes()["owner"] == rival._owner


def iter_clock(clock):
    """Return a clock whose first reading is the one before a stop."""
    readings = [clock.now]
    return lambda: readings.pop() if readings else clock.now


def test_a_lease_that_cannot_be_read_is_not_free(lease, monkeypatch):
    def fail(*_args, **_options):
        raise variables.VariableReadError("Airflow did not read.")

    monkeypatch.setattr(variables, "read_surely", fail)
    with lease.try_hold() as held:
        assert not held
    with pytest.raises(variables.VariableReadError):
        lease.is_held()


def test_a_holder_that_was_stopped_for_longer_than_its_lease_knows_it(lease, clock):
    with lease.try_hold():
        assert lease.is_ours()
        clock.now += DURATION
        assert not lease.is_ours()
        # Nobody has claimed it since: claimed again, and settled.
        lease.keep()
        assert lease.is_ours()
        assert clock.slept == [SETTLING, SETTLING]


def test_taking_over_from_a_holder_that_released_nothing_is_noted(lease, clock):
    assert lease.abandoned_at() == 0
    write(owner="x", until=clock() - 1)
    at = clock()
    with lease.try_hold():
        assert lease.abandoned_at() == at
    with lease.try_hold():
        assert lease.abandoned_at() == at


def test_a_lease_that_is_left_expires_instead_of_being_released(lease, clock):
    with lease.try_hold():
        lease.leave()
    assert other(clock).is_held()
    clock.now += DURATION
    with other(clock).try_hold() as held:
        assert held
        assert other(clock).abandoned_at()
