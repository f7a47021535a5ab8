"""Every operator, and the sensor where it finds at once what it waits for; run by tests/system."""

from __future__ import annotations

from airflow.sdk import DAG, Param, chain

from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)
from airflow_provider_exact.operators.time_transactions import (
    ExactOnlineCreateTimeTransactionOperator,
    ExactOnlineUpdateTimeTransactionOperator,
)
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

ACCOUNTS = "crm/Accounts"
HOURS = "project/TimeTransactions"


def of(task_id: str, field: str, index: str = "") -> str:
    return f"{{{{ ti.xcom_pull('{task_id}'){index}['{field}'] }}}}"


with DAG(
    "every_operator",
    schedule=None,
    params={"name": Param("Every operator", type="string")},
    default_args={"retries": 0},
):
    account_id = of("create_account", "ID")
    create_account = ExactOnlineCreateOperator(
        task_id="create_account", endpoint=ACCOUNTS, data={"Name": "{{ params.name }}", "Status": "C"}
    )
    update_account = ExactOnlineUpdateOperator(
        task_id="update_account", endpoint=ACCOUNTS, primary_key=account_id, data={"City": "Groningen"}
    )
    get_account = ExactOnlineGetOperator(task_id="get_account", endpoint=ACCOUNTS, primary_key=account_id)
    list_accounts = ExactOnlineListOperator(
        task_id="list_accounts",
        endpoint=ACCOUNTS,
        filter={"Name": "{{ params.name }}"},
        select=["ID", "Name", "City"],
        order_by="Name",
    )
    wait_for_account = ExactOnlineRecordSensor(
        task_id="wait_for_account",
        endpoint=ACCOUNTS,
        primary_key=account_id,
        condition={"City": "Groningen"},
        select="City",
    )
    delete_account = ExactOnlineDeleteOperator(task_id="delete_account", endpoint=ACCOUNTS, primary_key=account_id)
    delete_account_again = ExactOnlineDeleteOperator(
        task_id="delete_account_again", endpoint=ACCOUNTS, primary_key=account_id, missing_ok=True
    )
    chain(
        create_account,
        update_account,
        get_account,
        list_accounts,
        wait_for_account,
        delete_account,
        delete_account_again,
    )

    hours_id = of("create_hours", "ID")
    pick_project = ExactOnlineListOperator(
        task_id="pick_project", endpoint="project/Projects", filter="Type eq 3", select="ID", top=1
    )
    pick_item = ExactOnlineListOperator(
        task_id="pick_item", endpoint="logistics/Items", filter={"IsTime": 1}, select="ID", top=1
    )
    create_hours = ExactOnlineCreateTimeTransactionOperator(
        task_id="create_hours",
        project=of("pick_project", "ID", "[0]"),
        item=of("pick_item", "ID", "[0]"),
        quantity=2,
        notes="{{ params.name }}",
        hour_status="draft",
    )
    update_hours = ExactOnlineUpdateTimeTransactionOperator(
        task_id="update_hours", time_transaction_id=hours_id, quantity=3, hour_status="submitted"
    )
    wait_for_hours = ExactOnlineRecordSensor(
        task_id="wait_for_hours",
        endpoint=HOURS,
        filter={"Notes": "{{ params.name }}", "Quantity": (">", 2)},
        mode="reschedule",
        select=["Quantity"],
    )
    delete_hours = ExactOnlineDeleteOperator(task_id="delete_hours", endpoint=HOURS, primary_key=hours_id)
    chain([pick_project, pick_item], create_hours, update_hours, wait_for_hours, delete_hours)
