"""The operator that writes tables: they equal the emulator's truth, whatever happened in between."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from sqlalchemy.engine import make_url

from airflow_provider_exact.assets import create_asset
from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactRequestError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.transfers.all_cursors import all_cursors
from airflow_provider_exact.transfers.to_sql import ExactOnlineToSqlOperator

HOURS = "project/TimeTransactions"
SYNC = "sync/Project/TimeCostTransactions"
IMPORTS = "from airflow_provider_exact.transfers.to_sql import ExactOnlineToSqlOperator"


@pytest.fixture
def warehouse(database, monkeypatch):
    """Make ``warehouse`` a connection to the database, of a type that needs no provider."""
    url = make_url(database.url)
    fields = {"host": url.database}
    if database.kind != "sqlite":
        fields = {"host": url.host, "port": url.port, "login": url.username, "schema": url.database}
    made = {"conn_type": "generic", "extra": {"sqlalchemy_scheme": url.drivername}, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(made))
    return database


def operator(database, **options):
    options = {"endpoint": SYNC, **options}
    table = options.pop("table", database.name("hours"))
    return ExactOnlineToSqlOperator(task_id="load", sql_conn_id="warehouse", table=table, **options)


def run(task, run_id="one"):
    """Execute as a task of a Dag run does, but for Airflow's stores."""
    ti = SimpleNamespace(dag_id="loads", task_id="load", run_id=run_id, map_index=-1, try_number=1)
    return task.execute({"ti": ti})


def table_of(database, name="hours", division=None):
    """Return the rows as records are elsewhere."""
    return {
        str(row["ID"]): {field: plain(value) for field, value in row.items() if not field.startswith("_")}
        for row in database.rows(name)
        if not row["_deleted"] and division in {None, row["_division"]}
    }


def truth_of(endpoint, select="*", division=None):
    known = catalogue.resolve(endpoint)
    fields = [field.name for field in known.properties if not field.hidden and field.target is None]
    if select != "*":
        fields = select
    records = ExactOnlineHook(division=division).list_records(endpoint, select=fields)
    return {record["ID"]: {name: plain(record.get(name)) for name in fields} for record in records}


def plain(value):
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, str) and len(value) >= 20 and value.endswith("Z"):
        return datetime.fromisoformat(value).replace(tzinfo=None)
    return value if value is None or isinstance(value, int | float) else str(value)


def change_hours(times):
    hook = ExactOnlineHook()
    rows = list(hook.list_records(HOURS, filter={"HourStatus": 1}, select="ID,Item,Project", top=2 * times))
    for number, row in enumerate(rows[:times]):
        hook.update_record(HOURS, row["ID"], {"Notes": f"changed {number} 😀"})
        data = {"Item": row["Item"], "Project": row["Project"], "Quantity": 2, "Date": date(2026, 11, 2)}
        hook.create_record(HOURS, {**data, "Notes": f"new {number}"})
    for row in rows[times:]:
        hook.delete_record(HOURS, row["ID"])


def test_the_table_equals_the_truth_through_changes_deletions_and_a_move(connection, warehouse):
    # No limit that slows calls down; two pages.
    connection.settings(calls_per_minute=1_000_000, time_transactions=1100)
    told = run(operator(warehouse))
    truth = truth_of(SYNC)
    assert table_of(warehouse) == truth
    assert told == {
        "endpoint": SYNC,
        "source": SYNC,
        "division": connection.division,
        "mode": "incremental",
        "reload": None,
        "table": warehouse.name("hours"),
        "rows": len(truth),
        "deletions": 0,
        "swept": 0,
        "load": 1,
    }
    change_hours(3)
    told = run(operator(warehouse), "two")
    assert (told["rows"], told["deletions"], told["load"]) == (6, 3, 1)
    assert table_of(warehouse) == truth_of(SYNC)
    change_hours(2)
    connection.move_division(connection.division)
    told = run(operator(warehouse), "three")
    assert "moved" in told["reload"]
    assert told["load"] == 2
    assert table_of(warehouse) == truth_of(SYNC)
    before = connection.count()
    told = run(operator(warehouse), "four")
    assert (told["rows"], connection.count() - before) == (0, 2)
    assert {row["_load"] for row in warehouse.rows("hours")} == {2}


def test_a_full_run_lets_go_of_what_is_no_longer_there(connection, warehouse):
    fields = ["ID", "Code", "Name", "Modified"]
    options = {"endpoint": "crm/Accounts", "select": fields, "prefer": "bulk", "mode": "full", "deletions": "mark"}
    run(operator(warehouse, **options))
    gone = next(iter(table_of(warehouse)))
    ExactOnlineHook().delete_record("crm/Accounts", gone)
    told = run(operator(warehouse, **options), "two")
    assert (told["swept"], told["load"]) == (1, 2)
    assert table_of(warehouse) == truth_of("sync/CRM/Accounts", fields)
    assert [str(row["ID"]) for row in warehouse.rows("hours") if row["_deleted"]] == [gone]


def test_a_daily_limit_in_the_middle_costs_no_page_twice(connection, warehouse):
    options = {"endpoint": HOURS, "select": "ID,Notes", "prefer": "plain", "mode": "full", "deferrable": False}
    connection.settings(calls_per_minute=1_000_000)
    connection.fault("day_limit", endpoint=HOURS, nth=20)
    with pytest.raises(ExactRateLimitError):
        run(operator(warehouse, **options))
    from airflow_provider_exact import accounts

    accounts.forget()
    told = run(operator(warehouse, **options))
    assert told["rows"] == len(table_of(warehouse)) == 3000
    assert connection.count(endpoint=HOURS, status=200) == 50


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": ""}, "table: a value is needed"),
        ({"sql_conn_id": None}, "sql_conn_id: a value is needed"),
        ({"deletions": "drop"}, "deletions: expected one of delete, mark, ignore, not 'drop'"),
        ({"batch_size": 0}, "batch_size: expected a whole number above 0"),
        ({"mode": "daily"}, "mode: expected 'full' or 'incremental'"),
    ],
)
def test_what_can_not_be_right_is_refused_while_the_dag_is_read(options, words):
    arguments = {"task_id": "load", "endpoint": "crm/Accounts", "sql_conn_id": "warehouse", "table": "a", **options}
    with pytest.raises(ExactRequestError) as refused:
        ExactOnlineToSqlOperator(**arguments)
    assert words in str(refused.value)


def test_what_the_database_can_not_take_is_refused_before_any_call(connection, warehouse):
    warehouse.run('CREATE TABLE {schema}"mine" ("ID" INTEGER)')
    with pytest.raises(AirflowFailException, match="was not made by this operator"):
        run(operator(warehouse, table=warehouse.name("mine")))
    with pytest.raises(AirflowFailException, match="table: expected 'table' or"):
        run(operator(warehouse, table="a.b.c"))
    with pytest.raises(AirflowFailException, match="mode='full'"):
        run(operator(warehouse, endpoint="system/Me"))
    assert connection.count() == 0


# Airflow's part is the same for all databases.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_in_airflow_divisions_share_a_table_and_a_person_can_reset_one(dags, succeed, events, connection, warehouse):
    dag = dags(
        f"""
        ExactOnlineToSqlOperator.partial(
            task_id="load",
            endpoint="crm/Accounts",
            sql_conn_id="warehouse",
            table="{warehouse.name("accounts")}",
            select=["ID", "Name"],
        ).expand(division={list(connection.divisions)})
        """,
        "tables",
        imports=IMPORTS,
    )
    first, second = succeed(dag), succeed(dag)
    count = dict.fromkeys(connection.divisions, 0)
    for row in warehouse.rows("accounts"):
        count[row["_division"]] += 1
    assert {told["division"]: told["rows"] for told in first.values()} == count
    assert all(count.values())
    assert {told["rows"] for told in second.values()} == {0}
    _, _, extra, *_ = events()[0]
    assert (extra["table"], extra["sql_conn_id"]) == (warehouse.name("accounts"), "warehouse")

    chosen = connection.divisions[1]
    uri = create_asset(region_or_host=connection.url, division=chosen, endpoint="crm/Accounts").uri
    found = next(one for one in all_cursors()[0] if one.kept.asset == uri)
    found.store.put(found.kept.by_a_person(None, now=datetime.now(UTC).timestamp()))
    for wanted in ({**dict.fromkeys(count, 0), chosen: count[chosen]}, dict.fromkeys(count, 0)):
        assert {told["division"]: told["rows"] for told in succeed(dag).values()} == wanted


def test_openlineage_learns_what_was_read_and_written(connection, warehouse):
    task = operator(warehouse, endpoint="crm/Accounts", select="ID,Name")
    run(task)
    found = task.get_openlineage_facets_on_complete(None)
    assert [one.name for one in found.inputs] == [
        f"{connection.division}/crm/Accounts",
        f"{connection.division}/sync/Deleted",
    ]
    [written] = found.outputs
    assert written.name.endswith("hours")
    columns = [field.name for field in written.facets["schema"].fields]
    assert sorted(columns) == ["ID", "Name", "Timestamp", "_deleted", "_division", "_load"]
