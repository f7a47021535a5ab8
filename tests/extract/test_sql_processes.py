"""Real processes: killed in the middle, and several at once."""

import contextlib
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from airflow_provider_exact.extract.sql_engine import in_transaction, tune
from tests.extract import sql_worker
from tests.extract.tables import guid, table_of
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def workers(database, table, jobs):
    """Start a process for each of ``(division, pages, column)`` and let them begin together."""
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.extract.sql_worker"),
                *(database.url, database.name(table), str(division), str(pages), column),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for division, pages, column in jobs
    ]
    try:
        for process in started:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def names(database, division):
    return [row["Name"] for row in database.rows() if row["_division"] == division]


@pytest.mark.system
@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_killed_load_goes_on_at_its_last_commit(database, after):
    plan = sql_worker.plan_for(1, "Own")
    with workers(database, "accounts", [(1, 40, "Own")]) as (process,):
        while int(process.stdout.readline()) < after:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    begun = sql_worker.go_on(table_of(database), plan, 40)
    # No page that was committed is asked for again, and none that was not is left out.
    assert begun > after - 3
    assert names(database, 1) == sql_worker.truth(40)
    assert table_of(database).cursor(plan).timestamp == 40


@pytest.mark.system
def test_processes_that_make_one_table_at_once_all_get_their_rows_in(database):
    jobs = [(division, 12, f"Own {division}") for division in range(1, 5)]
    with workers(database, "accounts", jobs) as started:
        ended = [process.communicate(timeout=120) for process in started]
        assert [(process.returncode, said[1]) for process, said in zip(started, ended, strict=True)] == [(0, "")] * 4
    for division in range(1, 5):
        assert names(database, division) == sql_worker.truth(12)
    found = {column["name"] for column in sa.inspect(database.engine).get_columns("accounts", database.schema)}
    assert found >= {"Own 1", "Own 2", "Own 3", "Own 4"}


@pytest.mark.system
def test_two_processes_with_one_division_do_not_mix(database):
    with workers(database, "accounts", [(1, 30, "Own"), (1, 30, "Own")]) as started:
        ended = [process.communicate(timeout=120)[1] for process in started]
    codes = sorted(process.returncode for process in started)
    assert codes[0] == 0
    for process, said in zip(started, ended, strict=True):
        assert process.returncode == 0 or "belongs to another task or try by now" in said
    assert names(database, 1) == sql_worker.truth(30)


def test_a_transaction_that_loses_against_another_is_tried_again(database, caplog):
    if database.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    sql_worker.go_on(table_of(database), sql_worker.plan_for(1, "Own"), 2)
    table = sa.Table("accounts", sa.MetaData(), schema=database.schema, autoload_with=database.engine)
    has_one, begun = threading.Event(), []

    def name(connection, value, *numbers):
        rows = table.c.ID.in_([guid(number) for number in numbers])
        connection.execute(sa.update(table).where(table.c["_division"] == 1, rows).values(Name=value))

    def is_blocked():
        with database.engine.connect() as third:
            return third.scalar(sa.text("SELECT cardinality(pg_blocking_pids(:pid)) > 0"), {"pid": pid})

    def work(connection):
        begun.append(connection)
        if database.kind == "postgresql":
            # Who looks first for a deadlock is the one that gives way.
            connection.execute(sa.text("SET LOCAL deadlock_timeout = '100ms'"))
        name(connection, "ours", 1)
        has_one.set()
        if database.kind == "postgresql" and len(begun) == 1:
            # PostgreSQL looks once, and would not see what is no deadlock yet.
            assert until(is_blocked)
        name(connection, "ours", 2)

    engines = database.connect(), database.connect()
    for engine in engines:
        tune(engine)
    with ThreadPoolExecutor(1) as pool, engines[0].connect() as other:
        if database.kind == "postgresql":
            other.execute(sa.text("SET deadlock_timeout = '60s'"))
            pid = other.scalar(sa.text("SELECT pg_backend_pid()"))
        # MariaDB ends the transaction that has changed less.
        name(other, "theirs", *range(2, 30))
        ours = pool.submit(in_transaction, engines[1], work)
        assert has_one.wait(timeout=120)
        name(other, "theirs", 1)
        other.commit()
        ours.result(timeout=120)
    assert len(begun) == 2
    assert "Trying the transaction again" in caplog.text
    assert names(database, 1)[1:4] == ["ours", "ours", "theirs"]
