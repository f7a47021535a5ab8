import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from airflow_provider_exact.extract.sql_engine import ExactDatabaseError, in_transaction, tune


def test_a_key_that_another_transaction_has_just_inserted_is_no_failure(database):
    database.run('CREATE TABLE {schema}"claims" ("a" INTEGER PRIMARY KEY)')
    claims = sa.Table("claims", sa.MetaData(), schema=database.schema, autoload_with=database.engine)
    if database.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    first, second = database.connect(), database.connect()
    tune(first), tune(second)
    looked, tries = threading.Event(), []

    def claim(connection):
        tries.append(connection.execute(sa.select(claims)).all())
        looked.set()
        if not tries[-1]:
            connection.execute(sa.insert(claims).values(a=1))

    with ThreadPoolExecutor(1) as pool, first.connect() as other:
        other.execute(sa.insert(claims).values(a=1))
        waiting = pool.submit(in_transaction, second, claim)
        assert looked.wait(timeout=120)
        other.commit()
        waiting.result(timeout=120)
    assert tries == [[], [(1,)]]


def test_a_row_that_stays_locked_is_tried_again(database, caplog):
    if database.kind != "mariadb":
        pytest.skip("the others wait without an end, or for a minute")
    database.run('CREATE TABLE {schema}"locked" ("a" INTEGER PRIMARY KEY)')
    locked = sa.Table("locked", sa.MetaData(), schema=database.schema, autoload_with=database.engine)
    first, second = database.connect(), database.connect()
    with first.connect() as other:
        other.execute(sa.insert(locked).values(a=1))
        tries = []

        def insert(connection):
            tries.append(1)
            if len(tries) == 2:
                other.rollback()
            connection.exec_driver_sql("SET innodb_lock_wait_timeout = 1")
            connection.execute(sa.insert(locked).values(a=1))

        in_transaction(second, insert)
    assert len(tries) == 2
    assert "Lock wait timeout" in caplog.text


def test_a_failure_that_stays_is_told_without_the_statement(database):
    with pytest.raises(ExactDatabaseError, match="The database failed: .*nothing") as caught:
        in_transaction(database.engine, lambda connection: connection.exec_driver_sql("SELECT 'secret' FROM nothing"))
    assert "secret" not in str(caught.value)
