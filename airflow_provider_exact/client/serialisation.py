"""
Exact's dates, numbers and GUIDs to and from Python and JSON.

Exact speaks OData v2: dates as ``/Date(ms)/``, whole numbers of 64 bits as strings. Its dates carry no time zone; a
calendar day is midnight UTC of that day, so UTC is the only zone that never moves a date.
"""

from __future__ import annotations

import base64
import functools
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.files import Source

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXACT_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
INTEGER_BITS = {"Byte": (0, 8), "Int16": (1, 16), "Int32": (1, 32), "Int64": (1, 64)}
NumberReaders = Mapping[str, Callable[[str], int | float]]
READERS: dict[str, Callable[[str], int | float]] = {**dict.fromkeys(INTEGER_BITS, int), "Double": float}

# Reading


@functools.lru_cache(maxsize=4096)
def iso(value: str) -> str:
    """
    Return ``/Date(ms)/`` as ISO 8601 in UTC (``2026-01-05T00:00:00Z``), anything else as it is.

    So are dates that Python does not reach, from the year 10000 on.
    """
    found = EXACT_DATE.fullmatch(value)
    if found is None:
        return value
    try:
        moment = EPOCH + timedelta(milliseconds=int(found[1]))
    except OverflowError:
        return value
    return moment.isoformat(timespec="auto" if moment.microsecond == 0 else "milliseconds").replace("+00:00", "Z")


def read_record(raw: Mapping[str, Any], readers: NumberReaders) -> dict[str, Any]:
    """
    Return a record as Exact sent it in plain values.

    Dates become ISO 8601 strings, numbers sent as strings become numbers where the catalogue knows the type, expanded
    lines become lists of records; ``__metadata`` and what was not expanded are left out.

    :param readers: From ``number_readers``, once for all records of an endpoint.
    """
    record: dict[str, Any] = {}
    for name, value in raw.items():
        if isinstance(value, str):
            if value.startswith("/Date("):
                record[name] = iso(value)
            elif name in readers:
                record[name] = _number(value, readers[name])
            else:
                record[name] = value
        elif isinstance(value, dict):
            if name == "__metadata" or "__deferred" in value:
                continue
            record[name] = _read_nested(value)
        else:
            record[name] = [_read_nested(item) for item in value] if isinstance(value, list) else value
    return record


def _read_nested(value: Any) -> Any:
    if not isinstance(value, dict):
        return iso(value) if isinstance(value, str) else value
    if isinstance(value.get("results"), list):
        return [_read_nested(item) for item in value["results"]]
    return read_record(value, {})


def number_readers(endpoint: Endpoint) -> NumberReaders:
    """Return what turns text into numbers, by the names of an endpoint's fields."""
    return {prop.name: READERS[prop.type] for prop in endpoint.properties if prop.type in READERS}


def _number(value: str, reader: Callable[[str], int | float]) -> int | float | str:
    try:
        return reader(value)
    except ValueError:
        return value


# Writing: a Python value, or the text that a template left of one, becomes what Exact's type asks for.


def _wrong(field: str, value: object, wanted: str) -> ExactRequestError:
    return ExactRequestError(f"{field}: expected {wanted}, not {value!r}.")


def to_guid(field: str, value: object) -> str:
    """Return a GUID as text; braces are forgiven."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        try:
            return str(UUID(value.strip()))
        except ValueError:
            pass
    raise _wrong(field, value, "a GUID such as '3f2504e0-4f89-11d3-9a0c-0305e82c3301'")


def to_integer(field: str, value: object, type_name: str) -> int:
    """Return a whole number that fits its Edm type; text of one is forgiven, as templates render to text."""
    signed, bits = INTEGER_BITS[type_name]
    low, high = -signed * 2 ** (bits - 1), 2 ** (bits - signed) - 1
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if re.fullmatch(r"\s*[+-]?\d+\s*", value) else None
    elif isinstance(value, int | float | Decimal) and _is_finite(value):
        number = int(value) if value == int(value) else None
    if number is None or not low <= number <= high:
        raise _wrong(field, value, f"a whole number from {low} to {high}")
    return number


def _is_finite(value: float | Decimal) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(value)
    except (ValueError, OverflowError):
        # A signaling NaN; a whole number beyond all floats.
        return False


def to_number(field: str, value: object) -> int | float | Decimal:
    """Return a finite number; a ``Decimal`` keeps its digits."""
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            raise _wrong(field, value, "a number such as 1.5") from None
    if isinstance(value, int | float | Decimal) and _is_finite(value):
        return value
    raise _wrong(field, value, "a number such as 1.5")


def to_boolean(field: str, value: object) -> bool:
    """Return a truth value; ``"true"`` and ``"false"`` are forgiven in any letter case, as are 1 and 0."""
    known = {"true": True, "false": False, "1": True, "0": False}
    if (found := known.get(str(value).strip().lower())) is not None:
        return found
    raise _wrong(field, value, "true or false")


def to_moment(field: str, value: object) -> datetime:
    """
    Return a date, a moment or ISO 8601 text as a moment without a zone, as Exact keeps it.

    UTC is dropped as it is. Any other zone is refused, also one that has UTC's time in winter: Exact keeps none, and
    either way of dropping one moves the hour or the day of somebody.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise _wrong(
                field, value, "a date or ISO 8601 text such as '2026-01-31' or '2026-01-31T09:00:00'"
            ) from None
    if isinstance(value, datetime):
        # Of no particular moment, only a fixed offset is known.
        if value.tzinfo is not None and value.tzinfo.utcoffset(None) != timedelta(0):
            raise ExactRequestError(
                f"{field}: {value.isoformat()} has a time zone, and Exact Online keeps none. Pass the clock time "
                f"without an offset ({value.replace(tzinfo=None).isoformat()}), or convert it to UTC first."
            )
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - Exact's dates have no zone
    raise _wrong(field, value, "a date or ISO 8601 text such as '2026-01-31' or '2026-01-31T09:00:00'")


def moment_text(moment: datetime) -> str:
    """Return a moment as Exact reads it: ISO 8601 without a zone."""
    return moment.isoformat(timespec="auto" if moment.microsecond == 0 else "milliseconds")


def to_text(field: str, value: object) -> str:
    """Return text; numbers are not turned into text silently, since a code's leading zeros would be lost."""
    if isinstance(value, str):
        return value
    raise _wrong(field, value, "text")


def to_base64(field: str, value: object) -> str | Source:
    """Return bytes as base64, and a path as the file to send; text is taken to be base64 already."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Source):
        return value
    return Source.of(value, field) if hasattr(value, "open") else to_text(field, value)


def to_json(field: str, value: object, type_name: str | None) -> Any:
    """
    Return a value as it stands in a JSON body.

    :param type_name: The Edm type (``Guid``, ``Double``, …); ``None`` when unknown, then the value's own type decides.
    :raises ExactRequestError: the value does not fit; the message names ``field``.
    """
    if value is None:
        return None
    match type_name:
        case "Guid":
            return to_guid(field, value)
        case "Byte" | "Int16" | "Int32":
            return to_integer(field, value, type_name)
        case "Int64":
            # OData v2 writes 64 bits as text, since JavaScript's numbers end at 53.
            return str(to_integer(field, value, type_name))
        case "Double":
            return to_number(field, value)
        case "Boolean":
            return to_boolean(field, value)
        case "DateTime":
            return moment_text(to_moment(field, value))
        case "Binary":
            return to_base64(field, value)
        case "String":
            return to_text(field, value)
    return to_json_by_value(field, value)


def to_json_by_value(field: str, value: object) -> Any:
    """Return a value of an unknown Edm type as JSON, by its Python type."""
    match value:
        case bool() | str() | int() | None:
            return value
        case float() | Decimal():
            return to_number(field, value)
        case UUID():
            return str(value)
        case date():
            return moment_text(to_moment(field, value))
        case bytes():
            return to_base64(field, value)
        case Mapping():
            return {str(name): to_json_by_value(f"{field}.{name}", item) for name, item in value.items()}
        case list() | tuple():
            return [to_json_by_value(f"{field}[{number}]", item) for number, item in enumerate(value)]
    raise _wrong(field, value, "text, a number, a date, a GUID, or a list or dict of those")
