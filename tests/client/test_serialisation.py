from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.files import json_body
from airflow_provider_exact.client.serialisation import iso, number_readers, read_record, to_json

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("/Date(1351209600000)/", "2012-10-26T00:00:00Z"),
        ("/Date(0)/", "1970-01-01T00:00:00Z"),
        ("/Date(-86400000)/", "1969-12-31T00:00:00Z"),
        ("/Date(1351209600123)/", "2012-10-26T00:00:00.123Z"),
        ("/Date(1351209600000+0120)/", "2012-10-26T00:00:00Z"),
        ("/Date(soon)/", "/Date(soon)/"),
        ("Date(1)", "Date(1)"),
        ("/Date(253402300799999)/", "9999-12-31T23:59:59.999Z"),
        ("/Date(253402300800000)/", "/Date(253402300800000)/"),
    ],
)
def test_dates_come_as_iso_8601_in_utc(raw, text):
    assert iso(raw) == text


def test_a_record_loses_its_wrapping_and_keeps_its_values():
    raw = {
        "__metadata": {"uri": "https://x"},
        "Timestamp": "9007199254740993",
        "Code": "00012",
        "Name": None,
        "BankAccounts": {"__deferred": {"uri": "https://x"}},
        "Lines": {"results": [{"__metadata": {}, "Date": "/Date(0)/"}]},
        "Modified": "/Date(0)/",
        "IsSales": True,
    }
    assert read_record(raw, number_readers(resolve("sync/CRM/Accounts"))) == {
        "Timestamp": 9007199254740993,
        "Code": "00012",
        "Name": None,
        "Lines": [{"Date": "1970-01-01T00:00:00Z"}],
        "Modified": "1970-01-01T00:00:00Z",
        "IsSales": True,
    }


def test_a_number_that_is_none_stays_text():
    assert read_record({"Timestamp": "n/a"}, number_readers(resolve("sync/CRM/Accounts"))) == {"Timestamp": "n/a"}


@pytest.mark.parametrize(
    ("value", "type_name", "written"),
    [
        (UUID(GUID), "Guid", GUID),
        (f"{{{GUID}}}", "Guid", GUID),
        (date(2026, 1, 5), "DateTime", "2026-01-05T00:00:00"),
        ("2026-01-05", "DateTime", "2026-01-05T00:00:00"),
        ("2026-01-05T09:00:00Z", "DateTime", "2026-01-05T09:00:00"),
        (datetime(2026, 1, 5, 9, 0, 0, 250_000), "DateTime", "2026-01-05T09:00:00.250"),
        (datetime(2026, 1, 5, 9, tzinfo=UTC), "DateTime", "2026-01-05T09:00:00"),
        (datetime(2026, 7, 5, 9, tzinfo=ZoneInfo("UTC")), "DateTime", "2026-07-05T09:00:00"),
        ("2026-07-05T09:00:00+00:00", "DateTime", "2026-07-05T09:00:00"),
        (Decimal("0.10"), "Double", Decimal("0.10")),
        ("1.5", "Double", Decimal("1.5")),
        (2, "Double", 2),
        ("12", "Int32", 12),
        (12.0, "Int16", 12),
        (2**40, "Int64", str(2**40)),
        ("False", "Boolean", False),
        (b"\x00\xff", "Binary", "AP8="),
        ("text", "String", "text"),
        (None, "Guid", None),
        ([{"When": date(2026, 1, 5)}], None, [{"When": "2026-01-05T00:00:00"}]),
    ],
)
def test_python_values_are_written_as_exact_reads_them(value, type_name, written):
    assert to_json("F", value, type_name) == written


@pytest.mark.parametrize(
    ("value", "type_name"),
    [
        ("x", "Guid"),
        (5, "Guid"),
        ("five", "Double"),
        (float("inf"), "Double"),
        ("sNaN", "Double"),
        (Decimal("sNaN"), "Int32"),
        (10**400, "Double"),
        (True, "Double"),
        (1.5, "Int32"),
        (40_000, "Int16"),
        (-1, "Byte"),
        ("maybe", "Boolean"),
        ("31-01-2026", "DateTime"),
        (datetime(2026, 1, 5, 0, tzinfo=timezone(timedelta(hours=1))), "DateTime"),
        ("2026-01-05T09:00:00+01:00", "DateTime"),
        (datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Europe/London")), "DateTime"),
        (datetime(2026, 7, 5, 9, tzinfo=ZoneInfo("Europe/London")), "DateTime"),
        (12, "String"),
        (object(), None),
        (float("nan"), None),
    ],
)
def test_a_value_that_does_not_fit_is_refused_naming_the_field(value, type_name):
    with pytest.raises(ExactRequestError, match="^F: "):
        to_json("F", value, type_name)


def test_a_decimal_keeps_its_digits_in_the_body():
    assert json_body({"Quantity": Decimal("0.10")}) == b'{"Quantity":0.10}'
    assert json.loads(json_body({"Quantity": Decimal("0.10")})) == {"Quantity": 0.1}
