"""The sensor in its three ways to wait, each for an account of its own; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

WAYS = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}

with DAG("waiting", schedule=None, params={"name": Param("Waiting", type="string")}):
    for way, arguments in WAYS.items():
        ExactOnlineRecordSensor(
            task_id=way,
            endpoint="crm/Accounts",
            filter={"Name": f"{{{{ params.name }}}} {way}"},
            select=["Name"],
            poke_interval=2,
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
