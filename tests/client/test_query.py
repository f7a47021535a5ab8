from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from airflow_provider_exact.client.catalogue import Endpoint, Property, load, resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.query import (
    all_of,
    encode,
    expand_text,
    filter_text,
    key_filter,
    key_text,
    order_by_text,
    select_text,
    whole_number,
)

HOURS = resolve("project/TimeTransactions")
ACCOUNTS = resolve("crm/Accounts")
SYNC = resolve("sync/CRM/Accounts")
NEW = Endpoint("crm/Novelties")
GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("endpoint", "given", "text"),
    [
        (HOURS, {"Project": GUID}, f"Project eq guid'{GUID}'"),
        (HOURS, {"project": UUID(GUID)}, f"Project eq guid'{GUID}'"),
        (HOURS, {"Date": (">=", date(2026, 1, 1))}, "Date ge datetime'2026-01-01T00:00:00'"),
        (
            HOURS,
            {"Modified": (">", datetime(2026, 1, 1, 9, 30, tzinfo=UTC))},
            "Modified gt datetime'2026-01-01T09:30:00'",
        ),
        (HOURS, {"Date": [">=", "2026-01-01"]}, "Date ge datetime'2026-01-01T00:00:00'"),
        (
            HOURS,
            {"Date": [(">=", date(2026, 1, 1)), ("<", date(2026, 2, 1))]},
            "Date ge datetime'2026-01-01T00:00:00' and Date lt datetime'2026-02-01T00:00:00'",
        ),
        (HOURS, {"HourStatus": [1, 10]}, "(HourStatus eq 1 or HourStatus eq 10)"),
        (HOURS, {"HourStatus": "10"}, "HourStatus eq 10"),
        (HOURS, {"Quantity": Decimal("1.50")}, "Quantity eq 1.50"),
        (HOURS, {"Quantity": (">", Decimal("1E+1"))}, "Quantity gt 10"),
        (
            HOURS,
            {"Quantity": [1e-7, -1e16, "1e3"]},
            "(Quantity eq 0.0000001 or Quantity eq -10000000000000000 or Quantity eq 1000)",
        ),
        (HOURS, {"ItemDivisable": "True"}, "ItemDivisable eq true"),
        (HOURS, {"Notes": "it's"}, "Notes eq 'it''s'"),
        (HOURS, {"Notes": ("startswith", "a")}, "startswith(Notes,'a')"),
        (HOURS, {"Notes": ("substringof", "a")}, "substringof('a',Notes)"),
        (HOURS, {"Notes": ("!=", "a"), "Project": GUID}, f"Notes ne 'a' and Project eq guid'{GUID}'"),
        (SYNC, {"Timestamp": (">", 5)}, "Timestamp gt 5L"),
        (NEW, {"When": date(2026, 1, 1), "Big": 2**40, "Some": 1.5}, None),
        (HOURS, "Quantity gt 1", "Quantity gt 1"),
        (HOURS, None, None),
        (HOURS, {}, None),
    ],
)
def test_a_filter_is_written_with_literals_by_type(endpoint, given, text):
    if endpoint is NEW:
        text = f"When eq datetime'2026-01-01T00:00:00' and Big eq {2**40}L and Some eq 1.5"
    assert filter_text(endpoint, given) == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Projct": GUID}, "Projct.*Did you mean Project"),
        ({"Project": "12"}, "Project: expected a GUID"),
        ({"HourStatus": 99_999}, "HourStatus: expected a whole number from -32768"),
        ({"HourStatus": True}, "HourStatus"),
        ({"Date": "yesterday"}, "Date: expected a date"),
        ({"Date": ("~", "2026-01-01")}, "'~'.*not an operator"),
        ({"Quantity": ("startswith", "1")}, "works on text"),
        ({"Quantity": float("nan")}, "Quantity"),
        ({"Activity": None}, "Activity.*null"),
        ({"HourStatus": []}, "HourStatus is empty"),
        ({"HourStatus": [1, (">", 2)]}, "mixes"),
        (["Quantity gt 1"], "filter: expected OData text or a dict"),
        ({"StartTime": datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=1)))}, "StartTime.*time zone"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_naming_the_field(given, words):
    with pytest.raises(ExactRequestError, match=words):
        filter_text(HOURS, given)


@pytest.mark.parametrize(
    ("endpoint", "key", "text"),
    [
        (HOURS, GUID, f"(guid'{GUID}')"),
        (HOURS, f"{{{GUID.upper()}}}", f"(guid'{GUID}')"),
        (HOURS, UUID(GUID), f"(guid'{GUID}')"),
        (resolve("system/Divisions"), 123, "(123)"),
        (resolve("sync/CRM/Accounts"), "5", "(5L)"),
        (resolve("general/Currencies"), "EUR", "('EUR')"),
        (resolve("read/sync/Sync/SyncTimestamp"), date(2026, 1, 1), "(datetime'2026-01-01T00:00:00')"),
        (resolve("read/financial/RevenueList"), {"Year": 2026, "Period": 1}, "(Period=1,Year=2026)"),
        (NEW, GUID, f"(guid'{GUID}')"),
        (NEW, 7, "(7)"),
        (NEW, "seven", "('seven')"),
    ],
)
def test_a_key_is_written_with_its_own_literal(endpoint, key, text):
    assert key_text(endpoint, key) == text


@pytest.mark.parametrize("key", [None, "", "x", 5, {"ID": GUID}])
def test_a_key_of_another_kind_is_refused(key):
    with pytest.raises(ExactRequestError, match="primary_key"):
        key_text(HOURS, key)


def test_a_code_in_place_of_a_key_is_told_how_to_look_it_up():
    with pytest.raises(ExactRequestError, match="expected a GUID.*match={'Code': …}"):
        key_text(ACCOUNTS, "1068")


def test_a_key_of_several_fields_must_be_whole():
    with pytest.raises(ExactRequestError, match="Period, Year"):
        key_text(resolve("read/financial/RevenueList"), {"Year": 2026})


def test_a_key_can_be_looked_for_with_a_filter():
    assert key_filter(HOURS, GUID) == f"ID eq guid'{GUID}'"
    assert (
        key_filter(resolve("read/financial/RevenueList"), {"Year": 2026, "Period": 1}) == "Period eq 1 and Year eq 2026"
    )


def test_names_are_spelled_as_exact_spells_them():
    assert select_text(HOURS, "id, hourstatus") == "ID,HourStatus"
    assert select_text(HOURS, ["ID", "Notes"]) == "ID,Notes"
    assert order_by_text(HOURS, ["date desc", "ID"]) == "Date desc,ID"
    assert expand_text(resolve("salesorder/SalesOrders"), "salesorderlines") == "SalesOrderLines"
    assert select_text(HOURS, None) is None


def test_a_star_is_refused_where_exact_refuses_it():
    starless = next(endpoint for endpoint in load().values() if endpoint.select_star is False)
    with pytest.raises(ExactRequestError, match="does not take"):
        select_text(starless, "*")
    assert select_text(HOURS, "*") == "*"


@pytest.mark.parametrize(
    ("function", "value"),
    [(select_text, "Nots"), (expand_text, "Nots"), (order_by_text, "Nots desc"), (order_by_text, "Notes up")],
)
def test_an_unknown_name_or_direction_is_refused(function, value):
    with pytest.raises(ExactRequestError, match="Nots|Notes up"):
        function(HOURS, value)


@pytest.mark.parametrize(
    ("function", "option"), [(select_text, "select"), (expand_text, "expand"), (order_by_text, "order_by")]
)
def test_what_is_no_list_of_names_is_refused_naming_the_option(function, option):
    for value in (5, [5], ["Notes", b"ID"]):
        with pytest.raises(ExactRequestError, match=f"^{option}: expected names"):
            function(HOURS, value)


@pytest.mark.parametrize("value", ["x", 0, -1, 2**31, "3.100.001", True])
def test_what_is_no_number_to_count_with_is_refused_without_a_range_of_negatives(value):
    with pytest.raises(ExactRequestError, match="^top: expected a whole number above 0"):
        whole_number("top", value)


def test_a_key_and_a_filter_are_called_what_the_caller_calls_them():
    with pytest.raises(ExactRequestError, match="^primary_key: expected a GUID"):
        key_filter(HOURS, "x")
    with pytest.raises(ExactRequestError, match="^match: project/TimeTransactions has no field 'Nots'"):
        filter_text(HOURS, {"Nots": "x"}, "match")


def test_a_field_is_expanded_or_ordered_by_as_what_it_holds():
    orders = resolve("salesorder/SalesOrders")
    with pytest.raises(ExactRequestError, match="expand: Description of salesorder/SalesOrders.*: SalesOrderLines"):
        expand_text(orders, "SalesOrderLines,description")
    with pytest.raises(ExactRequestError, match="expand: Notes of project/TimeTransactions holds no linked records.$"):
        expand_text(HOURS, ["Notes/Code"])
    with pytest.raises(ExactRequestError, match="order_by: SalesOrderLines of salesorder/SalesOrders"):
        order_by_text(orders, "salesorderlines desc")
    # What is not known of a field passes.
    unsure = Endpoint("crm/Novelties", properties=(Property("Types"),))
    assert (expand_text(unsure, "Types"), order_by_text(unsure, "Types"), expand_text(NEW, "Any")) == (
        "Types",
        "Types",
        "Any",
    )


def test_several_filters_are_joined_without_changing_their_meaning():
    assert all_of("a eq 1 or b eq 2", None, "c eq 3") == "(a eq 1 or b eq 2) and (c eq 3)"
    assert all_of(None, "a eq 1") == "a eq 1"


def test_spaces_are_not_written_as_plus():
    assert encode({"$filter": "Notes eq 'a+b c'", "$top": None}) == "$filter=Notes%20eq%20'a%2Bb%20c'"
