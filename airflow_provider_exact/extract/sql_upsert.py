"""
Rows into the table by key: newest wins, in one way per database.

A row that is there gives way to one of a later load, and within a load to one that is as new or newer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.elements import KeyedColumnElement

from airflow_provider_exact.client.rows import encode_json
from airflow_provider_exact.extract.sql_rows import Rows
from airflow_provider_exact.extract.sql_schema import DELETED, DIVISION, LOAD
from airflow_provider_exact.extract.sql_types import MYSQL

# A text with NUL is one that PostgreSQL refuses; this is how JSON writes it, unless the backslash is itself escaped.
NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

Upsert = Callable[[Connection, Sequence[Any], int], None]


def upsert_for(rows: Rows, dialect: str) -> Upsert:
    """Return how rows get into the table on this database."""
    if dialect == "postgresql":
        return _in_postgresql(rows)
    if dialect in MYSQL:
        return _in_mysql(rows)
    return _in_sqlite(rows) if dialect == "sqlite" else _anywhere(rows)


def _in_postgresql(rows: Rows) -> Upsert:
    # All rows are one parameter, JSON that the server takes apart: ten times as fast as a parameter for each value,
    # and the same with every driver.
    # Bytes travel as base64.
    types = [sa.column(name, sa.Text() if name in rows.binary else rows.table.c[name].type) for name in rows.names]
    sent = sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON)
    derived = sa.func.json_to_recordset(sent).table_valued(*types).render_derived("new", with_types=True)
    constant = [
        sa.literal(rows.division, sa.Integer),
        sa.literal(False, sa.Boolean),
        sa.bindparam("load", type_=sa.Integer),
    ]
    values = [
        sa.func.decode(derived.c[name], "base64") if name in rows.binary else derived.c[name] for name in rows.names
    ]
    source = sa.select(*values, *constant)
    insert = postgresql.insert(rows.table).from_select(
        [*rows.names, DIVISION, DELETED, LOAD], source, include_defaults=False
    )
    statement = insert.on_conflict_do_update(
        index_elements=list(rows.key),
        set_={name: insert.excluded[name] for name in _overwritten(rows)},
        where=_is_newer(rows, insert.excluded.__getitem__),
    )

    def upsert(connection: Connection, found: Sequence[Any], load: int) -> None:
        text = encode_json(found)
        if rb"\u0000" in text:
            text = NUL.sub(rb"\1", text)
        connection.execute(statement, {"rows": text.decode(), "load": load})

    return upsert


def _in_mysql(rows: Rows) -> Upsert:
    insert = mysql.insert(rows.table)
    new = insert.inserted
    is_newer = _is_newer(rows, new.__getitem__)
    # Each assignment sees what those before it did: hence the order, and the condition holds until its end.
    statement = insert.on_duplicate_key_update(
        [(name, sa.func.if_(is_newer, new[name], rows.table.c[name])) for name in _overwritten(rows)]
    )

    def upsert(connection: Connection, found: Sequence[Any], load: int) -> None:
        connection.execute(statement, rows.parameters(found, load))

    return upsert


def _in_sqlite(rows: Rows) -> Upsert:
    insert = sqlite.insert(rows.table)
    statement = insert.on_conflict_do_update(
        index_elements=list(rows.key),
        set_={name: insert.excluded[name] for name in _overwritten(rows)},
        where=_is_newer(rows, insert.excluded.__getitem__),
    )

    def upsert(connection: Connection, found: Sequence[Any], load: int) -> None:
        connection.execute(statement, rows.parameters(found, load))

    return upsert


def _anywhere(rows: Rows) -> Upsert:
    """Delete what is older and insert what is then lacking: what every database can."""
    columns = rows.table.c

    def new(name: str) -> KeyedColumnElement[Any]:
        return sa.bindparam(f"new_{name}", type_=columns[name].type)

    same = sa.and_(*(columns[name] == new(name) for name in rows.key))
    delete = sa.delete(rows.table).where(same, _is_newer(rows, new))
    names = [*rows.names, DIVISION, DELETED, LOAD]
    others = rows.table.alias("there")
    there = sa.exists().where(*(others.c[name] == new(name) for name in rows.key))
    lacking = sa.select(*(new(name) for name in names)).where(~there)
    insert = sa.insert(rows.table).from_select(names, lacking, include_defaults=False)

    def upsert(connection: Connection, found: Sequence[Any], load: int) -> None:
        parameters = [{f"new_{name}": value for name, value in row.items()} for row in rows.parameters(found, load)]
        connection.execute(delete, parameters)
        connection.execute(insert, parameters)

    return upsert


def _overwritten(rows: Rows) -> list[str]:
    """Return the columns that a newer row overwrites; those that tell what is newer come last."""
    last = [LOAD] if rows.plan.by is None or rows.plan.by in rows.plan.key else [rows.plan.by, LOAD]
    return [*(name for name in rows.names if name not in {*rows.key, *last}), DELETED, *last]


def _is_newer(rows: Rows, new: Callable[[str], ColumnElement[Any]]) -> ColumnElement[bool]:
    """Return the condition under which a new row replaces the one in the table."""
    load = rows.table.c[LOAD]
    if rows.plan.by is None:
        return load <= new(LOAD)
    by = rows.table.c[rows.plan.by]
    return sa.or_(load < new(LOAD), by.is_(None), by <= new(rows.plan.by))
