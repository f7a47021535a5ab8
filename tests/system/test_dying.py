"""Tasks that are killed while they create, retried by Airflow, and cleared by a person: each record once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.other_program import OtherProgram

if TYPE_CHECKING:
    from tests.system.running import RunningAirflow


def test_a_killed_and_a_cleared_task_create_each_record_once(running: RunningAirflow):
    name = "Killed in the middle"
    created = running.calls("POST", "crm/Accounts")
    run = running.run("dying", name=name)
    assert run.tasks() == {"one": "success", "many": "success"}
    assert [run.tries(task) for task in ("one", "many")] == [2, 2]

    keys = [run.xcom("one")["ID"], *run.xcom("many")]
    accounts = OtherProgram(running.emulator).find("crm/Accounts", f"startswith(Name,'{name}')")
    assert sorted(keys) == sorted(account["ID"] for account in accounts)
    assert sorted(account["Name"] for account in accounts) == sorted(f"{name} {which}" for which in ("one", *range(6)))
    assert len(running.calls("POST", "crm/Accounts")) - len(created) == 7

    wanted = {"dry_run": False, "dag_run_id": run.run_id, "only_failed": False, "reset_dag_runs": True}
    running.api("POST", "dags/dying/clearTaskInstances", json=wanted)
    run.wait()
    assert run.tasks() == {"one": "success", "many": "success"}
    assert [run.tries(task) for task in ("one", "many")] == [3, 3]
    assert [run.xcom("one")["ID"], *run.xcom("many")] == keys
    assert len(running.calls("POST", "crm/Accounts")) - len(created) == 7
