"""
Pages read by the types that the catalogue knows: the same columns in every row, and fast.

A row is a msgspec struct with the columns in order, a missing field ``None``. Dates become what the destination
wants, and ISO 8601 text where a field has no known type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import GenericAlias
from typing import Any

import msgspec

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.errors import ExactRequestError, ExactResponseError
from airflow_provider_exact.client.pagination import Page
from airflow_provider_exact.client.query import Names, field_of, names
from airflow_provider_exact.client.serialisation import EPOCH, EXACT_DATE, INTEGER_BITS, iso
from airflow_provider_exact.client.transport import Request, Response


@dataclass(frozen=True)
class Column:
    """One field of the rows, with its Edm type (``Guid``, ``Int64``, …; ``None`` where nothing is known)."""

    name: str
    type: str | None = None

    @property
    def python_type(self) -> Any:
        """What JSON holds for it: text of numbers is forgiven, as Exact sends 64 bits as text."""
        if self.type in INTEGER_BITS:
            return int
        return {"Double": float, "Boolean": bool, None: Any}.get(self.type, str)


def columns_of(endpoint: Endpoint, select: Names = None, types: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """
    Return the columns for these fields, or for all that Exact's reference shows.

    :param types: Edm types by field, for what the catalogue does not know or has wrong.
    :raises ExactRequestError: a field or type is unknown, or nothing is known of the endpoint's fields.
    """
    chosen = names(select)
    if chosen and "*" not in chosen:
        found = [field_of(endpoint, name, "select") for name in chosen]
    else:
        found = [prop for prop in endpoint.properties if not prop.hidden]
    if not found:
        raise ExactRequestError(f"select: the fields of {endpoint.path} are not known here; name those that you want.")
    if nested := next((prop.name for prop in found if prop.target is not None and chosen), None):
        raise ExactRequestError(
            f"select: {endpoint.path} links to records of another endpoint in {nested!r}, which has no place in a "
            "table; extract that endpoint."
        )
    given = {field_of(endpoint, name, "types").name: type_name for name, type_name in (types or {}).items()}
    for name, type_name in given.items():
        if type_name not in EDM_TYPES:
            raise ExactRequestError(f"types: {name} can't be {type_name!r}, only one of {', '.join(EDM_TYPES)}.")
    return tuple(Column(prop.name, given.get(prop.name, prop.type)) for prop in found if prop.target is None)


EDM_TYPES = ("String", "Guid", "DateTime", *INTEGER_BITS, "Double", "Boolean", "Binary")


encode_json = msgspec.json.Encoder().encode

Moments = Callable[[list[int | None]], list[Any]]


class RowReader:
    """
    Reads pages into rows.

    :param moments: Makes of a column's epoch milliseconds what the destination wants of dates.
    """

    def __init__(self, columns: tuple[Column, ...], moments: Moments) -> None:
        self.columns = columns
        # Names of our own, since Exact's need not be names in Python.
        attributes = {f"f{number}": column for number, column in enumerate(columns)}
        self.row_type: type[msgspec.Struct] = msgspec.defstruct(
            "Row",
            [(name, column.python_type | None, None) for name, column in attributes.items()],
            rename={name: column.name for name, column in attributes.items()},
            gc=False,
        )
        rows = GenericAlias(list, self.row_type)
        results = msgspec.defstruct(
            "Results", [("results", rows), ("next_url", str | None, None)], rename={"next_url": "__next"}
        )
        answer = msgspec.defstruct("Answer", [("d", results | rows)])
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer, strict=False)
        self._moments = moments
        self._dates = {name: column.name for name, column in attributes.items() if column.type == "DateTime"}
        self._untyped = [name for name, column in attributes.items() if column.type is None]

    def attribute(self, name: str) -> str:
        """Return the attribute of a row that holds a column."""
        return next(f"f{number}" for number, column in enumerate(self.columns) if column.name == name)

    def read(self, response: Response, request: Request) -> Page:
        """
        Return the rows of an answer.

        :raises ExactResponseError: a value is of another type than its column; ``types`` can correct that.
        """
        if not response.body.strip():
            return Page([])
        try:
            inner = response.decoded(self.decoder).d
            rows = inner if isinstance(inner, list) else inner.results
            for name, column in self._dates.items():
                texts = [getattr(row, name) for row in rows]
                for row, moment in zip(rows, self._moments_of(column, texts), strict=True):
                    setattr(row, name, moment)
            for name in self._untyped:
                for row in rows:
                    if isinstance(value := getattr(row, name), str) and value.startswith("/Date("):
                        setattr(row, name, iso(value))
        except (msgspec.DecodeError, ValueError) as error:
            raise ExactResponseError(
                f"{request}: the answer does not have the types that its fields are known to have: "
                f"{self._in_our_words(str(error))}. If that stays so, name the type in 'types', such as "
                "{'Field': 'String'}.",
                status=response.status,
            ) from None
        return Page(rows, None if isinstance(inner, list) else inner.next_url or None)

    def _moments_of(self, column: str, texts: list[str | None]) -> list[Any]:
        try:
            return self._moments(epoch_milliseconds(texts))
        except OverflowError:
            raise ValueError(f"{column}: a date after the year 9999 or before the year 1") from None
        except ValueError as error:
            raise ValueError(f"{column}: {error}") from None

    def _in_our_words(self, said: str) -> str:
        """Leave the place in the answer out of what msgspec says; ``$.d.results[3].Hours`` becomes ``Hours``."""
        return re.sub(r"`\$[^`]*?\.?(\w+)`", r"\1", said)


def epoch_milliseconds(texts: list[str | None]) -> list[int | None]:
    """
    Return what ``/Date(ms)/`` of each text says.

    :raises ValueError: one is something else.
    """
    # Bytes as a whole, since a page has thousands of them: four times as fast as one by one.
    numbers = encode_json(texts).replace(b'"/Date(', b"").replace(b')/"', b"")
    try:
        return _numbers.decode(numbers)
    except msgspec.DecodeError:
        return [None if text is None else _milliseconds(text) for text in texts]


def _milliseconds(text: str) -> int:
    found = EXACT_DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date of Exact Online")
    return int(found[1])


# Around the year 2200: up to here a float of seconds keeps the milliseconds.
MOST_EXACT = 7_258_118_400_000

_numbers = msgspec.json.Decoder(list[int | None])
_datetimes = msgspec.json.Decoder(list[datetime | None], strict=False)
_texts = msgspec.json.Decoder(list[str | None])


def datetimes(milliseconds: list[int | None]) -> list[datetime | None]:
    """Return moments in UTC, the zone in which Exact's dates are the days that they were meant to be."""
    known = [value for value in milliseconds if value is not None]
    if known and not -MOST_EXACT <= min(known) <= max(known) <= MOST_EXACT:
        return [None if value is None else EPOCH + timedelta(milliseconds=value) for value in milliseconds]
    return _datetimes.decode(encode_json([None if value is None else value / 1000 for value in milliseconds]))


def iso_texts(milliseconds: list[int | None]) -> list[str | None]:
    """Return moments as records elsewhere have them: ``2026-01-05T00:00:00Z``."""
    return _texts.decode(encode_json(datetimes(milliseconds)).replace(b'000Z"', b'Z"'))
