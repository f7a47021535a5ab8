"""Database of PostgreSQL for an Airflow, dropped when the Airflow has ended."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from tests.needs import IN_CI, skip_or_fail
from tools.demo.processes import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = os.environ.get("PGUSER", "postgres")
PORT = 5432


def run(statement: str) -> None:
    """Run a statement that no transaction may hold."""
    connection = psycopg2.connect(host=LOOPBACK, port=PORT, user=USER, dbname="postgres", connect_timeout=30)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@contextmanager
def postgresql_settings(*, required: bool = False) -> Iterator[dict[str, str]]:
    """
    Make a database and yield Airflow's setting for it, or no setting where no PostgreSQL listens.

    :param required: Skip the test there. With ``CI=true`` a PostgreSQL must listen.
    """
    name = f"exact_{uuid.uuid4().hex[:12]}"
    try:
        run(f"CREATE DATABASE {name}")
    except psycopg2.OperationalError:
        if required or IN_CI:
            skip_or_fail(f"no PostgreSQL on port {PORT} of this machine")
        yield {}
        return
    try:
        url = f"postgresql+psycopg2://{USER}@{LOOPBACK}:{PORT}/{name}"
        yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    finally:
        run(f"DROP DATABASE {name} WITH (FORCE)")
