"""Tasks that meet the faults which must never cost anything; run by tests/system."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_exact.operators.records import ExactOnlineCreateOperator, ExactOnlineListOperator

with DAG(
    "provoked",
    schedule=None,
    params={"name": Param("Provoked", type="string")},
    default_args={"retries": 2, "retry_delay": timedelta(0)},
):
    ExactOnlineCreateOperator(
        task_id="create_without_an_answer", endpoint="crm/Accounts", data={"Name": "{{ params.name }}"}
    )
    ExactOnlineListOperator(task_id="list_pages", endpoint="project/WBSActivities", max_records=10_000)
