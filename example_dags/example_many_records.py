"""
Create several accounts in one task, which can be retried, killed and cleared without creating one twice.

Runs unattended with the connection ``exact_online_default`` against the emulator; what it wrote is deleted. For a
division of yours, put its name into the trigger form: it writes to no other.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_exact.operators.records import ExactOnlineCreateOperator, ExactOnlineDeleteOperator

with DAG(
    "example_many_records",
    description="Create several accounts in Exact Online in one task, each once",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
    params={
        "division_name": Param(
            "Noorderlicht Techniek B.V.", type="string", description="Write only to a division of this name"
        ),
    },
) as dag:
    # [START create]
    create_accounts = ExactOnlineCreateOperator(
        task_id="create_accounts",
        endpoint="crm/Accounts",
        data=[
            {"Name": "Bakkerij De Ochtend", "SearchCode": "{{ run_id }} 1", "Country": "NL"},
            {"Name": "Fietsen Van Dam", "SearchCode": "{{ run_id }} 2", "Country": "NL"},
        ],
        verify="SearchCode",
        expected_division_name="{{ params.division_name }}",
        retries=2,
        retry_delay=timedelta(seconds=10),
    )
    # [END create]
    ExactOnlineDeleteOperator.partial(task_id="delete_account", endpoint="crm/Accounts", missing_ok=True).expand(
        primary_key=create_accounts.output
    )
