"""Every operator and the sensor, under a scheduler and in `airflow dags test`; the example Dags under a scheduler."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.other_program import OtherProgram
from tests.system.running import ROOT, TIMEOUT, calls_of
from tools.demo.emulator import CONN_ID
from tools.demo.local_airflow import LocalAirflow
from tools.demo.processes import Process, Processes, end_of, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.running import RunningAirflow

# These two have tests of their own: one has a schedule, the other needs a database.
EXAMPLES = sorted(
    path.stem
    for path in (ROOT / "example_dags").glob("*.py")
    if path.stem not in ("example_keep_alive", "example_warehouse")
)


@pytest.mark.smoke
def test_every_operator_works_under_a_scheduler(running: RunningAirflow):
    run = running.run("every_operator", name="Under a scheduler")
    run.assert_succeeded()
    assert run.xcom("get_account")["City"] == "Groningen"
    assert [account["Name"] for account in run.xcom("list_accounts")] == ["Under a scheduler"]
    assert run.xcom("wait_for_account")["City"] == "Groningen"
    assert run.xcom("delete_account") is True
    assert run.xcom("delete_account_again") is False
    assert (run.xcom("create_hours")["Quantity"], run.xcom("create_hours")["HourStatus"]) == (2, 1)
    assert (run.xcom("update_hours")["Quantity"], run.xcom("update_hours")["HourStatus"]) == (3, 10)
    assert run.xcom("wait_for_hours")[0]["Quantity"] == 3


def test_the_examples_work_under_a_scheduler(running: RunningAirflow):
    runs = [running.trigger(dag_id) for dag_id in EXAMPLES]
    for run in runs:
        run.wait()
        run.assert_succeeded()


@pytest.mark.smoke
def test_the_sensor_waits_in_each_of_its_three_ways(running: RunningAirflow):
    name = "Awaited by all"
    run = running.trigger("waiting", name=name)
    waiting = {"poke": "running", "reschedule": "up_for_reschedule", "deferrable": "deferred"}
    seen: dict[str, set[str | None]] = {way: set() for way in waiting}

    def all_wait() -> bool:
        for way, state in run.tasks().items():
            seen[way].add(state)
        return all(
            state in seen[way] and running.calls("GET", "crm/Accounts", f"{name} {way}")
            for way, state in waiting.items()
        )

    running.wait_for(all_wait, "all three sensors waiting")
    run.wait_for_processes_to_end("reschedule", "deferrable")
    for way in waiting:
        OtherProgram(running.emulator).create("crm/Accounts", {"Name": f"{name} {way}"})
    run.wait()
    run.assert_succeeded()
    assert [run.xcom(way)[0]["Name"] for way in waiting] == [f"{name} {way}" for way in waiting]


def test_dags_test_runs_every_operator_and_waits_for_a_deferred_sensor(running: RunningAirflow, tmp_path: Path):
    # With a database of its own: a scheduler would take the tasks of `airflow dags test` for its own.
    airflow = LocalAirflow(tmp_path / "home", running.airflow.dags, free_port())
    emulator = running.start_emulator("dags-test")
    airflow.prepare({CONN_ID: emulator.signed_in_connection()})
    name = "Awaited in dags test"

    def dags_test(processes: Processes, dag_id: str, **conf: str) -> Process:
        command = [sys.executable, "-m", "airflow", "dags", "test", dag_id, "--conf", json.dumps(conf)]
        return processes.start(dag_id, command, env=airflow.environment(), log=tmp_path / f"{dag_id}.log")

    with Processes() as processes:
        every = dags_test(processes, "every_operator", name="In dags test")
        assert every.popen.wait(TIMEOUT) == 0, end_of(every.log, 60)
        assert "state=success" in every.log.read_text(encoding="utf-8")
        waiting = dags_test(processes, "deferring", name=name)
        # The first call is the sensor's own; the second one comes from the trigger.
        running.wait_for(lambda: len(calls_of(emulator, "GET", "crm/Accounts", name)) >= 2, "a look by the trigger")
        OtherProgram(emulator).create("crm/Accounts", {"Name": name})
        assert waiting.popen.wait(TIMEOUT) == 0, end_of(waiting.log, 60)
