"""Which endpoint is read, with which columns, and why."""

from __future__ import annotations

import pytest

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.sources import make_plan


def plan(endpoint, **options):
    return make_plan(endpoint, division=1, **options)


@pytest.mark.parametrize(
    ("endpoint", "options", "source"),
    [
        ("crm/Accounts", {}, "sync/CRM/Accounts"),
        ("crm/accounts", {"select": "ID,Name", "mode": "incremental"}, "sync/CRM/Accounts"),
        # Sync endpoints can't be filtered; the bulk one can.
        ("crm/Accounts", {"filter": {"Status": "C"}}, "bulk/CRM/Accounts"),
        # A field that the sync one lacks, and one that both lack.
        ("logistics/Items", {"select": "ID,StandardSalesPrice"}, "bulk/Logistics/Items"),
        ("salesinvoice/SalesInvoices", {"select": "ShippingMethod"}, "bulk/SalesInvoice/SalesInvoices"),
        ("project/TimeTransactions", {"select": "Activity"}, "project/TimeTransactions"),
        ("crm/Accounts", {"prefer": "plain", "select": "ID"}, "crm/Accounts"),
        ("crm/Accounts", {"prefer": "bulk"}, "bulk/CRM/Accounts"),
        # One sync endpoint for hours and costs, which tells them apart.
        ("project/CostTransactions", {}, "sync/Project/TimeCostTransactions"),
        # One for three endpoints, which does not.
        ("project/WBSActivities", {}, "project/WBSActivities"),
        # Their sync endpoint has a record for each line.
        ("salesinvoice/SalesInvoices", {}, "bulk/SalesInvoice/SalesInvoices"),
        ("purchaseorder/PurchaseOrders", {}, "purchaseorder/PurchaseOrders"),
        # Whoever names a twin means it.
        ("bulk/CRM/Accounts", {}, "bulk/CRM/Accounts"),
        ("sync/SalesInvoice/SalesInvoices", {"mode": "incremental"}, "sync/SalesInvoice/SalesInvoices"),
        ("financial/Journals", {"mode": "incremental"}, "financial/Journals"),
    ],
)
def test_the_source_with_the_fewest_calls_that_serves_is_chosen(endpoint, options, source):
    made = plan(endpoint, **options)
    assert made.source.path == source
    assert made.why.startswith(f"{source}, ")


def test_why_a_twin_does_not_serve_is_told():
    assert "it has no Activity; Activity is called WBS there" in plan("project/TimeTransactions", select="Activity").why
    assert "it lists lines" in plan("salesinvoice/SalesInvoices").why


def test_what_the_copy_needs_comes_along():
    names = [column.name for column in plan("project/TimeTransactions", select="Notes").columns]
    assert names == ["ID", "Type", "Timestamp", "Notes"]
    names = [column.name for column in plan("financial/Journals", select="Code", mode="incremental").columns]
    assert names == ["ID", "Modified", "Code"]
    assert [column.name for column in plan("financial/Journals", select="Code").columns] == ["ID", "Code"]


def test_changes_are_told_by_modified_when_it_is_among_the_columns():
    assert plan("financial/Journals", select="Code", mode="incremental").by == "Modified"
    assert plan("financial/Journals", select="Code,Modified").by == "Modified"
    assert plan("financial/Journals", select="Code").by is None


def test_rows_that_were_not_asked_for_are_told_apart():
    assert plan("project/TimeTransactions").only == (("Type", 1),)
    assert plan("project/CostTransactions").only == (("Type", 2),)
    assert plan("sync/Project/TimeCostTransactions").only == ()


@pytest.mark.parametrize(
    ("endpoint", "key", "number"),
    [
        ("crm/Accounts", ("ID",), 2),
        ("salesorder/GoodsDeliveries", ("EntryID",), 16),
        ("sync/Financial/SalesEntries", ("ID",), None),
        ("sync/SalesInvoice/SalesInvoices", ("ID",), 13),
    ],
)
def test_the_key_and_the_number_of_deletions_are_known(endpoint, key, number):
    made = plan(endpoint, mode="incremental")
    assert (made.key, made.deletions) == (key, number)


def test_an_endpoint_that_demands_a_filter_gets_one_that_all_records_meet():
    assert plan("logistics/Items", select="ID,StandardSalesPrice").filter == "Modified ge datetime'1900-01-01T00:00:00'"
    assert plan("logistics/Items", select="ID,StandardSalesPrice", filter="Code eq 'a'").filter == "Code eq 'a'"


@pytest.mark.parametrize(
    ("endpoint", "options", "words"),
    [
        ("crm/Accounts", {"mode": "daily"}, "mode: expected 'full' or 'incremental'"),
        ("crm/Accounts", {"prefer": "fast"}, "prefer: expected one of sync, bulk, plain"),
        ("project/Projects", {"prefer": "bulk"}, "prefer: project/Projects has no bulk endpoint, only sync and plain"),
        ("salesinvoice/SalesInvoices", {"prefer": "sync"}, "it lists lines, not whole records"),
        ("crm/Accounts", {"select": "Nam"}, "select: crm/Accounts has no field 'Nam'. Did you mean Name"),
        ("crm/Acounts", {}, "Did you mean crm/Accounts"),
        ("read/financial/JournalStatusList", {"mode": "incremental"}, "extract it with mode='full'"),
        ("read/project/HoursById", {}, "is a function"),
        ("project/Projects", {"types": {"Notes": "Text"}}, "types: Notes can't be 'Text'"),
        ("crm/Accounts", {"types": "{'Name': 'String'}"}, "types: expected a dict of Edm types by field"),
        ("crm/Accounts", {"types": ["Name"]}, "types: expected a dict of Edm types by field"),
    ],
)
def test_what_can_not_be_is_refused_before_any_call(endpoint, options, words):
    with pytest.raises(ExactRequestError) as refused:
        plan(endpoint, **options)
    assert words in str(refused.value)
