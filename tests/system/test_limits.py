"""Exact's limits under a real scheduler and triggerer: a day that ends in mid-list, a minute with many tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from airflow_provider_exact.operators.base import KEPT, USAGE
from tests.system.dags.limited import POOL
from tests.system.running import calls_of

if TYPE_CHECKING:
    from tests.system.running import Run, RunningAirflow
    from tools.demo.emulator import Emulator

ACTIVITIES = "project/WBSActivities"
DAY = 86_400


@dataclass(frozen=True)
class Limited:
    """Run of many tasks with an emulator that allows few calls a minute."""

    run: Run
    emulator: Emulator
    tasks: int


def start(running: RunningAirflow, tasks: int, per_minute: int) -> Limited:
    limits = ("--calls-per-minute", str(per_minute), "--calls-per-day", "100000")
    emulator = running.start_emulator(f"minute-{tasks}", *limits)
    running.connect(f"exact_minute_limit_{tasks}", emulator.signed_in_connection())
    return Limited(running.trigger(f"minute_limit_{tasks}"), emulator, tasks)


def assert_each_task_made_its_call(limited: Limited) -> None:
    limited.run.wait()
    limited.run.assert_succeeded()
    calls = calls_of(limited.emulator, "GET", "crm/Accounts")
    statuses = [call["status"] for call in calls]
    answered = Counter(call["query"] for call in calls if call["status"] == 200)
    assert {query: number for query, number in answered.items() if number > 1} == {}
    assert len(answered) == limited.tasks
    # Without a limiter, each of the eight tasks that run at a time is refused once in each minute.
    assert statuses.count(429) <= max(2, 0.02 * len(statuses)), Counter(statuses)


@pytest.fixture(scope="session")
def thirty_tasks(running: RunningAirflow) -> Limited:
    """Start tasks that wait for new minutes while other tests run."""
    return start(running, 30, 20)


@pytest.fixture(scope="session")
def end_of_a_day(running: RunningAirflow) -> Limited:
    """Start a list that waits for a new day, which begins at Exact at once and for the trigger in 100 seconds."""
    emulator = running.start_emulator("day")
    running.connect("exact_daily_limit", emulator.signed_in_connection())
    exact = emulator.control
    running.api("POST", "pools", json={"name": POOL, "slots": 1, "description": ""})
    # Exact's clock stands still before midnight: for longer than a task waits by itself, but not by much.
    exact.advance((-(exact.now() + 100)) % DAY)
    exact.hold()
    exact.settings(calls_per_day=3)
    run = running.trigger("daily_limit")
    running.wait_for(lambda: run.tasks().get("list") == "deferred", "the list waiting for the day to end")
    fetched = [call for call in calls_of(emulator, "GET", ACTIVITIES) if call["status"] == 200]
    assert len(fetched) == 3
    # A list that begins again must come to its end too, and not wait for one more day.
    exact.settings(calls_per_day=100_000)
    # The trigger waits by the machine's clock. Exact's day must end before the trigger fires.
    exact.advance(100)
    exact.resume()
    return Limited(run, emulator, 1)


def test_a_list_that_waits_for_the_end_of_the_day_holds_no_slot(
    running: RunningAirflow, thirty_tasks: Limited, end_of_a_day: Limited
):
    pool = running.api("GET", f"pools/{POOL}")
    assert (pool["occupied_slots"], pool["deferred_slots"]) == (0, 1)
    meanwhile = running.run("meanwhile")
    assert meanwhile.tasks() == {"work": "success"}


@pytest.mark.last
def test_a_list_that_met_the_limit_of_the_day_fetched_no_page_twice(end_of_a_day: Limited):
    run = end_of_a_day.run
    run.wait()
    run.assert_succeeded()
    fetched = [call["query"] for call in calls_of(end_of_a_day.emulator, "GET", ACTIVITIES) if call["status"] == 200]
    records = run.xcom("list")
    assert len(fetched) == len(set(fetched)) == 6
    assert len({record["ID"] for record in records}) == len(records) == 360
    assert run.tries("list") == 1
    usage = run.xcom("list", USAGE)
    # The last answer of the day said that nothing is left, so that no call was refused.
    assert (usage["calls"], usage["records"], usage["limited"]) == (6, 360, 0)
    assert KEPT not in run.xcom_keys("list")


@pytest.mark.last
def test_thirty_tasks_share_twenty_calls_a_minute(thirty_tasks: Limited):
    assert_each_task_made_its_call(thirty_tasks)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_tasks_share_sixty_calls_a_minute(running: RunningAirflow):
    assert_each_task_made_its_call(start(running, 200, 60))
