"""
Read and write any endpoint, and do one task for each record of a list.

Runs unattended with the connection ``exact_online_default``, also against the emulator. The account that it writes is
deleted at the end.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

with DAG(
    "example_records",
    description="List, get, create, update and delete records of any endpoint in Exact Online",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
) as dag:
    # [START mapping]
    list_projects = ExactOnlineListOperator(
        task_id="list_projects",
        endpoint="project/Projects",
        filter={"BlockEntry": False},
        select=["ID", "Code", "Description"],
        order_by="Code",
        top=3,
    )

    get_project = ExactOnlineGetOperator.partial(
        task_id="get_project",
        endpoint="project/Projects",
        select=["Code", "Description", "AccountName", "ManagerFullname"],
        map_index_template="{{ task.primary_key }}",
    ).expand(primary_key=list_projects.output.map(lambda project: project["ID"]))
    # [END mapping]

    # [START stream]
    @task
    def sum_hours(projects: list[dict[str, Any]]) -> dict[str, float]:
        """Return the hours of each project: every entry passes through, one page at a time is in memory."""
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        hours = {project["Code"]: 0.0 for project in projects}
        entries = ExactOnlineHook().list_records(
            "project/TimeTransactions",
            filter={"Project": [project["ID"] for project in projects]},
            select=["ProjectCode", "Quantity"],
        )
        for entry in entries:
            hours[entry["ProjectCode"]] += entry["Quantity"]
        return hours

    # [END stream]

    # [START min_records]
    wait_for_entries = ExactOnlineRecordSensor(
        task_id="wait_for_entries",
        endpoint="project/TimeTransactions",
        filter={"Quantity": (">", 0)},
        min_records=3,
        select=["Date", "Quantity"],
        mode="reschedule",
        poke_interval=60,
        timeout=3600,
    )
    # [END min_records]

    # [START write]
    create_account = ExactOnlineCreateOperator(
        task_id="create_account",
        endpoint="crm/Accounts",
        data={"Name": "Airflow {{ run_id }}", "Country": "NL", "Status": "C"},
    )
    update_account = ExactOnlineUpdateOperator(
        task_id="update_account",
        endpoint="crm/Accounts",
        primary_key="{{ ti.xcom_pull('create_account')['ID'] }}",
        data={"City": "Groningen"},
    )
    delete_account = ExactOnlineDeleteOperator(
        task_id="delete_account",
        endpoint="crm/Accounts",
        primary_key="{{ ti.xcom_pull('create_account')['ID'] }}",
        missing_ok=True,
    )
    # [END write]

    @task
    def check(account: dict[str, Any], projects: list[dict[str, Any]]) -> str:
        """Say what was read and written; stands for whatever comes next."""
        return f"{account['City']}: {', '.join(str(project['Code']) for project in projects)}"

    wait_for_entries >> sum_hours(list_projects.output)
    create_account >> update_account
    check(update_account.output, get_project.output) >> delete_account.as_teardown(setups=create_account)
