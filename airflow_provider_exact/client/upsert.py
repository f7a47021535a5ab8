"""Create or update: a record is looked up by a business key first, so that doing it again changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactRequestError, ExactTransportError
from airflow_provider_exact.client.lines import written_apart
from airflow_provider_exact.client.query import Names, field_of, names
from airflow_provider_exact.client.validation import check_method

if TYPE_CHECKING:
    from airflow_provider_exact.client.client import ExactClient

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upserted:
    """
    What became of a record.

    :param record: As Exact then has it; only its key and the matched values when nothing was left to update.
    :param key: The fields of its key.
    """

    record: dict[str, Any]
    key: dict[str, Any]
    was_created: bool

    @property
    def outcome(self) -> str:
        return "created" if self.was_created else "updated"


def upsert_record(
    client: ExactClient,
    endpoint: str,
    data: Mapping[str, Any],
    match: Names,
    *,
    division: int | str | None = None,
) -> Upserted:
    """
    Update the record that has the values of ``data`` in the ``match`` fields, or create it when there is none.

    Lines are created with their header. An update leaves them as they are and logs that, where they have an endpoint of
    their own to be written through.

    :raises ExactRequestError: several records match, or ``data`` lacks a value to match on.
    :raises ExactTransportError: this may be repeated, also after a lost answer, since each try looks first.
    """
    found = resolve(endpoint)
    for method in ("GET", "POST", "PUT"):
        check_method(found, method)
    wanted = match_in(endpoint, data, match)
    fields = list(wanted)
    keys = [field.name for field in found.key] or ["ID"]
    there = client.find_record(endpoint, wanted, select=fields, division=division)
    if there is None:
        try:
            record = client.create_record(endpoint, data, division=division, verify=fields)
        except (ExactTransportError, ExactRateLimitError) as error:
            # Whatever is not known now, the next try finds out: it looks first.
            error.outcome_unknown = False
            raise
        return Upserted(record, {name: record.get(name) for name in keys}, was_created=True)
    key = {name: there[name] for name in keys}
    changes: dict[str, Any] = {}
    for name, value in data.items():
        prop = field_of(found, name, "data")
        if lines := written_apart(found, prop):
            log.warning(
                "%s of %s %s are left as they are: once created, lines are written through %s",
                prop.name,
                found.path,
                wanted,
                lines.endpoint.path,
            )
        # What was matched on is as wanted already, and not every field of a key may be changed.
        elif prop.name not in wanted:
            changes[name] = value
    primary_key = key if len(key) > 1 else key[keys[0]]
    record = client.update_record(endpoint, primary_key, changes, division=division) if changes else there
    return Upserted(record, key, was_created=False)


def match_in(endpoint: str, data: Mapping[str, Any], match: Names) -> dict[str, Any]:
    """
    Return the fields to match on with their values.

    :raises ExactRequestError: ``match`` names no field, an unknown one, or one that ``data`` has no value for.
    """
    found = resolve(endpoint)
    if not isinstance(data, Mapping) or not data:
        raise ExactRequestError(f"data: expected a dict of fields of {found.path}, not {data!r}.")
    given = {field_of(found, name, "data").name: value for name, value in data.items()}
    fields = [field_of(found, name, "match").name for name in names(match, "match")]
    if not fields:
        raise ExactRequestError(f"match: name the fields that a record of {found.path} is known by, such as 'Code'.")
    lacking = [name for name in fields if given.get(name) in (None, "")]
    if lacking:
        raise ExactRequestError(f"match: data has no value for {' and '.join(lacking)}, to look {found.path} up by.")
    return {name: given[name] for name in fields}


def check_distinct(endpoint: str, records: Sequence[Mapping[str, Any]], match: Names) -> None:
    """
    Check a list of records before the first call.

    :raises ExactRequestError: one lacks a value to match on, or two have the same; the message tells their places.
    """
    seen: dict[str, int] = {}
    for index, record in enumerate(records):
        try:
            wanted = match_in(endpoint, record, match)
        except ExactRequestError as error:
            raise ExactRequestError(f"data[{index}]: {error}") from error
        same = repr([str(value).strip().casefold() for value in wanted.values()])
        if same in seen:
            raise ExactRequestError(f"data[{seen[same]}] and data[{index}] have the same {wanted}; keep one of them.")
        seen[same] = index
