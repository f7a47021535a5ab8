"""How we speak to a database: its settings for our connections, transactions, and what its errors mean."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError

from airflow_provider_exact.client.errors import ExactError, ExactResponseError
from airflow_provider_exact.extract.sql_types import MYSQL

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 5
# PostgreSQL: serialization failure, deadlock, lock not available, a key that another one has just inserted. MariaDB and
# MySQL: changed meanwhile, lock wait timeout, deadlock, the same key. SQLite: busy, locked.
PASSING = frozenset({"40001", "40P01", "55P03", "23505", 1020, 1205, 1213, 1062, 5, 6})


class ExactDatabaseError(ExactError):
    """The database that records are written to failed; nothing of the transaction is in it."""


# Seconds to wait for others that write to the same SQLite file.
SQLITE_PATIENCE = 60


def tune(engine: Engine) -> None:
    """Set what new connections of this engine need; it should be ours alone."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
    elif engine.dialect.name in MYSQL:
        event.listen(engine, "connect", _tune_mysql)


def _tune_sqlite(connection: Any, _: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_PATIENCE * 1000}")
    # A transaction that starts by reading and writes later can't wait for another one.
    connection.isolation_level = "IMMEDIATE"


def _tune_mysql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        # Otherwise a value that does not fit is cut to size.
        cursor.execute("SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')")
        # Otherwise tasks of several divisions lock each other's gaps in the table that they share.
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def in_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """
    Do the work in a transaction of its own, again if it lost against another one or its connection ended.

    :param work: May be called more than once, also when it was committed and the answer to that got lost.
    :raises ExactDatabaseError: the database failed otherwise.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if attempt == ATTEMPTS or not (error.connection_invalidated or codes_of(error) & PASSING):
                raise in_our_words(error) from error.orig
            log.warning("Trying the transaction again, since the database says: %s", error.orig)
            time.sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311
    raise AssertionError


def codes_of(error: DBAPIError) -> set[str | int]:
    """Return what the driver has of the database's own codes: each keeps them elsewhere, and some keep two."""
    found = error.orig
    codes: set[str | int] = {getattr(found, name, None) or "" for name in ("sqlstate", "pgcode")}
    if code := getattr(found, "sqlite_errorcode", None):
        # The lowest byte is the kind of error.
        codes.add(code & 0xFF)
    first = found.args[0] if found is not None and found.args else None
    if isinstance(first, dict):
        codes.add(str(first.get("C")))
    elif isinstance(first, int):
        codes.add(first)
    return codes


def in_our_words(error: DBAPIError) -> ExactError:
    """Return the error without the statement and its values, which hold records of a company."""
    found = error.orig
    first = found.args[0] if found is not None and found.args else found
    said = str(first["M"] if isinstance(first, dict) and "M" in first else found).strip().splitlines()
    text = said[0] if said else type(found).__name__
    if isinstance(error, DataError) or codes_of(error) & {"22003", "22P02", "22001"}:
        return ExactResponseError(
            f"The database can't hold a value that Exact sent: {text}. If a field has another type than it is known to "
            "have, name it in 'types', such as {'Field': 'String'}, for a new table or an altered column."
        )
    return ExactDatabaseError(f"The database failed: {text}.")
