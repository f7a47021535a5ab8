"""Functions against the emulator: parameters with literals by type, and what is refused before the call."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from airflow_provider_exact.client.catalogue import Endpoint, resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.functions import parameter_texts

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("path", "given", "texts"),
    [
        ("read/project/HoursByDate", {"CHECKDATE": "2026-01-05"}, {"checkDate": "datetime'2026-01-05T00:00:00'"}),
        (
            "read/project/ProjectWBSByProjectAndWBS",
            {"projectId": GUID, "projectWBSId": UUID(GUID), "wbsType": "2"},
            {"projectId": f"guid'{GUID}'", "projectWBSId": f"guid'{GUID}'", "wbsType": "2"},
        ),
        (
            "read/crm/AccountDocuments",
            {"accountId": GUID, "searchText": "it's", "useFullTextSearch": "True"},
            {"accountId": f"guid'{GUID}'", "searchText": "'it''s'", "useFullTextSearch": "true"},
        ),
        # Parameters that are not known go by what the value is.
        (
            "read/logistics/SalesItemPrice",
            {
                "itemId": GUID,
                "on": date(2026, 1, 5),
                "n": 3,
                "q": Decimal("1.5"),
                "b": "7L",
                "when": "datetime'2026'",
            },
            {
                "itemId": f"guid'{GUID}'",
                "on": "datetime'2026-01-05T00:00:00'",
                "n": "3",
                "q": "1.5",
                "b": "7L",
                "when": "datetime'2026'",
            },
        ),
        ("read/project/HourTypes", None, {}),
        ("read/project/RecentHours", {}, {}),
    ],
)
def test_parameters_are_written_with_literals_by_type(path, given, texts):
    assert parameter_texts(resolve(path), given) == texts


def test_a_function_that_exact_may_have_added_takes_any_parameters():
    assert parameter_texts(Endpoint("read/crm/Novelties"), {"a": "b"}) == {"a": "'b'"}


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("read/project/HoursByDate", {"chekDate": "2026-01-05"}, "no 'chekDate'. Did you mean checkDate.*DateTime"),
        ("read/project/HoursByDate", None, "needs checkDate. It takes checkDate"),
        ("read/project/HoursById", {"entryId": "12"}, "parameters: entryId: expected a GUID"),
        ("read/project/HoursById", {"entryId": None}, "parameters: entryId: a value is needed, not None.$"),
        ("read/logistics/SalesItemPrice", {"itemId": None}, "parameters: itemId: a value is needed, not None.$"),
        ("read/project/HoursById", {"entryId": GUID, "x": 1}, "has no 'x'"),
        ("read/project/HoursById", "entryId=1", "expected a dict"),
        ("crm/Accounts", {"Code": "1"}, "crm/Accounts is not a function.*filter"),
        ("crm/Accounts", None, "crm/Accounts is not a function.*ExactOnlineListOperator"),
    ],
)
def test_parameters_that_can_not_be_meant_are_refused(path, given, words):
    with pytest.raises(ExactRequestError, match=words):
        parameter_texts(resolve(path), given)


@pytest.fixture
def client(exact):
    return exact.client()


def test_a_function_answers_its_parameters(client, exact):
    project = next(client.list_records("project/Projects", select="ID", top=1))["ID"]
    types = list(
        client.call_function(
            "read/project/HourTypesByProjectAndDate", {"projectId": project, "checkDate": date(2026, 1, 5)}
        )
    )
    assert types
    assert exact.emulator.calls()[-1]["query"].startswith("projectId=guid'")
    assert len(list(client.call_function("read/project/HourTypes", top=1, select="ItemId"))) == 1
    assert exact.emulator.calls()[-1]["query"] == "$select=ItemId&$top=1"


def test_a_function_of_one_value_gives_one_record_of_it(client):
    asked = {"endpoint": "Projects", "action": "GET"}
    assert list(client.call_function("users/UserHasRights", asked)) == [{"UserHasRights": True}]


def test_a_function_without_parameters_is_listed_like_any_endpoint(client):
    assert list(client.list_records("read/project/HourTypes", top=2)) == list(
        client.call_function("read/project/HourTypes", top=2)
    )


@pytest.mark.parametrize("options", [{"filter": "ItemId ne 1"}, {"order_by": "ItemId"}, {"expand": "X"}])
def test_a_function_that_is_listed_with_a_filter_is_refused_before_the_call(client, exact, options):
    with pytest.raises(ExactRequestError, match="is a function.*ExactOnlineFunctionOperator.*It takes checkDate"):
        client.list_records("read/project/HourTypesByDate", **options)
    with pytest.raises(ExactRequestError, match="needs checkDate"):
        client.list_records("read/project/HourTypesByDate")
    with pytest.raises(ExactRequestError, match="does not take GET; it takes POST"):
        client.call_function("customfield/UpdateCustomField")
    with pytest.raises(ExactRequestError, match="bulk/CRM/Contacts is not a function.*ExactOnlineListOperator"):
        client.call_function("bulk/CRM/Contacts")
    assert exact.emulator.calls() == []
