"""Tasks that meet Exact's limits; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_provider_exact.operators.records import ExactOnlineListOperator

POOL = "one_slot"

with DAG("daily_limit", schedule=None, default_args={"retries": 0}):
    ExactOnlineListOperator(
        task_id="list",
        endpoint="project/WBSActivities",
        select=["ID"],
        max_records=10_000,
        pool=POOL,
        exact_online_conn_id="exact_daily_limit",
    )

with DAG("meanwhile", schedule=None):

    @task(pool=POOL)
    def work() -> str:
        return "done"

    work()

for many in (30, 200):
    # Tasks that wait for the next minute hold their slots. The other tests need some, too.
    with DAG(f"minute_limit_{many}", schedule=None, default_args={"retries": 0}, max_active_tasks=8):
        ExactOnlineListOperator.partial(
            task_id="list",
            endpoint="crm/Accounts",
            select=["ID"],
            top=1,
            exact_online_conn_id=f"exact_minute_limit_{many}",
        ).expand(filter=[f"Status eq 'C' and Name ne '{number}'" for number in range(many)])
