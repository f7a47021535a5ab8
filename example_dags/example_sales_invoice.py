"""
Make a sales invoice with two lines in one call, change one of the lines, and read the whole back.

Runs unattended with the connection ``exact_online_default``, also against the emulator. The invoice is deleted at the
end, its lines with it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)

INVOICES = "salesinvoice/SalesInvoices"
LINES = "salesinvoice/SalesInvoiceLines"
INVOICE_ID = "{{ ti.xcom_pull('create_invoice')['InvoiceID'] }}"

with DAG(
    "example_sales_invoice",
    description="Create a sales invoice with its lines in Exact Online, and change a line",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
    params={
        "journal": Param("70", type="string", description="Code of the sales journal"),
        "customer": Param(None, type=["null", "string"], description="GUID; empty: the first customer"),
        "item": Param(None, type=["null", "string"], description="GUID; empty: the first item that is sold"),
        "gl_account": Param(None, type=["null", "string"], description="GUID of the revenue account; empty: the first"),
    },
) as dag:

    @task
    def choose(params: dict[str, Any]) -> dict[str, str]:
        """Return whom the invoice is for and what is sold: what was chosen, or the first that Exact Online has."""
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        hook = ExactOnlineHook()

        def first(endpoint: str, **filter: Any) -> str:
            return str(next(hook.list_records(endpoint, filter=filter, select="ID", top=1))["ID"])

        return {
            "customer": params["customer"] or first("crm/Accounts", Status="C"),
            "item": params["item"] or first("logistics/Items", IsSalesItem=True),
            "gl_account": params["gl_account"] or first("financial/GLAccounts"),
        }

    chosen = choose()
    sold = {"Item": chosen["item"], "GLAccount": chosen["gl_account"]}

    # [START create]
    create_invoice = ExactOnlineCreateOperator(
        task_id="create_invoice",
        endpoint=INVOICES,
        data={
            "Journal": "{{ params.journal }}",
            "OrderedBy": chosen["customer"],
            "YourRef": "{{ run_id }}",
            "SalesInvoiceLines": [
                {**sold, "Description": "Advice in {{ dag_run.run_after.strftime('%B') }}", "Quantity": 2},
                {**sold, "Description": "Travel", "Quantity": 1, "NetPrice": 45},
            ],
        },
    )
    # [END create]

    # [START line]
    list_lines = ExactOnlineListOperator(
        task_id="list_lines",
        endpoint=LINES,
        filter={"InvoiceID": INVOICE_ID},
        select=["ID", "Description", "Quantity"],
        order_by="LineNumber",
    )
    update_line = ExactOnlineUpdateOperator(
        task_id="update_line",
        endpoint=LINES,
        primary_key="{{ ti.xcom_pull('list_lines')[0]['ID'] }}",
        data={"Quantity": 3},
    )
    # [END line]

    # [START whole]
    get_invoice = ExactOnlineGetOperator(
        task_id="get_invoice",
        endpoint=INVOICES,
        primary_key=INVOICE_ID,
        expand="SalesInvoiceLines",
    )
    # [END whole]

    @task
    def check(invoice: dict[str, Any]) -> list[str]:
        """Return what is on the invoice; stands for whatever comes next."""
        return [f"{line['Quantity']} {line['Description']}" for line in invoice["SalesInvoiceLines"]]

    delete_invoice = ExactOnlineDeleteOperator(
        task_id="delete_invoice", endpoint=INVOICES, primary_key=INVOICE_ID, missing_ok=True
    )

    create_invoice >> list_lines >> update_line >> get_invoice
    check(get_invoice.output) >> delete_invoice.as_teardown(setups=create_invoice)
