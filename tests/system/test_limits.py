"""Exact's limits under a real scheduler and triggerer: the day in the middle of a list, and a minute with 200 tasks."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_exact.known_limits import KEY as LIMITS_KEY
from airflow_provider_exact.operators.base import KEPT, USAGE
from tests.system.dags.limited import POOL
from tests.system.running import IS_NEWEST, running_airflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.running import RunningAirflow

ACTIVITIES = "project/WBSActivities"
DAY = 86_400
IS_RUN = bool(os.environ.get("EXACT_SLOW_TESTS") or (os.environ.get("CI") and IS_NEWEST))


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("limited")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "limited.py").write_bytes((Path(__file__).parent / "dags" / "limited.py").read_bytes())
    with running_airflow(folder, dags, {"AIRFLOW__CORE__PARALLELISM": "16"}) as made:
        yield made


# It waits up to three minutes for the reset.
def test_a_list_that_meets_the_limit_of_the_day_holds_no_slot_and_fetches_no_page_twice(airflow: RunningAirflow):
    exact = airflow.emulator.control
    airflow.api("POST", "pools", json={"name": POOL, "slots": 1, "description": ""})
    airflow.run("meanwhile")
    # At Exact it is about to be midnight: the wait is longer than what a task waits out by itself, but not by much.
    exact.advance((-(exact.now() + 100)) % DAY)
    exact.settings(calls_per_day=3)
    run = airflow.trigger("daily_limit")
    airflow.wait_for(lambda: run.tasks()["list"] == "deferred", "the list waiting for the day to end")
    fetched = [call for call in airflow.calls("GET", ACTIVITIES) if call["status"] == 200]
    assert len(fetched) == 3
    pool = airflow.api("GET", f"pools/{POOL}")
    assert (pool["occupied_slots"], pool["deferred_slots"]) == (0, 1)
    meanwhile = airflow.run("meanwhile")
    assert meanwhile.tasks() == {"work": "success"}
    assert run.tasks()["list"] == "deferred"
    run.wait(timeout=600)
    assert run.tasks() == {"list": "success"}, run.log("list")[-3000:]
    fetched = [call["query"] for call in airflow.calls("GET", ACTIVITIES) if call["status"] == 200]
    records = run.xcom("list")
    assert len(fetched) == len(set(fetched)) == 6
    assert len({record["ID"] for record in records}) == len(records) == 360
    assert run.tries("list") == 1
    usage = run.xcom("list", USAGE)
    # The last answer of the day said that nothing is left, so that no call was refused.
    assert (usage["calls"], usage["records"], usage["limited"]) == (6, 360, 0)
    assert KEPT not in run.xcom_keys("list")


@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    not IS_RUN, reason="takes four minutes: runs in CI on the newest Airflow, or with EXACT_SLOW_TESTS=1"
)
def test_two_hundred_tasks_share_sixty_calls_a_minute(airflow: RunningAirflow):
    exact = airflow.emulator.control
    exact.settings(calls_per_minute=60, calls_per_day=100_000)
    # Nothing at Exact makes a day longer, so that tasks believe what they heard of the last one.
    for variable in airflow.api("GET", "variables", params={"variable_key_pattern": LIMITS_KEY})["variables"]:
        airflow.api("DELETE", f"variables/{variable['key']}")
    before = len(airflow.calls("GET", "crm/Accounts"))
    began = time.monotonic()
    run = airflow.trigger("minute_limit")
    run.wait(timeout=1500)
    took = time.monotonic() - began
    states = list(run.tasks().values())
    assert states == ["success"] * 200
    calls = airflow.calls("GET", "crm/Accounts")[before:]
    statuses = [call["status"] for call in calls]
    print(f"{len(statuses)} calls in {took:.0f} s, {statuses.count(429)} of them answered 429")
    answered = Counter(call["query"] for call in calls if call["status"] == 200)
    assert {query: number for query, number in answered.items() if number > 1} == {}
    assert len(answered) == 200
    assert statuses.count(429) <= 0.02 * len(statuses)
