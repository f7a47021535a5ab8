"""The table: what it should look like, whether the one that is there will do, and how it comes to be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import TypeEngine

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.sql_engine import in_our_words
from airflow_provider_exact.extract.sql_types import MYSQL, column_type, holds

log = logging.getLogger(__name__)

DIVISION = "_division"
DELETED = "_deleted"
LOAD = "_load"
# Enough for a crowd that makes the same table at once: each failure is another process's success.
ATTEMPTS = 20


def split_name(table: str) -> tuple[str | None, str]:
    """
    Return schema and name of ``schema.table`` or ``table``, in the letter case that they have.

    :raises ExactRequestError: it is neither.
    """
    parts = table.strip().split(".") if isinstance(table, str) else []
    if not 1 <= len(parts) <= 2 or not all(parts):
        raise ExactRequestError(f"table: expected 'table' or 'schema.table', not {table!r}.")
    return (parts[0] if len(parts) == 2 else None), parts[-1]


def definition(plan: Plan, engine: Engine, table: str) -> sa.Table:
    """
    Return the table as it is to be; nothing is changed yet.

    :raises ExactRequestError: there is a table of this name that is something else or can't hold these columns, or the
        plan has no place in a table.
    """
    schema, name = split_name(table)
    _check_names(plan, engine, name)
    inspector = sa.inspect(engine)
    if schema is not None and schema not in inspector.get_schema_names():
        raise ExactRequestError(f"table: this database has no schema {schema!r}; create it, or name another one.")
    there: dict[str, ReflectedColumn] = {}
    if inspector.has_table(name, schema):
        there = {folded(found["name"], engine): found for found in inspector.get_columns(name, schema)}
        key = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        _check_ours(plan, engine, table, set(there), {folded(column, engine) for column in key})
    columns = [sa.Column(DIVISION, sa.Integer, primary_key=True, autoincrement=False)]
    for column in plan.columns:
        is_key = column.name in plan.key
        type_ = column_type(column.type, is_key=is_key)
        if found := there.get(folded(column.name, engine)):
            type_ = _kept_type(found["type"], type_, column.name, column.type, engine, table)
        columns.append(sa.Column(quoted_name(column.name, True), type_, primary_key=is_key, autoincrement=False))
    columns += [sa.Column(DELETED, sa.Boolean, nullable=False), sa.Column(LOAD, sa.Integer, nullable=False)]
    return sa.Table(
        quoted_name(name, True),
        sa.MetaData(),
        *columns,
        schema=None if schema is None else quoted_name(schema, True),
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


def create(table: sa.Table, engine: Engine) -> None:
    """Make the table, or add the columns that it lacks; other processes may be doing the same."""
    despite_others(engine, partial(table.create, checkfirst=True))
    for column in _missing(table, engine):
        log.info("Adding column %s to %s", column.name, table.fullname)
        despite_others(engine, partial(_add, table, column))


def despite_others(engine: Engine, work: Callable[[Connection], object]) -> None:
    """
    Do what has to be done once, whoever does it.

    :param work: Looks first whether it is still to be done; it is called again when another process was quicker.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                work(connection)
        except DBAPIError as error:
            if attempt == ATTEMPTS:
                raise in_our_words(error) from error.orig
        else:
            return


def folded(name: str, bind: Engine | Connection) -> str:
    """Return the name of a column as the database compares it: PostgreSQL alone tells ``Id`` from ``ID``."""
    return name if bind.dialect.name == "postgresql" else name.casefold()


class _AddColumn(ExecutableDDLElement):
    def __init__(self, table: sa.Table, column: sa.Column[Any]) -> None:
        self.table = table
        self.column = column


@compiles(_AddColumn)
def _add_column(element: _AddColumn, compiler: DDLCompiler, **_: Any) -> str:
    column = compiler.process(CreateColumn(element.column))
    return f"ALTER TABLE {compiler.preparer.format_table(element.table)} ADD {column}"


def _add(table: sa.Table, column: sa.Column[Any], connection: Connection) -> None:
    if column in _missing(table, connection):
        connection.execute(_AddColumn(table, column))


def _missing(table: sa.Table, bind: Engine | Connection) -> list[sa.Column[Any]]:
    found = {folded(column["name"], bind) for column in sa.inspect(bind).get_columns(table.name, table.schema)}
    return [column for column in table.columns if folded(column.name, bind) not in found]


def _check_names(plan: Plan, engine: Engine, table: str) -> None:
    if not plan.key:
        raise ExactRequestError(
            f"endpoint: the key of {plan.endpoint.path} is not known, and without one a table can't tell its records "
            "apart; write them to files instead."
        )
    # SQLAlchemy knows of MariaDB and MySQL how long an alias may be, not a name.
    longest = 64 if engine.dialect.name in MYSQL else engine.dialect.max_identifier_length
    seen = {name: name for name in (DIVISION, DELETED, LOAD)}
    for name in (table, *(column.name for column in plan.columns)):
        if len(name.encode()) > longest:
            raise ExactRequestError(
                f"{'table' if name is table else 'select'}: {name!r} is longer than the {longest} bytes that names "
                f"have in {engine.dialect.name}; {'choose a shorter one' if name is table else 'leave it out'}."
            )
    for column in plan.columns:
        # Also on PostgreSQL, so that a table can move to another database.
        if other := seen.get(column.name.casefold()):
            raise ExactRequestError(
                f"select: the columns {other} and {column.name} differ in nothing but letter case, which tables can't "
                "tell apart; leave one out."
            )
        seen[column.name.casefold()] = column.name


def _check_ours(plan: Plan, engine: Engine, table: str, columns: set[str], key: set[str]) -> None:
    if lacking := [name for name in (DIVISION, DELETED, LOAD) if name not in columns]:
        raise ExactRequestError(
            f"table: {table} exists and was not made by this operator, since it lacks {', '.join(lacking)}. Name "
            "another table, or drop that one."
        )
    wanted = {DIVISION, *plan.key}
    if key != {folded(name, engine) for name in wanted}:
        raise ExactRequestError(
            f"table: the primary key of {table} is ({', '.join(sorted(key))}), but records of {plan.endpoint.path} "
            f"are told apart by ({', '.join(sorted(wanted))}). Name another table, or drop that one."
        )


def _kept_type(
    existing: TypeEngine[Any], wanted: TypeEngine[Any], name: str, edm: str | None, engine: Engine, table: str
) -> TypeEngine[Any]:
    """Return the type to speak to a column that is there, or refuse."""
    if not holds(existing, edm, engine.dialect.name):
        raise ExactRequestError(
            f"table: the column {name} of {table} is {existing.compile(engine.dialect)}, which can't hold "
            f"{edm or 'text'}. Alter it to {wanted.compile(engine.dialect)}, drop it, or give its type as in "
            f"types={{{name!r}: 'String'}}."
        )
    # GUIDs in a column of texts.
    return existing if isinstance(existing, sa.String) else wanted
