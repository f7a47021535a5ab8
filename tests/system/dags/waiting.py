"""The sensor in its three ways to wait, each for an account of its own; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

WAYS = {
    "poke": {"mode": "poke", "poke_interval": 2},
    # A task that comes back before the scheduler has seen it leave is taken for a failed one.
    "reschedule": {"mode": "reschedule", "poke_interval": 20},
    "deferrable": {"deferrable": True, "poke_interval": 2},
}

with DAG("waiting", schedule=None, params={"name": Param("Waiting", type="string")}):
    for way, arguments in WAYS.items():
        ExactOnlineRecordSensor(
            task_id=way,
            endpoint="crm/Accounts",
            filter={"Name": f"{{{{ params.name }}}} {way}"},
            select=["Name"],
            timeout=900,
            **arguments,
        )

with DAG("deferring", schedule=None, params={"name": Param("Deferring", type="string")}):
    ExactOnlineRecordSensor(
        task_id="wait",
        endpoint="crm/Accounts",
        filter={"Name": "{{ params.name }}"},
        poke_interval=1,
        timeout=900,
        deferrable=True,
    )
