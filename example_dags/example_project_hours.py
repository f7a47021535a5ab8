"""
Write an hour entry on a project, wait for it, find it, change it, and take it away again.

Runs unattended with the connection ``exact_online_default``, also against the emulator. What it wrote is deleted even
when a step in between fails.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.operators.records import (
    ExactOnlineDeleteOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
)
from airflow_provider_exact.operators.time_transactions import (
    ExactOnlineCreateTimeTransactionOperator,
    ExactOnlineUpdateTimeTransactionOperator,
)
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

HOURS = "project/TimeTransactions"

# Every endpoint whose records can be listed without saying more than how many.
LISTED = [
    endpoint.path
    for endpoint in catalogue.load().values()
    if "GET" in endpoint.methods
    and endpoint.is_listed
    and not (endpoint.is_function or endpoint.filter_mandatory or endpoint.select_required)
]

with DAG(
    "example_project_hours",
    description="Create, wait for, list, update, get and delete project hours in Exact Online",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
    # [START params]
    params={
        "endpoint": Param(HOURS, enum=LISTED, title="Service / Endpoint", description="What to read"),
        "project": Param(None, type=["null", "string"], description="GUID; empty: a project open for entries"),
        "item": Param(None, type=["null", "string"], description="GUID of the hour type; empty: the first one"),
        "hours": Param(2, type="number", exclusiveMinimum=0, maximum=24),
    },
    # [END params]
) as dag:

    @task
    def choose_project_and_item(params: dict[str, Any]) -> dict[str, str]:
        """Return the project and hour type that were chosen, or the first that Exact Online has."""
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        hook = ExactOnlineHook()

        def first(endpoint: str, **wanted: Any) -> str:
            for record in hook.list_records(endpoint, filter=wanted, select=["ID"], top=1):
                return record["ID"]
            msg = f"{endpoint} has no record with {wanted}: choose one in the params."
            raise LookupError(msg)

        return {
            "project": params["project"] or first("project/Projects", BlockEntry=False),
            "item": params["item"] or first("logistics/Items", IsTime=1),
        }

    chosen = choose_project_and_item()

    # [START create]
    create = ExactOnlineCreateTimeTransactionOperator(
        task_id="create_hours",
        project=chosen["project"],
        item=chosen["item"],
        quantity="{{ params.hours }}",
        date="{{ dag_run.run_after | ds }}",
        notes="Written by Airflow, run {{ run_id }}",
        hour_status="draft",
    )
    # [END create]

    # [START sensor]
    wait = ExactOnlineRecordSensor(
        task_id="wait_for_hours",
        endpoint=HOURS,
        primary_key="{{ ti.xcom_pull('create_hours')['ID'] }}",
        condition={"HourStatus": 1},
        select=["HourStatus", "Quantity"],
        deferrable=True,
        poke_interval=30,
        timeout=600,
    )
    # [END sensor]

    # [START list]
    list_hours = ExactOnlineListOperator(
        task_id="list_hours",
        endpoint=HOURS,
        filter={"Project": chosen["project"], "Date": (">=", "{{ dag_run.run_after | ds }}")},
        select=["ID", "Date", "Quantity", "ItemDescription", "HourStatus", "Notes"],
        order_by="Date desc",
    )
    # [END list]

    # [START read_any]
    read_endpoint = ExactOnlineListOperator(
        task_id="read_endpoint",
        endpoint="{{ params.endpoint }}",
        top=5,
    )
    # [END read_any]

    # [START update]
    update = ExactOnlineUpdateTimeTransactionOperator(
        task_id="update_hours",
        time_transaction_id="{{ ti.xcom_pull('create_hours')['ID'] }}",
        notes="Checked by Airflow",
        hour_status="submitted",
    )
    # [END update]

    # [START get]
    get = ExactOnlineGetOperator(
        task_id="get_hours",
        endpoint=HOURS,
        primary_key="{{ ti.xcom_pull('create_hours')['ID'] }}",
        select=["ID", "ProjectDescription", "ItemDescription", "Quantity", "HourStatus", "Notes"],
    )
    # [END get]

    # [START delete]
    delete = ExactOnlineDeleteOperator(
        task_id="delete_hours",
        endpoint=HOURS,
        primary_key="{{ ti.xcom_pull('create_hours')['ID'] }}",
        # A try that deleted the entry and then failed is followed by one that finds nothing.
        missing_ok=True,
        retries=2,
        retry_delay=timedelta(seconds=10),
    )
    # [END delete]

    create >> wait >> [list_hours, read_endpoint] >> update >> get
    get >> delete.as_teardown(setups=create, on_failure_fail_dagrun=True)
