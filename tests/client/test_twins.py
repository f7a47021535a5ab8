from __future__ import annotations

import pytest

from airflow_provider_exact.client.catalogue import Endpoint, load, resolve
from airflow_provider_exact.client.twins import twins_of


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("crm/Accounts", ["sync/CRM/Accounts", "bulk/CRM/Accounts"]),
        ("bulk/CRM/Accounts", ["sync/CRM/Accounts", "crm/Accounts"]),
        ("project/TimeTransactions", ["sync/Project/TimeCostTransactions", "project/CostTransactions"]),
        (
            "financialtransaction/TransactionLines",
            ["sync/Financial/TransactionLines", "bulk/Financial/TransactionLines"],
        ),
        # Exact has retired sync/CRM/Quotations and sync/SalesOrder/SalesOrders for these.
        ("crm/Quotations", ["sync/CRM/QuotationHeaders", "bulk/CRM/Quotations"]),
        ("salesorder/SalesOrders", ["sync/SalesOrder/SalesOrderHeaders", "bulk/SalesOrder/SalesOrders"]),
        # Of employees and of customers: not the same bank accounts.
        ("sync/Payroll/BankAccounts", []),
        ("sync/Deleted", []),
        ("current/Me", []),
    ],
)
def test_endpoints_of_the_same_records_find_each_other(path, others):
    endpoint = resolve(path)
    assert [twin.path for twin in twins_of(endpoint).others(endpoint)] == others


def test_each_twin_knows_the_one_that_knows_it():
    for endpoint in load().values():
        for twin in twins_of(endpoint).others(endpoint):
            if endpoint.is_listed:
                assert endpoint in twins_of(twin).others(twin), (endpoint.path, twin.path)


def test_an_endpoint_that_nobody_knows_has_no_twins():
    assert twins_of(Endpoint("crm/AccountsV2")).others(Endpoint("crm/AccountsV2")) == []
