"""
What the database remembers about its tables: cursors, checkpoints and who is writing.

It is written in the transaction that writes the rows, so that neither is ever ahead of the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Engine

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor, T, of_json, to_json
from airflow_provider_exact.extract.destination import ExactTakenOverError
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.sql_rows import Rows
from airflow_provider_exact.extract.sql_schema import DIVISION, LOAD, despite_others, split_name
from airflow_provider_exact.extract.sql_types import MYSQL, column_type

NAME = "_exact_online_state"


@dataclass(frozen=True)
class Kept:
    """
    What is remembered of one division in one table.

    :param load: The number of the latest full load; rows of an earlier one go at its end.
    :param cursor: Where the latest extraction that came to its end left off.
    :param checkpoint: How far an unfinished one has come; ``plan`` and ``run`` tell which.
    :param wish: The mark of the latest wish of a person that was fulfilled.
    """

    load: int = 0
    cursor: Cursor | None = None
    checkpoint: Checkpoint | None = None
    plan: str | None = None
    run: str | None = None
    wish: str | None = None


class State:
    """
    The row that belongs to one division in one table.

    :param owner: Whoever opened the table last; it alone may write.
    """

    def __init__(self, engine: Engine, table: str, division: int, owner: str | None = None) -> None:
        self._engine = engine
        schema, name = split_name(table)
        self._name = name
        self.where = f"The row of {table} and division {division} in {NAME}"
        self._owner = owner
        # SQLite compares names of tables in any letter case.
        self._of_table = name.casefold() if engine.dialect.name == "sqlite" else name
        text = column_type(None)
        self.table = sa.Table(
            NAME,
            sa.MetaData(),
            sa.Column("table_name", column_type("String", is_key=True), primary_key=True),
            sa.Column("division", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("endpoint", text),
            sa.Column("load_number", sa.Integer, nullable=False),
            sa.Column("last_cursor", text),
            sa.Column("checkpoint", text),
            sa.Column("plan", sa.String(64)),
            sa.Column("run", text),
            sa.Column("owner", sa.String(64)),
            sa.Column("wish", text),
            sa.Column("updated_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=3), *MYSQL)),
            schema=schema,
            mysql_charset="utf8mb4",
            mariadb_charset="utf8mb4",
        )
        columns = self.table.c
        self._mine = sa.and_(columns.table_name == self._of_table, columns.division == division)

    def create(self) -> None:
        """Make the table of states if it is not there."""
        despite_others(self._engine, partial(self.table.create, checkfirst=True))

    def has_rows(self) -> bool:
        """Whether the table that this is the state of is there."""
        return sa.inspect(self._engine).has_table(self._name, self.table.schema)

    def read(self) -> Kept | None:
        """Return what is remembered, or ``None``."""
        if not self._is_there():
            return None
        with self._engine.connect() as connection:
            return self._read(connection)

    def check_endpoint(self, plan: Plan) -> None:
        """
        Refuse to mix two kinds of records.

        :raises ExactRequestError: the table holds another endpoint, of whatever division.
        """
        if not self._is_there() or not self.has_rows():
            return
        of_table = sa.select(self.table.c.endpoint).where(self.table.c.table_name == self._of_table)
        with self._engine.connect() as connection:
            paths = {path for path in connection.execute(of_table).scalars() if path}
        # A twin of an endpoint shows the same records.
        names = {path.rpartition("/")[2].casefold(): path for path in paths} or {plan.endpoint.name.casefold(): ""}
        if plan.endpoint.name.casefold() not in names:
            raise ExactRequestError(
                f"table: {self._name} holds {', '.join(sorted(names.values()))}, not {plan.endpoint.path}. Name "
                f"another table, or drop that one and its rows in {NAME}."
            )

    def claim(self, connection: Connection, rows: Rows) -> Kept:
        """Become the one that writes; who wrote before fails at its next transaction."""
        values = {"owner": self._owner, "endpoint": rows.plan.endpoint.path}
        # The write comes first, so that the row is locked before it is read.
        if not connection.execute(sa.update(self.table).where(self._mine).values(values)).rowcount:
            columns = rows.table.c
            highest = sa.select(sa.func.max(columns[LOAD])).where(columns[DIVISION] == rows.division)
            key = {"table_name": self._of_table, "division": rows.division}
            load = connection.execute(highest).scalar() or 0
            connection.execute(sa.insert(self.table).values(**key, **values, load_number=load))
        return self._read(connection) or Kept()

    def store(self, connection: Connection, **values: object) -> None:
        """
        Set columns of this state, in the transaction that they belong to.

        :raises ExactTakenOverError: someone else has taken over.
        """
        found = {name: _plain(value) for name, value in values.items()}
        found["updated_at"] = datetime.now(UTC).replace(tzinfo=None)
        mine = sa.update(self.table).where(self._mine, self.table.c.owner == self._owner)
        if not connection.execute(mine.values(found)).rowcount:
            raise ExactTakenOverError(
                f"{self.where} belongs to another task or try by now, which writes the same rows. This one stops, and "
                "what it has not stored the other one reads. Let one run at a time, such as with max_active_runs=1."
            )

    def _is_there(self) -> bool:
        return sa.inspect(self._engine).has_table(NAME, self.table.schema)

    def _read(self, connection: Connection) -> Kept | None:
        found = connection.execute(sa.select(self.table).where(self._mine)).mappings().first()
        if found is None:
            return None
        return Kept(
            load=found["load_number"],
            cursor=self._of_text(Cursor, found["last_cursor"]),
            checkpoint=self._of_text(Checkpoint, found["checkpoint"]),
            plan=found["plan"],
            run=found["run"],
            wish=found["wish"],
        )

    def _of_text(self, kind: type[T], text: str | None) -> T | None:
        if text is None:
            return None
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ExactRequestError(f"{self.where}: the {kind.__name__.lower()} is no JSON ({error}).") from error
        return of_json(kind, value, self.where)


def _plain(value: object) -> object:
    return msgspec.json.encode(to_json(value)).decode() if isinstance(value, Cursor | Checkpoint) else value


def identity(plan: Plan) -> str:
    """Return what only plans that read the same have in common."""
    parts: list[Any] = [
        plan.division,
        plan.endpoint.path,
        plan.source.path,
        [(column.name, column.type) for column in plan.columns],
        plan.key,
        plan.mode,
        plan.by,
        plan.filter,
        plan.only,
        plan.deletions,
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
