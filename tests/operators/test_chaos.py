"""
Creations through everything that can go wrong on the way: as many records as were asked for.

Tasks are real processes on a real database of Airflow's, which die by SIGKILL at any step and are run again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

HOURS = "project/TimeTransactions"
ENVIRONMENT = ("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT", "_AIRFLOW_PROCESS_CONTEXT")
KINDS = ["reset_before", "reset_after", "truncated", "empty", "status", "business_error", "minute_limit"]

pytestmark = pytest.mark.system


@pytest.fixture
def tasks(server, migrated_database):
    """Start the program that runs tasks, and return what asks it."""
    environment = os.environ | {"_AIRFLOW_PROCESS_CONTEXT": "server"}
    file = Path(__file__).with_name("chaos_worker.py")
    with subprocess.Popen(
        [sys.executable, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as program:

        def run(data, seed):
            wanted = {"environment": {name: os.environ[name] for name in ENVIRONMENT}, "tasks": data, "seed": seed}
            program.stdin.write(json.dumps(wanted) + "\n")
            program.stdin.flush()
            # Airflow's own log lines may stand before the answer.
            answer = json.loads(next(line for line in program.stdout if line.startswith('{"answer"')))["answer"]
            return answer["results"], answer["ends"]

        yield run
        program.stdin.close()


def rows_of(project, item, number, each):
    """Return records that no single field tells apart, by day."""
    days = [(date(2026, 3, 1) + timedelta(days=day)).isoformat() for day in range(number)]
    common = {"Project": project, "Item": item, "Notes": "Chaos"}
    return {day: [{**common, "Date": day, "Quantity": hours} for hours in range(1, each + 1)] for day in days}


def create_through_chaos(connection, tasks, seed, *, days, each):
    """Create ``each`` records on each of some days, through faults and deaths, and check all that is at Exact then."""
    total = days * each
    connection.settings(calls_per_minute=1_000_000, calls_per_day=1_000_000)
    hook = ExactOnlineHook()
    project = next(hook.list_records("project/Projects", filter="Type eq 3", select="ID", top=1))["ID"]
    item = next(hook.list_records("logistics/Items", filter={"IsTime": 1}, select="ID", top=1))["ID"]
    rows = rows_of(project, item, days, each)
    # Most days are one task with many records, the others one task for each record.
    single_days = sorted(rows)[: days // 5]
    data = {f"day-{day}": rows[day] for day in rows if day not in single_days}
    data |= {f"row-{day}-{number}": row for day in single_days for number, row in enumerate(rows[day])}
    chance = random.Random(seed)
    for nth in sorted(chance.sample(range(1, total * 5 // 4), total * 4 // 25)):
        connection.fault(chance.choice(KINDS), method="POST", endpoint=HOURS, nth=nth)
    for nth in sorted(chance.sample(range(1, total * 3 // 10), total // 25)):
        connection.fault(chance.choice(["status", "reset_before"]), method="GET", endpoint=HOURS, nth=nth)

    results, ends = tasks(data, seed)
    looks = connection.count(method="GET", endpoint=HOURS)
    print(f"seed {seed}: {ends}, {connection.count(method='POST', endpoint=HOURS)} POST, {looks} GET")

    assert ends["succeeded"] == len(data)
    # The first try of each task.
    assert ends["killed"] >= len(data)
    made = list(hook.list_records(HOURS, filter={"Notes": "Chaos"}, select="ID,Date,Quantity"))
    wanted = {(row["Date"], row["Quantity"]) for day in rows.values() for row in day}
    assert len(wanted) == total
    times = Counter((row["Date"][:10], row["Quantity"]) for row in made)
    assert {row: count for row, count in times.items() if count != 1} == {}
    assert set(times) == wanted
    ids = {(row["Date"][:10], row["Quantity"]): row["ID"] for row in made}
    for name, result in results.items():
        asked = data[name]
        if isinstance(asked, list):
            assert result == [ids[row["Date"], row["Quantity"]] for row in asked]
        else:
            assert result["ID"] == ids[asked["Date"], asked["Quantity"]]
    assert sum(connection.count(status=status) for status in (400, 401, 403, 404)) == 0

    # Cleared tasks create nothing, and return the same.
    again, _ = tasks({name: data[name] for name in chance.sample(sorted(data), 12)}, seed)
    assert {name: key_of(result) for name, result in again.items()} == {name: key_of(results[name]) for name in again}
    assert len(list(hook.list_records(HOURS, filter={"Notes": "Chaos"}, select="ID"))) == total


def key_of(result):
    return result if isinstance(result, list) else result["ID"]


def test_creations_through_chaos_are_as_many_records(connection, tasks, seed):
    create_through_chaos(connection, tasks, seed, days=5, each=16)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1, 11), indirect=True)
def test_five_hundred_creations_through_chaos_are_five_hundred_records(connection, tasks, seed):
    create_through_chaos(connection, tasks, seed, days=20, each=25)
