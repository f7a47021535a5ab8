"""Tasks that meet Exact's limits; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_exact.operators.records import ExactOnlineListOperator

POOL = "one_slot"

with DAG("daily_limit", schedule=None, default_args={"retries": 0}):
    ExactOnlineListOperator(
        task_id="list", endpoint="project/WBSActivities", select=["ID"], max_records=10_000, pool=POOL
    )

with DAG("meanwhile", schedule=None):

    @task(pool=POOL)
    def work() -> str:
        return "done"

    work()

with DAG("minute_limit", schedule=None, default_args={"retries": 0}, max_active_tasks=200):
    ExactOnlineListOperator.partial(task_id="list", endpoint="crm/Accounts", select=["ID"], top=1).expand(
        filter=[f"Status eq 'C' and Name ne '{number}'" for number in range(200)]
    )
