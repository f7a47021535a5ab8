"""A record on its way to Exact: checked against the catalogue before the call, since Exact counts every refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_exact.client import time_transactions
from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.lines import Lines, lines_of, written_apart
from airflow_provider_exact.client.query import field_of
from airflow_provider_exact.client.serialisation import to_json

BOOKED = {"project/TimeTransactions", "project/CostTransactions"}


def check_method(endpoint: Endpoint, method: str) -> None:
    """
    Check that an endpoint takes a method.

    :raises ExactRequestError: it is known not to; the message names the methods that it takes.
    """
    if endpoint.is_known and method not in endpoint.methods:
        raise ExactRequestError(f"{endpoint.path} does not take {method}; it takes {', '.join(endpoint.methods)}.")


def check_record(endpoint: Endpoint, data: Mapping[str, Any], *, method: str) -> dict[str, Any]:
    """
    Return ``data`` ready for JSON, under the field names as Exact spells them; lines are checked like their header.

    :param method: ``POST``, where mandatory fields must be there, or ``PUT``, which changes only what it names.
    :raises ExactRequestError: a field is unknown, read-only, missing or of another type; the message names it.
    """
    record = _checked(endpoint, data, method, "data", "")
    needed = [prop.name for prop in endpoint.properties if prop.mandatory]
    if method == "POST":
        _check_mandatory(endpoint, record, "data")
    elif emptied := [name for name in needed if name in record and record[name] in (None, "")]:
        raise ExactRequestError(f"data: {' and '.join(emptied)} of {endpoint.path} can't be emptied.")
    return record


def _checked(endpoint: Endpoint, data: object, method: str, place: str, prefix: str) -> dict[str, Any]:
    """
    Return a record's fields ready for JSON.

    :param place: Where the record stands, for messages: ``data`` or ``data: Lines[0]``.
    :param prefix: The same in front of a field's name: nothing, or ``Lines[0].``.
    """
    if not isinstance(data, Mapping) or not data:
        raise ExactRequestError(f"{place}: expected a dict of fields of {endpoint.path}, not {data!r}.")
    record: dict[str, Any] = {}
    for name, value in data.items():
        prop = field_of(endpoint, name, place)
        if prop.name in record:
            raise ExactRequestError(f"{place}: {prop.name} is there twice, in two spellings.")
        path = f"{prefix}{prop.name}"
        lines = lines_of(endpoint, prop)
        if method == "PUT" and (apart := written_apart(endpoint, prop)):
            raise ExactRequestError(
                f"data: {prop.name} can't be changed with its header ({endpoint.path}). Write each line through "
                f"{apart.endpoint.path}, which takes {', '.join(apart.methods)}."
            )
        # The fields of an endpoint that only reads are all read-only there, and not where its records are lines.
        if endpoint.properties and method in endpoint.methods and not prop.is_writable(method):
            when = "be set" if method == "POST" else "be changed"
            raise ExactRequestError(f"data: {path} of {endpoint.path} is read-only; it can't {when}. Leave it out.")
        if prop.name == "HourStatus" and endpoint.path == "project/TimeTransactions":
            value = time_transactions.hour_status(value)  # noqa: PLW2901 - the name becomes its number
        if lines is not None and prop.is_collection and value is not None:
            record[prop.name] = _checked_lines(prop, lines, value, method, path)
        else:
            record[prop.name] = to_json(path, value, prop.type)
    return record


def _checked_lines(prop: Property, lines: Lines, value: object, method: str, path: str) -> list[dict[str, Any]]:
    if not isinstance(value, list | tuple):
        raise ExactRequestError(
            f"data: {path} takes a list of dicts with fields of {lines.endpoint.path}, not {value!r}."
        )
    records = []
    for number, line in enumerate(value):
        place = f"{path}[{number}]"
        record = _checked(lines.endpoint, line, method, f"data: {place}", f"{place}.")
        # What a batch number needs by itself says nothing of one that comes with its delivery line.
        if method == "POST" and (prop.mandatory or lines.parent_field):
            _check_mandatory(lines.endpoint, record, f"data: {place}", header_key=lines.parent_field)
        records.append(record)
    return records


def _check_mandatory(endpoint: Endpoint, record: Mapping[str, Any], place: str, header_key: str | None = None) -> None:
    """
    Check that a new record has what it must have.

    :param header_key: The field that Exact fills in, since the line comes with its header.
    """
    needed = [prop for prop in endpoint.properties if prop.mandatory and prop.name != header_key]
    missing = [prop.name for prop in needed if record.get(prop.name) in (None, "", [])]
    if missing:
        lines = [found.endpoint.path for prop in needed if prop.name in missing and (found := lines_of(endpoint, prop))]
        hint = f" Lines are created with their header: a list of dicts with fields of {lines[0]}." if lines else ""
        raise ExactRequestError(
            f"{place}: {endpoint.path} needs {' and '.join(missing)}, which {_verb(missing)} missing.{hint}"
        )
    if endpoint.path in BOOKED:
        time_transactions.check_charged(record, path=f"{place}: {endpoint.path}")


def _verb(words: list[str]) -> str:
    return "are" if len(words) > 1 else "is"
