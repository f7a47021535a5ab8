"""
OData's query options: ``$filter``, ``$select``, ``$expand``, ``$orderby`` and ``$top``, with literals by Edm type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from airflow_provider_exact.client.account_codes import pad_codes
from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.serialisation import (
    moment_text,
    to_boolean,
    to_guid,
    to_integer,
    to_moment,
    to_number,
    to_text,
)

OPERATORS = {
    "=": "eq", "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "ge", "<": "lt", "<=": "le",
    "eq": "eq", "ne": "ne", "gt": "gt", "ge": "ge", "lt": "lt", "le": "le",
}  # fmt: skip
SAFE = "$'(),:*/="
FUNCTIONS = {"substringof", "startswith", "endswith"}

Filter = str | Mapping[str, Any] | None
Names = str | Sequence[str] | None


def literal(field: str, value: object, type_name: str | None) -> str:
    """
    Return a value as OData writes it in an address: ``guid'…'``, ``datetime'…'``, ``123L``, ``'it''s'``.

    :param type_name: The Edm type; ``None`` when unknown, then the value's own type decides.
    :raises ExactRequestError: the value does not fit; the message names ``field``.
    """
    if value is None:
        raise ExactRequestError(f"{field}: a value is needed, not None.")
    match type_name or _type_of(value):
        case "Guid":
            return f"guid'{to_guid(field, value)}'"
        case "Byte" | "Int16" | "Int32" as small:
            return str(to_integer(field, value, small))
        case "Int64":
            return f"{to_integer(field, value, 'Int64')}L"
        case "Double":
            # Exact reads no exponents.
            return format(Decimal(str(to_number(field, value))), "f")
        case "Boolean":
            return "true" if to_boolean(field, value) else "false"
        case "DateTime":
            return f"datetime'{moment_text(to_moment(field, value))}'"
        case _:
            return "'" + to_text(field, value).replace("'", "''") + "'"


def _type_of(value: object) -> str:
    match value:
        case bool():
            return "Boolean"
        case int():
            return "Int32" if -(2**31) <= value < 2**31 else "Int64"
        case float() | Decimal():
            return "Double"
        case UUID():
            return "Guid"
        case date():
            return "DateTime"
    return "String"


def field_of(endpoint: Endpoint, name: object, option: str) -> Property:
    """
    Return the field that an option names, in any letter case.

    :raises ExactRequestError: a known endpoint has no such field; the message names the nearest ones.
    """
    if not isinstance(name, str) or not name:
        raise ExactRequestError(f"{option}: expected the name of a field, not {name!r}.")
    if found := endpoint.property(name):
        return found
    if endpoint.properties:
        raise ExactRequestError(f"{option}: {endpoint.path} has no field {name!r}.{endpoint.nearest(name)}")
    return Property(name)


def filter_text(endpoint: Endpoint, filter: Filter, option: str = "filter") -> str | None:
    """
    Return a filter as OData text, or ``None`` for no filter.

    A dict joins its fields with *and*. A plain value must be equal; ``(">=", value)`` compares, with ``= != > >= < <=``
    or ``startswith``, ``endswith``, ``substringof``; a list of values means any of them; a list of comparisons means
    all of them: ``{"Project": guid, "Date": [(">=", date(2026, 1, 1)), ("<", date(2026, 2, 1))]}``.

    The codes of accounts are filled up with the spaces that Exact keeps in front of them, in text as well.

    :param option: What the caller calls the filter, for messages.
    :raises ExactRequestError: a field is unknown or a value does not fit.
    """
    if filter is None or isinstance(filter, str):
        return pad_codes(endpoint, (filter or "").strip(), option) or None
    if not isinstance(filter, Mapping):
        raise ExactRequestError(f"{option}: expected OData text or a dict of fields, not {type(filter).__name__}.")
    terms = [_term(field_of(endpoint, name, option), wanted, option) for name, wanted in filter.items()]
    return pad_codes(endpoint, " and ".join(terms), option) or None


def all_of(*texts: str | None) -> str | None:
    """Return filters joined with *and*, each in parentheses if there are several."""
    given = [text for text in texts if text]
    return " and ".join(f"({text})" for text in given) if len(given) > 1 else next(iter(given), None)


def _term(prop: Property, wanted: object, option: str) -> str:
    if _is_comparison(wanted):
        return _comparison(prop, *wanted, option=option)  # type: ignore[misc]
    if isinstance(wanted, Sequence | set | frozenset) and not isinstance(wanted, str | bytes):
        values = sorted(wanted, key=str) if isinstance(wanted, set | frozenset) else list(wanted)
        if not values:
            raise ExactRequestError(f"{option}: the list for {prop.name} is empty, so nothing could match.")
        comparing = [_is_comparison(value) for value in values]
        if all(comparing):
            return " and ".join(_comparison(prop, *value, option=option) for value in values)
        if any(comparing):
            raise ExactRequestError(f"{option}: {prop.name} mixes plain values and comparisons in one list.")
        terms = [_comparison(prop, "eq", value, option=option) for value in values]
        return f"({' or '.join(terms)})" if len(terms) > 1 else terms[0]
    return _comparison(prop, "eq", wanted, option=option)


def _is_comparison(wanted: object) -> bool:
    """Whether this is an operator and a value; a template or JSON makes a list of the tuple."""
    if not isinstance(wanted, tuple | list) or len(wanted) != 2 or not isinstance(wanted[0], str):
        return False
    word = wanted[0].strip().lower()
    return word in OPERATORS or word in FUNCTIONS or isinstance(wanted, tuple)


def _comparison(prop: Property, operator: str, value: object, *, option: str) -> str:
    word = operator.strip().lower()
    if value is None:
        raise ExactRequestError(
            f"{prop.name}: nothing is known of how Exact Online compares with nothing (null). Leave the field out and "
            "look at the records that come, or write the filter as OData text."
        )
    text = literal(prop.name, value, prop.type)
    if word in OPERATORS:
        return f"{prop.name} {OPERATORS[word]} {text}"
    if word not in FUNCTIONS:
        known = ", ".join([*OPERATORS, *sorted(FUNCTIONS)])
        raise ExactRequestError(f"{option}: {operator!r} for {prop.name} is not an operator. Known: {known}.")
    if prop.type not in ("String", None):
        raise ExactRequestError(f"{option}: {word} works on text, and {prop.name} is {prop.type}.")
    return f"substringof({text},{prop.name})" if word == "substringof" else f"{word}({prop.name},{text})"


def names(value: Names, option: str = "select") -> list[str]:
    """
    Return names given as a list or as text with commas.

    :raises ExactRequestError: it is something else; the message names ``option``.
    """
    if value is not None and not isinstance(value, Iterable):
        raise ExactRequestError(f"{option}: expected names as a list or as text with commas, not {value!r}.")
    parts = value.split(",") if isinstance(value, str) else [part for part in value or () if part]
    if wrong := [part for part in parts if not isinstance(part, str)]:
        raise ExactRequestError(f"{option}: expected names, not {wrong[0]!r}.")
    return [part.strip() for part in parts if part]


def select_text(endpoint: Endpoint, select: Names) -> str | None:
    """
    Return ``$select``; ``*`` stands for all fields.

    :raises ExactRequestError: a field is unknown, or the endpoint is known to refuse ``*``.
    """
    chosen = names(select)
    if "*" in chosen:
        if endpoint.select_star is False:
            raise ExactRequestError(f"select: {endpoint.path} does not take '*'; name the fields.")
        return "*"
    # A path such as Lines/Quantity chooses a field of what is expanded; its first part is a field here.
    return ",".join(_path(endpoint, name, "select") for name in chosen) or None


def expand_text(endpoint: Endpoint, expand: Names) -> str | None:
    """
    Return ``$expand``.

    :raises ExactRequestError: a field is unknown, or is known to hold a value.
    """
    chosen = names(expand, "expand")
    for name in chosen:
        prop = field_of(endpoint, name.partition("/")[0], "expand")
        # Neither is known of some fields: those pass.
        if prop.type and not prop.target:
            linked = ", ".join(field.name for field in endpoint.properties if field.target)
            hint = f" Linked records of {endpoint.path} are in: {linked}." if linked else ""
            raise ExactRequestError(f"expand: {prop.name} of {endpoint.path} holds no linked records.{hint}")
    return ",".join(_path(endpoint, name, "expand") for name in chosen) or None


def _path(endpoint: Endpoint, name: str, option: str) -> str:
    first, slash, rest = name.partition("/")
    return f"{field_of(endpoint, first, option).name}{slash}{rest}"


def order_by_text(endpoint: Endpoint, order_by: Names) -> str | None:
    """
    Return ``$orderby``: ``"Date"``, ``"Date desc"`` or a list of those.

    :raises ExactRequestError: a field is unknown, or holds linked records, or something else than ``asc`` or ``desc``
        follows it.
    """
    terms = []
    for term in names(order_by, "order_by"):
        name, _, direction = term.partition(" ")
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise ExactRequestError(f"order_by: {term!r} is not a field with 'asc' or 'desc' behind it.")
        prop = field_of(endpoint, name, "order_by")
        if prop.target:
            raise ExactRequestError(f"order_by: {prop.name} of {endpoint.path} holds linked records; order by a value.")
        terms.append(f"{prop.name} {direction.strip().lower()}".strip())
    return ",".join(terms) or None


def whole_number(option: str, value: object) -> int | None:
    """
    Return a positive whole number, ``None`` for nothing.

    :raises ExactRequestError: it is something else; the message names ``option``.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = to_integer(option, value, "Int32")
    except ExactRequestError:
        number = 0
    if number < 1:
        raise ExactRequestError(f"{option}: expected a whole number above 0 and below {2**31}, not {value!r}.")
    return number


def key_text(endpoint: Endpoint, primary_key: object) -> str:
    """
    Return a key as it stands behind the endpoint: ``(guid'…')``, ``(123)``, ``('EUR')``.

    :param primary_key: A value; for keys of several fields a dict of all of them.
    :raises ExactRequestError: the key is missing, incomplete or of another type.
    """
    if primary_key is None or primary_key == "":
        raise ExactRequestError(f"primary_key: give the key of the record of {endpoint.path}.")
    if len(endpoint.key) > 1:
        wanted = [field.name for field in endpoint.key]
        if not isinstance(primary_key, Mapping) or {*primary_key} != {*wanted}:
            raise ExactRequestError(f"primary_key: {endpoint.path} needs a dict with exactly {', '.join(wanted)}.")
        parts = [f"{f.name}={literal(f.name, primary_key[f.name], f.type)}" for f in endpoint.key]
        return f"({','.join(parts)})"
    if isinstance(primary_key, Mapping | list | tuple):
        raise ExactRequestError(f"primary_key: {endpoint.path} has one key; give its value.")
    try:
        return f"({literal('primary_key', primary_key, _key_type(endpoint, primary_key))})"
    except ExactRequestError as error:
        if not endpoint.property("Code"):
            raise
        raise ExactRequestError(
            f"{error} By its code a record is looked up first: ExactOnlineGetOperator with match={{'Code': …}}, or "
            "ExactOnlineHook.find_record."
        ) from error


def _key_type(endpoint: Endpoint, primary_key: object) -> str | None:
    if endpoint.key:
        return endpoint.key[0].type
    try:
        to_guid("primary_key", primary_key)
    except ExactRequestError:
        return None
    return "Guid"


def key_filter(endpoint: Endpoint, primary_key: object) -> str:
    """
    Return a filter that only the record with this key meets.

    A list with such a filter is empty where a GET by key would be a 404, which counts as an error at Exact.
    """
    if not endpoint.key:
        raise ExactRequestError(f"primary_key: the key of {endpoint.path} is not known; use a filter.")
    if len(endpoint.key) == 1:
        key = endpoint.key[0]
        return f"{key.name} eq {literal('primary_key', primary_key, key.type)}"
    key_text(endpoint, primary_key)
    given = dict(primary_key)  # type: ignore[call-overload]
    return " and ".join(f"{f.name} eq {literal(f.name, given[f.name], f.type)}" for f in endpoint.key)


def encode(options: Mapping[str, str | None]) -> str:
    """Return options as a query with spaces as ``%20``: not every OData server reads ``+`` as one."""
    given = {name: value for name, value in options.items() if value is not None}
    return urlencode(given, quote_via=quote, safe=SAFE)
