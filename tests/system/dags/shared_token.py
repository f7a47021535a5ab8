"""Many tasks and triggers that use one token at the same moment; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

ACCOUNTS = "crm/Accounts"


@task(retries=0)
def ask(number: int) -> str:
    """Ask who is signed in: the smallest call that needs a token."""
    return f"{number} {ExactOnlineHook().get_me()['UserName']}"


for many in (12, 24, 64):
    with DAG(f"ask_{many}", schedule=None, max_active_tasks=many):
        ask.expand(number=list(range(many)))

for many in (12, 100):
    with DAG(f"await_{many}", schedule=None, max_active_tasks=many, params={"name": Param("Awaited", type="string")}):
        ExactOnlineRecordSensor.partial(
            task_id="wait", endpoint=ACCOUNTS, poke_interval=6, timeout=900, deferrable=True, retries=0
        ).expand(filter=[f"Name eq '{{{{ params.name }}}}' and Name ne '{number}'" for number in range(many)])
