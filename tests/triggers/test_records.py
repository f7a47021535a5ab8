"""The trigger, through the real hook against the emulator, with a clock that the tests move."""

import asyncio
import json
import threading
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from airflow_provider_exact import accounts
from airflow_provider_exact.client.flow import run_async
from airflow_provider_exact.client.transport import RequestsTransport
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.triggers.records import ExactOnlineRecordTrigger

ACCOUNTS = "crm/Accounts"
START = 1_000.0


class Clock:
    """Stands still but for sleeps; ``at`` tells what happens elsewhere when it gets past a moment."""

    def __init__(self, **at):
        self.now = START
        self.slept = []
        self.at = {int(name.removeprefix("t")): event for name, event in at.items()}

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        for moment in [moment for moment in self.at if START + moment <= self.now]:
            self.at.pop(moment)()


@pytest.fixture
def no_wait(monkeypatch):
    """Let the client's own waits, between attempts at one call, pass at once."""

    async def sleep(seconds):
        pass

    monkeypatch.setitem(run_async.__kwdefaults__, "sleep", sleep)


def trigger(**changes):
    return ExactOnlineRecordTrigger(
        **{
            "endpoint": ACCOUNTS,
            "filter": "Name eq 'Awaited'",
            "select": ["ID"],
            "min_records": 1,
            "poll_interval": 60,
            "deadline": START + 600,
            "max_failures": 3,
            "exact_online_conn_id": "exact_online_default",
            "division": None,
            **changes,
        }
    )


def watch(made, clock):
    return asyncio.run(made.watch(clock=clock, sleep=clock.sleep))


def create(name="Awaited"):
    return ExactOnlineHook().create_record(ACCOUNTS, {"Name": name})


def polls(emulator):
    return emulator.count(method="GET", endpoint=ACCOUNTS)


def test_a_trigger_survives_the_trip_through_airflows_database():
    made = trigger(division=7, resumes_at=5.0)
    path, kwargs = made.serialize()
    assert path == f"{ExactOnlineRecordTrigger.__module__}.{ExactOnlineRecordTrigger.__qualname__}"
    again = ExactOnlineRecordTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == made.serialize()
    assert not {"token", "secret", "password"} & {word for name in kwargs for word in name.split("_")}


def test_the_first_look_comes_after_one_interval_and_the_record_ends_the_wait(connection):
    clock = Clock(t130=create)
    event = watch(trigger(), clock)
    assert event["status"] == "found"
    [record] = event["records"]
    assert list(record) == ["ID"]
    assert clock.slept == [60, 60, 60]
    assert polls(connection) == 3
    call = connection.calls()[-1]
    assert parse_qs(call["query"]) == {"$filter": ["Name eq 'Awaited'"], "$select": ["ID"], "$top": ["1"]}
    json.dumps(event)


def test_fewer_records_than_wanted_do_not_end_the_wait(connection):
    clock = Clock(t50=create, t100=create)
    event = watch(trigger(min_records=2), clock)
    assert len(event["records"]) == 2
    assert polls(connection) == 2


def test_the_deadline_ends_the_wait_at_its_moment(connection):
    clock = Clock()
    assert watch(trigger(deadline=START + 150), clock) == {"status": "timeout"}
    assert clock.now == START + 150
    assert polls(connection) == 2


def test_a_restarted_triggerer_does_not_extend_the_deadline(connection):
    _, kwargs = trigger(deadline=START - 1).serialize()
    assert watch(ExactOnlineRecordTrigger(**kwargs), Clock()) == {"status": "timeout"}
    assert polls(connection) == 0


def test_calls_that_fail_are_followed_by_others_until_one_succeeds(connection, no_wait):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=8)
    clock = Clock(t30=create)
    assert watch(trigger(), clock)["status"] == "found"
    # Four attempts of the client for each of two failed looks, and the one that succeeds.
    assert polls(connection) == 9
    assert clock.slept == [60, 60, 60]


def test_a_success_between_failures_starts_the_count_again(connection, no_wait):
    # Two looks of four attempts each fail, one succeeds, two fail again.
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=8)
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=8, nth=2)
    clock = Clock(t200=create)
    assert watch(trigger(max_failures=3), clock)["status"] == "found"
    assert clock.slept == [60] * 6


def test_too_many_failures_in_a_row_end_the_wait(connection, no_wait):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=0)
    clock = Clock()
    event = watch(trigger(max_failures=2), clock)
    assert (event["status"], event["retry"]) == ("error", True)
    assert event["message"].startswith("2 calls failed in a row")
    assert clock.slept == [60, 60]


def forget_limits(wait):
    accounts.forget()
    del wait.hook


def test_a_limit_of_the_day_puts_off_the_next_look_until_it_resets(connection, no_wait):
    clock = Clock()
    clock.now = connection.now()
    if clock.now % 86_400 > 86_280:
        # So close to the reset the client sits the limit out itself.
        clock.now = connection.advance(180)
    connection.fault("day_limit", method="GET", endpoint=ACCOUNTS)
    resets_at = (clock.now // 86_400 + 1) * 86_400
    # By the client's own clock, which is not moved, the day would still be used up then.
    wait = trigger(deadline=clock.now + 200_000)
    clock.at[int(resets_at - START)] = lambda: forget_limits(wait)
    create()
    event = watch(wait, clock)
    assert event["status"] == "found"
    assert polls(connection) == 2
    assert clock.now >= resets_at - 1


def test_a_limit_that_the_sensor_has_met_puts_off_the_first_look(connection):
    create()
    clock = Clock()
    assert watch(trigger(resumes_at=START + 300), clock)["status"] == "found"
    assert clock.slept == [300]


def test_a_wrong_call_ends_the_wait_for_good(connection):
    event = watch(trigger(filter="Name eq 1 eq"), Clock())
    assert (event["status"], event["retry"]) == ("error", False)
    assert ACCOUNTS in event["message"]
    assert polls(connection) == 1


def test_so_many_refusals_that_no_more_calls_are_made_end_the_wait(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__ERRORS_PER_HOUR", "1")
    watch(trigger(filter="Name eq 1 eq"), Clock())
    clock = Clock()
    event = watch(trigger(), clock)
    assert (event["status"], event["retry"]) == ("error", True)
    assert "not called" in event["message"]
    assert clock.slept == [60]
    assert polls(connection) == 1


def test_an_ended_sign_in_ends_the_wait_for_good_without_showing_the_token(connection):
    connection.advance(700)
    event = watch(trigger(), Clock())
    assert (event["status"], event["retry"]) == ("error", False)
    assert "ign in" in event["message"]
    assert "stamp" not in event["message"]


def test_the_division_of_the_task_is_the_one_looked_at(connection):
    other = connection.divisions[1]
    watch(trigger(division=str(other), deadline=START + 100), Clock())
    assert connection.calls()[-1]["division"] == other


def test_a_trigger_never_blocks_the_event_loop(connection, monkeypatch):
    send, sending, loop_runs, waited = RequestsTransport.send, threading.Event(), threading.Event(), []

    def held(transport, request):
        sending.set()
        # A loop that waits for this call does not run.
        waited.append(loop_runs.wait(60))
        return send(transport, request)

    monkeypatch.setattr(RequestsTransport, "send", held)

    async def other_task():
        while not sending.is_set():
            await asyncio.sleep(0.001)
        loop_runs.set()

    async def both():
        clock, other = Clock(), asyncio.create_task(other_task())
        wanted = trigger(deadline=START + 100, filter=f"ID eq guid'{uuid4()}'")
        event = await wanted.watch(clock=clock, sleep=clock.sleep)
        await other
        return event

    assert asyncio.run(both()) == {"status": "timeout"}
    assert waited == [True] * polls(connection)


def test_run_fires_the_one_event(connection):
    async def fired():
        return [event async for event in trigger(deadline=0.0).run()]

    [event] = asyncio.run(fired())
    assert event.payload == {"status": "timeout"}
