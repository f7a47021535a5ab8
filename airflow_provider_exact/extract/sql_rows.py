"""The rows of a plan as the table has them: their keys, which one is newest, and how they go."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from airflow_provider_exact.client.errors import ExactResponseError
from airflow_provider_exact.extract.formats import as_text
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.sql_schema import DELETED, DIVISION, LOAD

Deletions = Literal["delete", "mark", "ignore"]
# So many rows become one statement: more gain nothing and cost memory.
AT_ONCE = 1000


class Rows:
    """
    What the statements need to know of a plan's rows, which are structs with ``f0``, ``f1``, ….

    :param table: From ``sql_schema.definition``.
    """

    def __init__(self, plan: Plan, table: sa.Table) -> None:
        self.plan = plan
        self.table = table
        self.division = plan.division
        self.names = [column.name for column in plan.columns]
        self.key = (DIVISION, *plan.key)
        self.binary = {column.name for column in plan.columns if column.type == "Binary"}
        attributes = {column.name: f"f{number}" for number, column in enumerate(plan.columns)}
        types = {column.name: column.type for column in plan.columns}
        self._key = [attributes[name] for name in plan.key]
        self._guids = [attributes[name] for name in plan.key if types[name] == "Guid"]
        self._by = attrgetter(attributes[plan.by]) if plan.by else None
        self._converted = [
            (attributes[name], name, CONVERTERS[type_]) for name, type_ in types.items() if type_ in CONVERTERS
        ]

    def keyed(self, rows: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """
        Return rows by their key, with the values that their columns hold; a row is given once.

        :raises ExactResponseError: a row lacks its key, or is not base64 where it should be.
        """
        for attribute, name, converted in self._converted:
            for row in rows:
                if (value := getattr(row, attribute)) is not None:
                    setattr(row, attribute, converted(value, name))
        for row in rows:
            for attribute in self._guids:
                # In one spelling, since SQLite compares them as texts.
                if (guid := getattr(row, attribute)) is not None:
                    setattr(row, attribute, guid.lower())
            key = tuple(getattr(row, attribute) for attribute in self._key)
            if None in key:
                raise ExactResponseError(
                    f"{self.plan.source.path}: a record has no {' or '.join(self.plan.key)}, by which a table tells "
                    "records apart; write them to files instead."
                )
            yield key, row

    def key_of(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return a key as rows have it."""
        return tuple(
            value.lower() if name in self._guids else value for name, value in zip(self._key, values, strict=True)
        )

    def is_as_new(self, row: Any, other: Any) -> bool:
        """Whether a row counts, if the other one of the same key came before it."""
        if self._by is None or (theirs := self._by(other)) is None:
            return True
        ours = self._by(row)
        return ours is not None and bool(ours >= theirs)

    def parameters(self, rows: Sequence[Any], load: int) -> list[dict[str, Any]]:
        """Return rows as parameters of a statement."""
        common = {DIVISION: self.division, DELETED: False, LOAD: load}
        names = self.names
        return [dict(zip(names, msgspec.structs.astuple(row), strict=True)) | common for row in rows]

    def remove(self, connection: Connection, deletions: Deletions, keys: Sequence[tuple[Any, ...]]) -> None:
        """Let the rows with these keys go."""
        columns = [self.table.c[name] for name in self.plan.key]
        if len(columns) == 1:
            found: ColumnElement[bool] = columns[0].in_([value for (value,) in keys])
        else:
            found = sa.or_(*(sa.and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))
        self._let_go(connection, deletions, found)

    def sweep(self, connection: Connection, deletions: Deletions, load: int) -> int:
        """Let the rows go that a full load did not bring again; return how many."""
        return self._let_go(connection, deletions, self.table.c[LOAD] < load)

    def _let_go(self, connection: Connection, deletions: Deletions, which: ColumnElement[bool]) -> int:
        mine = sa.and_(self.table.c[DIVISION] == self.division, which)
        if deletions == "delete":
            return connection.execute(sa.delete(self.table).where(mine)).rowcount
        if deletions == "mark":
            there = self.table.c[DELETED].is_(False)
            return connection.execute(sa.update(self.table).where(mine, there).values({DELETED: True})).rowcount
        return 0


def _text(value: object, name: str) -> str | None:  # noqa: ARG001, as `_bytes`
    return as_text(value)


def _bytes(value: str, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ExactResponseError(
            f"{name}: the answer is not base64, as its type Binary means. If that stays so, name the type: "
            f"types={{{name!r}: 'String'}}."
        ) from error


def _naive(value: datetime, name: str) -> datetime:  # noqa: ARG001, as `_bytes`
    return value.replace(tzinfo=None)


# What is not in the rows as the columns have it.
CONVERTERS: dict[str | None, Callable[[Any, str], Any]] = {"Binary": _bytes, None: _text, "DateTime": _naive}
