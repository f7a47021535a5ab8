"""The databases of this machine, each test in a schema of its own."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from tests.needs import skip_or_fail

URLS = {
    "postgresql": "postgresql+pg8000://postgres@127.0.0.1:5432/test",
    "mariadb": "mysql+pymysql://root@127.0.0.1:3306/test",
    "sqlite": "",
}


@dataclass
class Database:
    kind: str
    url: str
    schema: str | None

    def __post_init__(self):
        self.engines = []
        self.engine = self.connect()

    def connect(self):
        """Return an engine of its own, as another process has one."""
        self.engines.append(sa.create_engine(self.url, pool_pre_ping=True))
        return self.engines[-1]

    def dispose(self):
        for engine in self.engines:
            engine.dispose()

    def name(self, table):
        """Return the name of a table in this test's schema."""
        return f"{self.schema}.{table}" if self.schema else table

    def rows(self, table="accounts", order="ID"):
        """Return all rows as dicts."""
        found = sa.Table(table, sa.MetaData(), schema=self.schema, autoload_with=self.engine)
        for column in found.columns:
            if isinstance(column.type, sa.Double):
                # MariaDB's would be read as decimals, cut to ten digits.
                column.type = sa.Double()
        with self.engine.connect() as connection:
            chosen = sa.select(found).order_by(found.c["_division"], found.c[order])
            return [dict(row) for row in connection.execute(chosen).mappings()]

    def run(self, statement, *, one=False):
        """Run SQL in which ``{schema}`` stands for the schema with its dot, and ``"`` quotes names; return one row."""
        text = statement.format(schema=f'"{self.schema}".' if self.schema else "")
        if self.kind == "mariadb":
            text = text.replace('"', "`")
        with self.engine.begin() as connection:
            found = connection.exec_driver_sql(text)
            return found.one() if one else None


@contextlib.contextmanager
def database_of(kind, folder):
    """Make a schema, and drop it with all that is in it."""
    if kind == "sqlite":
        database = Database(kind, f"sqlite:///{folder / 'test.db'}", None)
        try:
            yield database
        finally:
            database.dispose()
        return
    database = Database(kind, URLS[kind], f"exact_{uuid.uuid4().hex[:12]}")
    try:
        database.run(f'CREATE SCHEMA "{database.schema}"')
    except DBAPIError:
        skip_or_fail(f"no {kind} at {URLS[kind]}")
    try:
        yield database
    finally:
        database.dispose()
        database.run(f'DROP SCHEMA "{database.schema}"' + (" CASCADE" if kind == "postgresql" else ""))
        database.dispose()
