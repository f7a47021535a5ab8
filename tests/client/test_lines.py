"""Lines on their way to Exact with their header: checked like records of their own, named by where they stand."""

from __future__ import annotations

from datetime import date

import pytest

from airflow_provider_exact.client.catalogue import load, resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.lines import lines_of
from airflow_provider_exact.client.validation import check_record

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
INVOICES = resolve("salesinvoice/SalesInvoices")
DELIVERIES = resolve("salesorder/GoodsDeliveries")
LINE = {"Item": GUID, "GLAccount": GUID}


def invoice(*lines, **fields):
    return {"Journal": "70", "OrderedBy": GUID, "SalesInvoiceLines": list(lines), **fields}


def test_lines_are_written_by_the_types_of_their_own_endpoint():
    line = {**LINE, "quantity": "2.50", "DeliveryDate": date(2026, 1, 31), "Notes": "n"}
    sent = check_record(INVOICES, invoice(line), method="POST")
    [written] = sent["SalesInvoiceLines"]
    assert str(written.pop("Quantity")) == "2.50"
    assert written == {**LINE, "DeliveryDate": "2026-01-31T00:00:00", "Notes": "n"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([LINE, LINE, {**LINE, "Item": "x"}], r"SalesInvoiceLines\[2\]\.Item: expected a GUID"),
        ([LINE, {**LINE, "Quantitty": 1}], r"data: SalesInvoiceLines\[1\]: .*'Quantitty'.*Did you mean Quantity"),
        ([{"GLAccount": GUID}], r"data: SalesInvoiceLines\[0\]: salesinvoice/SalesInvoiceLines needs Item"),
        ([{**LINE, "ItemCode": "x"}], r"SalesInvoiceLines\[0\]\.ItemCode .*read-only"),
        ([{**LINE, "item": GUID}], r"data: SalesInvoiceLines\[0\]: Item is there twice"),
        ([LINE, {}], r"data: SalesInvoiceLines\[1\]: expected a dict of fields of salesinvoice/SalesInvoiceLines"),
        (["x"], r"data: SalesInvoiceLines\[0\]: expected a dict"),
    ],
)
def test_a_line_that_exact_would_refuse_is_named_by_its_place(lines, words):
    with pytest.raises(ExactRequestError, match=words):
        check_record(INVOICES, invoice(*lines), method="POST")


@pytest.mark.parametrize("lines", [None, [], ()])
def test_a_header_that_needs_lines_says_so(lines):
    header = {"Journal": "70", "OrderedBy": GUID, "SalesInvoiceLines": lines}
    with pytest.raises(ExactRequestError, match="needs SalesInvoiceLines.*a list of dicts.*SalesInvoiceLines"):
        check_record(INVOICES, header, method="POST")


@pytest.mark.parametrize("lines", [LINE, "[]", 1, {"results": [LINE]}])
def test_lines_that_are_no_list_are_refused(lines):
    with pytest.raises(ExactRequestError, match="SalesInvoiceLines takes a list of dicts"):
        check_record(INVOICES, invoice(SalesInvoiceLines=lines), method="POST")


def test_lines_have_lines_of_their_own():
    line = {"SalesOrderLineID": GUID, "QuantityDelivered": 2, "SerialNumbers": [{"SerialNumber": "S-1"}]}
    header = {"DeliveryDate": "2026-01-31T00:00:00", "GoodsDeliveryLines": [line]}
    assert check_record(DELIVERIES, header, method="POST") == header
    line["SerialNumbers"].append({"SerialNumber": 2})
    place = r"GoodsDeliveryLines\[0\]\.SerialNumbers\[1\]\.SerialNumber: expected text"
    with pytest.raises(ExactRequestError, match=place):
        check_record(DELIVERIES, header, method="POST")


def test_lines_without_an_endpoint_that_writes_take_the_fields_it_reads():
    vat = resolve("vat/VATCodes")
    rate = {"Percentage": 0.21, "StartDate": "2026-01-01"}
    needed = {"Code": "9", "Description": "High"}
    sent = check_record(vat, {**needed, "VATPercentages": [rate]}, method="POST")
    assert sent["VATPercentages"] == [{"Percentage": 0.21, "StartDate": "2026-01-01T00:00:00"}]
    assert check_record(vat, {"VATPercentages": [rate]}, method="PUT")["VATPercentages"]


def test_lines_are_not_changed_with_their_header_but_through_their_endpoint():
    with pytest.raises(ExactRequestError, match="through salesinvoice/SalesInvoiceLines, .* POST, PUT, DELETE"):
        check_record(INVOICES, {"SalesInvoiceLines": [LINE]}, method="PUT")


def test_a_list_of_ids_that_is_no_endpoint_goes_through():
    orders = resolve("salesinvoice/InvoiceSalesOrders")
    sent = {"CreateMode": 1, "EndDate": "2026-01-31", "StartDate": "2026-01-01", "InvoiceMode": 1, "JournalCode": "70"}
    lines = [{"ID": GUID}]
    assert check_record(orders, {**sent, "SalesOrderIDs": lines}, method="POST")["SalesOrderIDs"] == lines


def test_every_list_of_lines_but_those_of_ids_leads_to_an_endpoint():
    unknown = {
        prop.name
        for endpoint in load().values()
        for prop in endpoint.properties
        if prop.is_collection and "c" in prop.access and lines_of(endpoint, prop) is None
    }
    assert unknown == {"PaymentIDs", "OptionalQuotationLineIDs", "SalesOrderIDs"}
