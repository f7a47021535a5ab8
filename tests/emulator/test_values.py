from datetime import datetime

import pytest

from airflow_provider_exact.emulator.values import WrongTypeError, as_literal, literal, shown, stored

ZONE = "Europe/Amsterdam"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02", datetime(2026, 3, 2)),
        ("2026-03-02T09:30", datetime(2026, 3, 2, 9, 30)),
        ("2026-03-02T09:30:15.5", datetime(2026, 3, 2, 9, 30, 15, 500_000)),
        ("2026-03-02T09:30:15.1234567", datetime(2026, 3, 2, 9, 30, 15, 123_456)),
        ("/Date(1351209600000)/", datetime(2012, 10, 26)),
        ("/Date(-86400000)/", datetime(1969, 12, 31)),
    ],
)
def test_a_date_without_a_zone_is_kept_as_it_is(text, moment):
    assert stored("DateTime", text, ZONE) == moment


def test_a_date_with_a_zone_is_shifted_to_the_wall_clock_of_exact():
    assert stored("DateTime", "2026-07-01T10:00:00Z", ZONE) == datetime(2026, 7, 1, 12)
    assert stored("DateTime", "2026-01-01T10:00:00+00:00", ZONE) == datetime(2026, 1, 1, 11)
    assert stored("DateTime", "2026-07-01T10:00:00Z", "UTC") == datetime(2026, 7, 1, 10)


def test_dates_leave_as_milliseconds_since_the_epoch():
    assert shown("DateTime", datetime(2012, 10, 26)) == "/Date(1351209600000)/"


def test_only_int64_leaves_as_text():
    assert shown("Int64", 7_300_000_001) == "7300000001"
    assert shown("Int32", 5) == 5
    assert shown("Double", 2.5) == 2.5
    assert shown("Int64", None) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Guid", "123"),
        ("Guid", 5),
        ("String", 5),
        ("Boolean", 1),
        ("Boolean", "true"),
        ("Double", "1.5"),
        ("Double", True),
        ("Int32", 1.0),
        ("Int32", "1"),
        ("Int32", 2**31),
        ("Int16", 40_000),
        ("Byte", -1),
        ("Byte", 256),
        ("Int64", "12x"),
        ("Int64", 2**63),
        ("DateTime", "02-03-2026"),
        ("DateTime", "2026-02-30"),
        ("DateTime", 5),
        ("Binary", "not base64!"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value):
    with pytest.raises(WrongTypeError):
        stored(kind, value, ZONE)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Guid", "11111111-2222-3333-4444-55555555555a"),
        ("Int64", 2**40),
        ("Int32", 5),
        ("Boolean", True),
        ("String", "it's"),
        ("DateTime", datetime(2026, 3, 2, 9, 30)),
        ("Double", 2.5),
    ],
)
def test_a_written_literal_is_read_back_as_the_same_value(kind, value):
    assert literal(kind, as_literal(kind, value)) == value
