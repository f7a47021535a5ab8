"""Every operator and the sensor, under a scheduler and in `airflow dags test`; the example Dags under a scheduler."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.other_program import OtherProgram, register
from tests.system.running import ROOT
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


@pytest.fixture(scope="module")
def apart(running: RunningAirflow, tmp_path_factory: pytest.TempPathFactory) -> LocalAirflow:
    """
    Return an Airflow with a database of its own, in which nothing runs.

    A scheduler would take the tasks of `airflow dags test` for its own.
    """
    airflow = LocalAirflow(tmp_path_factory.mktemp("apart") / "home", running.airflow.dags, free_port())
    airflow.prepare({CONN_ID: running.emulator.signed_in_connection(register(running.emulator, 2))})
    return airflow


def dags_test(processes: Processes, airflow: LocalAirflow, output: Path, dag_id: str, **conf: Any) -> Process:
    command = [sys.executable, "-m", "airflow", "dags", "test", dag_id, "--conf", json.dumps(conf)]
    return processes.start(dag_id, command, env=airflow.environment(), log=output)


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


@pytest.mark.parametrize("dag_id", EXAMPLES)
def test_an_example_works_under_a_scheduler(running: RunningAirflow, dag_id: str):
    run = running.run(dag_id)
    run.assert_succeeded()


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
    for way in waiting:
        OtherProgram(running.emulator).create("crm/Accounts", {"Name": f"{name} {way}"})
    run.wait()
    run.assert_succeeded()
    assert [run.xcom(way)[0]["Name"] for way in waiting] == [f"{name} {way}" for way in waiting]


def test_every_operator_works_in_dags_test(apart: LocalAirflow, tmp_path: Path):
    with Processes() as processes:
        process = dags_test(processes, apart, tmp_path / "output.log", "every_operator", name="In dags test")
        assert process.popen.wait(120) == 0, end_of(process.log, 60)
    assert "state=success" in process.log.read_text(encoding="utf-8")


def test_dags_test_waits_for_a_deferred_sensor(running: RunningAirflow, apart: LocalAirflow, tmp_path: Path):
    name = "Awaited in dags test"
    with Processes() as processes:
        process = dags_test(processes, apart, tmp_path / "output.log", "deferring", name=name)
        # The first call is the sensor's own; the second one comes from the trigger.
        running.wait_for(lambda: len(running.calls("GET", "crm/Accounts", name)) >= 2, "a look by the trigger")
        OtherProgram(running.emulator).create("crm/Accounts", {"Name": name})
        assert process.popen.wait(120) == 0, end_of(process.log, 60)
