"""Headers with lines through the operators, against the emulator."""

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)
from airflow_provider_exact.operators.upsert import ExactOnlineUpsertOperator

INVOICES = "salesinvoice/SalesInvoices"
LINES = "salesinvoice/SalesInvoiceLines"


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def first(endpoint, **filter):
    return run(ExactOnlineListOperator(task_id="one", endpoint=endpoint, filter=filter, select="ID", top=1))[0]["ID"]


@pytest.fixture
def invoice(connection):
    line = {"Item": first("logistics/Items", IsTime=1), "GLAccount": first("financial/GLAccounts")}
    header = {"Journal": "70", "OrderedBy": first("crm/Accounts", Status="C")}
    return {**header, "SalesInvoiceLines": [{**line, "Quantity": "{{ params.hours }}"}, {**line, "Quantity": 1}]}


def lines_of(invoice_id):
    wanted = {"filter": {"InvoiceID": invoice_id}, "select": ["ID", "Quantity"], "order_by": "Quantity desc"}
    return run(ExactOnlineListOperator(task_id="lines", endpoint=LINES, **wanted))


def test_an_invoice_and_its_lines_are_one_call_and_a_line_is_changed_by_itself(connection, invoice):
    create = ExactOnlineCreateOperator(task_id="create", endpoint=INVOICES, data=invoice)
    made = run(create, params={"hours": 7.5})
    assert connection.count(method="POST", endpoint=INVOICES, status=201) == 1
    lines = lines_of(made["InvoiceID"])
    assert [line["Quantity"] for line in lines] == [7.5, 1]

    key = lines[0]["ID"]
    run(ExactOnlineUpdateOperator(task_id="line", endpoint=LINES, primary_key=key, data={"Quantity": 8}))
    run(ExactOnlineUpdateOperator(task_id="u", endpoint=INVOICES, primary_key=made["InvoiceID"], data={"Remarks": "r"}))
    assert [line["Quantity"] for line in lines_of(made["InvoiceID"])] == [8, 1]
    whole = {"endpoint": INVOICES, "primary_key": made["InvoiceID"], "expand": "SalesInvoiceLines"}
    read = run(ExactOnlineGetOperator(task_id="whole", **whole))
    assert (read["Remarks"], sorted(line["Quantity"] for line in read["SalesInvoiceLines"])) == ("r", [1, 8])


def test_what_is_wrong_with_a_line_is_found_before_the_call(connection, invoice):
    invoice["SalesInvoiceLines"][1]["Quantity"] = "many"
    create = ExactOnlineCreateOperator(task_id="create", endpoint=INVOICES, data=invoice)
    with pytest.raises(AirflowFailException, match=r"SalesInvoiceLines\[1\]\.Quantity"):
        run(create, params={"hours": 1})
    update = ExactOnlineUpdateOperator(task_id="u", endpoint=INVOICES, primary_key="0" * 32, data=invoice)
    with pytest.raises(AirflowFailException, match=LINES):
        run(update, params={"hours": 1})
    assert connection.count(method="POST") + connection.count(method="PUT") == 0


def test_an_upsert_creates_the_lines_with_their_header_and_then_leaves_them(connection, invoice, caplog):
    def upsert(**fields):
        data = {**invoice, "YourRef": "R-1", **fields}
        return ExactOnlineUpsertOperator(task_id="upsert", endpoint=INVOICES, data=data, match="YourRef")

    made = run(upsert(), params={"hours": 7.5})
    assert LINES not in caplog.text
    again = run(upsert(Remarks="r"), params={"hours": 8})
    assert (again["InvoiceID"], again["Remarks"]) == (made["InvoiceID"], "r")
    assert [line["Quantity"] for line in lines_of(made["InvoiceID"])] == [7.5, 1]
    assert f"SalesInvoiceLines of {INVOICES} {{'YourRef': 'R-1'}} are left as they are" in caplog.text
    assert f"written through {LINES}" in caplog.text
