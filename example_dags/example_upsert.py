"""
Bring customers over from another system: those that Exact Online knows are updated, the others created.

Runs unattended with the connection ``exact_online_default``, also against the emulator. Running it again creates no
customer twice; the first of them is deleted at the end.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_exact.operators.records import (
    ExactOnlineDeleteOperator,
    ExactOnlineFunctionOperator,
    ExactOnlineGetOperator,
)
from airflow_provider_exact.operators.upsert import ExactOnlineUpsertOperator

with DAG(
    "example_upsert",
    description="Create or update customers in Exact Online, and look one up by its code",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
) as dag:

    @task
    def customers() -> list[dict[str, Any]]:
        """Return what another system knows; stands for a query or a file."""
        return [
            {"Code": "90001", "Name": "Bakkerij Wadloper", "City": "Assen", "Status": "C"},
            {"Code": "90002", "Name": "Rijwielhandel De Zwaan", "City": "Emmen", "Status": "C"},
        ]

    # [START upsert]
    upsert = ExactOnlineUpsertOperator(
        task_id="upsert_customers",
        endpoint="crm/Accounts",
        data=customers(),
        match="Code",
        retries=3,
    )
    # [END upsert]

    # [START get_by_code]
    get = ExactOnlineGetOperator(
        task_id="get_customer",
        endpoint="crm/Accounts",
        match={"Code": "90001"},
        select=["ID", "Name", "City"],
    )
    # [END get_by_code]

    # [START function]
    count_documents = ExactOnlineFunctionOperator(
        task_id="count_documents",
        endpoint="read/crm/AccountDocumentsCount",
        parameters={
            "accountId": "{{ ti.xcom_pull('get_customer')['ID'] }}",
            "searchText": "",
            "useFullTextSearch": False,
        },
    )
    # [END function]

    delete = ExactOnlineDeleteOperator(
        task_id="delete_customer",
        endpoint="crm/Accounts",
        primary_key="{{ ti.xcom_pull('get_customer')['ID'] }}",
        missing_ok=True,
    )

    upsert >> get >> count_documents >> delete
