"""
The Edm types: JSON in, JSON out, and the literals of addresses and filters.

Inside the emulator a Guid is lower-case text, a DateTime a naive ``datetime`` and a Binary its Base64 text.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import math
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

BOUNDS = {"Byte": (0, 255), "Int16": (-(2**15), 2**15 - 1), "Int32": (-(2**31), 2**31 - 1)}
INT64 = (-(2**63), 2**63 - 1)
GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)(Z|[+-]\d\d:\d\d)?)?", re.IGNORECASE)
SCRIPT_DATE = re.compile(r"/Date\((-?\d{1,19})\)/")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - moments are naive in here


class WrongTypeError(ValueError):
    """A value or literal does not have the type of its field."""


def stored(kind: str | None, value: object, zone: str) -> Any:
    """
    Return a JSON value as the store keeps it.

    :param zone: Where a date that names a zone is shifted to.
    """
    if value is None or kind is None:
        return value
    match kind, value:
        case "String", str() if value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value):
            # Half of a surrogate pair is JSON, and not text that can be sent back.
            return value
        case "Guid", str() if GUID.fullmatch(value):
            return value.lower()
        case "Boolean", bool():
            return value
        case "Double", int() | float() if not isinstance(value, bool):
            return _double(value)
        case "Int64", int() if not isinstance(value, bool):
            return _bounded(value, INT64)
        case "Int64", str() if re.fullmatch(r"-?\d{1,19}", value):
            return _bounded(int(value), INT64)
        case "Byte" | "Int16" | "Int32", int() if not isinstance(value, bool):
            return _bounded(value, BOUNDS[kind])
        case "DateTime", str():
            return moment(value, zone)
        case "Binary", str():
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise WrongTypeError(kind) from error
            return value
    raise WrongTypeError(kind)


def _double(number: float) -> float:
    try:
        read = float(number)
    except OverflowError as error:
        raise WrongTypeError("Double") from error
    if not math.isfinite(read):
        raise WrongTypeError("Double")
    return read


def _bounded(number: int, bounds: tuple[int, int]) -> int:
    if not bounds[0] <= number <= bounds[1]:
        raise WrongTypeError(f"{number} is out of range")
    return number


def moment(text: str, zone: str = "UTC") -> datetime:
    """Read an ISO moment or ``/Date(ms)/``; one with a zone is shifted to ``zone``'s wall clock."""
    if found := SCRIPT_DATE.fullmatch(text):
        try:
            return EPOCH + timedelta(milliseconds=int(found[1]))
        except OverflowError as error:
            raise WrongTypeError("DateTime") from error
    found = MOMENT.fullmatch(text)
    if found is None:
        raise WrongTypeError("DateTime")
    day, clock, offset = found.groups()
    try:
        if clock is None:
            return datetime.fromisoformat(day)
        # Python reads six digits of a second at most, Exact writes up to seven.
        whole, _, fraction = clock.partition(".")
        read = datetime.fromisoformat(f"{day}T{whole}{'.' + fraction[:6].ljust(6, '0') if fraction else ''}")
        if offset is None:
            return read
        aware = datetime.fromisoformat(f"{read.isoformat()}{'+00:00' if offset in 'Zz' else offset}")
        return aware.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise WrongTypeError("DateTime") from error


def shown(kind: str | None, value: Any) -> Any:
    """Return a stored value as OData's verbose JSON shows it."""
    if isinstance(value, datetime):
        milliseconds = calendar.timegm(value.timetuple()) * 1000 + value.microsecond // 1000
        return f"/Date({milliseconds})/"
    if kind == "Int64" and isinstance(value, int):
        return str(value)
    return value


def literal(kind: str | None, text: str) -> Any:
    """
    Return the value of an OData literal that must have the type ``kind``.

    :raises WrongTypeError: it is not a literal, or one of another type.
    """
    actual, value = any_literal(text)
    fits = {
        "Guid": {"Guid"},
        "String": {"String"},
        "DateTime": {"DateTime"},
        "Boolean": {"Boolean", "Bit"},
        "Byte": {"Bit", "Number"},
        "Int16": {"Bit", "Number"},
        "Int32": {"Bit", "Number"},
        "Int64": {"Bit", "Number", "Int64"},
        "Double": {"Bit", "Number", "Decimal"},
    }
    if kind is None:
        return value
    if actual not in fits.get(kind, set()):
        raise WrongTypeError(f"{text} is not of type {kind}")
    if kind == "Boolean":
        return bool(value)
    if kind in BOUNDS:
        return _bounded(value, BOUNDS[kind])
    return float(value) if kind == "Double" else value


def any_literal(text: str) -> tuple[str, Any]:
    """Return the type of a literal (``Bit`` for 0 and 1, which are numbers and Booleans) and its value."""
    if len(text) >= 2 and text[0] == text[-1] == "'" and "'" not in text[1:-1].replace("''", ""):
        return "String", text[1:-1].replace("''", "'")
    if found := re.fullmatch(r"guid'(.*)'", text):
        if not GUID.fullmatch(found[1]):
            raise WrongTypeError(f"{text} is not a Guid")
        return "Guid", str(uuid.UUID(found[1]))
    if found := re.fullmatch(r"datetime'(.*)'", text):
        if found[1].startswith("/"):
            raise WrongTypeError(f"{text} is not a DateTime")
        if re.search(r"(Z|[+-]\d\d:\d\d)$", found[1], re.IGNORECASE):
            raise WrongTypeError(f"{text} must not name a zone")
        return "DateTime", moment(found[1])
    if text in {"true", "false"}:
        return "Boolean", text == "true"
    if text in {"0", "1"}:
        return "Bit", int(text)
    if re.fullmatch(r"-?\d{1,19}", text):
        return "Number", _bounded(int(text), INT64)
    if re.fullmatch(r"-?\d{1,19}L", text):
        return "Int64", _bounded(int(text[:-1]), INT64)
    if re.fullmatch(r"-?\d+\.\d+([eE][+-]?\d+)?", text):
        return "Decimal", _double(float(text))
    raise WrongTypeError(f"{text} is not a literal")


def as_literal(kind: str | None, value: Any) -> str:
    """Write a stored value as the literal of its type, for addresses and ``$skiptoken``."""
    match kind, value:
        case _, None:
            return "null"
        case "Guid", _:
            return f"guid'{value}'"
        case _, datetime():
            return f"datetime'{value.isoformat()}'"
        case "Int64", _:
            return f"{value}L"
        case _, bool():
            return "true" if value else "false"
        case _, int() | float():
            return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def utc_epoch(value: datetime) -> float:
    """Return the moment of a naive UTC ``datetime``."""
    return value.replace(tzinfo=UTC).timestamp()
