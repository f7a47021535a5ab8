"""Tasks that succeed, defer and fail in several ways, while everything is logged; run by tests/system."""

from __future__ import annotations

import logging

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.records import ExactOnlineCreateOperator, ExactOnlineListOperator
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

log = logging.getLogger(__name__)
ACCOUNTS = "crm/Accounts"
CUSTOMERS = {"Status": "C"}


@task
def tell(name: str) -> str:
    """Write something harmless in each of the ways in which a secret could get out."""
    print(name)
    log.debug("%s", name)
    return name


@task
def format_everything() -> None:
    """Format all that holds a token."""
    hook = ExactOnlineHook()
    client = hook.get_conn()
    token = client.tokens.get()
    for thing in (hook, vars(hook), hook.settings, client, client.tokens, token, hook.settings.grants()):
        log.debug("%r %s", thing, thing)
    raise ValueError(hook.settings, client, token, hook.settings.grants())


with DAG("secretive", schedule=None, params={"name": Param("Secretive", type="string")}, default_args={"retries": 0}):
    tell("{{ params.name }}")
    format_everything()
    ExactOnlineListOperator(task_id="list", endpoint=ACCOUNTS, filter=CUSTOMERS, select=["ID", "Name"], top=2)
    ExactOnlineCreateOperator(task_id="create_wrongly", endpoint=ACCOUNTS, data={"Nmae": "{{ params.name }}"})
    ExactOnlineListOperator(task_id="list_wrongly", endpoint=ACCOUNTS, filter="Nonsense eq 1")
    ExactOnlineRecordSensor(
        task_id="wait", endpoint=ACCOUNTS, filter={"Name": "{{ params.name }}"}, poke_interval=2, deferrable=True
    )
    for conn_id in ("exact_ended", "exact_wrong_secret", "exact_refused", "exact_nowhere"):
        ExactOnlineListOperator(
            task_id=conn_id, endpoint=ACCOUNTS, filter=CUSTOMERS, exact_online_conn_id=conn_id, top=1
        )
