from __future__ import annotations

import pytest

from airflow_provider_exact.client.catalogue import Endpoint, resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.time_transactions import hour_status
from airflow_provider_exact.client.validation import check_method, check_record

HOURS = resolve("project/TimeTransactions")
GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
WHOLE = {"Item": GUID, "Quantity": 1, "Project": GUID}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Quantitty": 1}, "Quantitty.*Did you mean Quantity"),
        ({"Item": None}, "needs Item"),
        ({"Item": None, "Quantity": None}, "needs Item and Quantity"),
        ({"Project": None}, "one of Account, Project, Subscription"),
        ({"Quantity": "much"}, "Quantity: expected a number"),
        ({"AccountName": "A"}, "AccountName.*read-only"),
        ({"HourStatus": 20}, "HourStatus: 20 .final. is set by Exact"),
        ({"HourStatus": "done"}, "HourStatus: 'done' is not a status.*10 submitted"),
        ({"quantity": 2}, "Quantity is there twice"),
    ],
)
def test_a_new_transaction_that_exact_would_refuse_is_refused_before_the_call(change, words):
    with pytest.raises(ExactRequestError, match=words):
        check_record(HOURS, {**WHOLE, **change}, method="POST")


def test_a_change_needs_only_what_changes():
    assert check_record(HOURS, {"notes": "n", "HourStatus": "submitted"}, method="PUT") == {
        "Notes": "n",
        "HourStatus": 10,
    }


@pytest.mark.parametrize(("method", "data"), [("PUT", {}), ("POST", WHOLE)])
def test_a_status_cannot_be_emptied(method, data):
    with pytest.raises(ExactRequestError, match="HourStatus: None is not a status"):
        check_record(HOURS, {**data, "HourStatus": None}, method=method)


def test_a_change_cannot_empty_what_is_mandatory():
    with pytest.raises(ExactRequestError, match="Quantity.*emptied"):
        check_record(HOURS, {"Quantity": None}, method="PUT")


@pytest.mark.parametrize("data", [None, {}, [], "x"])
def test_nothing_to_send_is_refused(data):
    with pytest.raises(ExactRequestError, match="data"):
        check_record(HOURS, data, method="PUT")


def test_an_endpoint_outside_the_catalogue_takes_any_field():
    assert check_record(Endpoint("crm/Novelties"), {"Any": 1}, method="POST") == {"Any": 1}


@pytest.mark.parametrize(("value", "number"), [("Draft", 1), (1, 1), ("10", 10), ("submitted", 10), (" rejected ", 2)])
def test_a_status_is_written_by_name_or_number(value, number):
    assert hour_status(value) == number


@pytest.mark.parametrize("value", [True, 0, "final", 14, None, ""])
def test_a_status_that_cannot_be_written_is_refused(value):
    with pytest.raises(ExactRequestError, match="1 draft, 2 rejected, 10 submitted"):
        hour_status(value)


def test_a_method_that_an_endpoint_does_not_take_is_refused():
    with pytest.raises(ExactRequestError, match="takes GET"):
        check_method(resolve("sync/CRM/Accounts"), "DELETE")
    check_method(Endpoint("crm/Novelties"), "DELETE")
