"""Rows as an extraction hands them over: read from pages as Exact sends them."""

from __future__ import annotations

import msgspec

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.rows import Column, RowReader
from airflow_provider_exact.client.transport import Request, Response
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.sql_table import Table

COLUMNS = (Column("ID", "Guid"), Column("Name", "String"), Column("Timestamp", "Int64"))
REQUEST = Request("GET", "https://exact.test/api/v1/1/sync/CRM/Accounts", subject="GET sync/CRM/Accounts")


def guid(number):
    return f"00000000-0000-4000-8000-{number:012x}"


def plan_of(
    columns=COLUMNS, *, division=1, mode="incremental", by="Timestamp", key=("ID",), path="crm/Accounts", **more
):
    return Plan(division, Endpoint(path), Endpoint(f"sync/{path}"), tuple(columns), key, mode, by, **more)


def cursor_at(timestamp):
    return Cursor(source="sync/crm/Accounts", fields=("ID",), timestamp=timestamp)


def at(timestamp, *, started=None, page=None, phase="records", rows=0, deletions=0):
    """Return a checkpoint; ``page`` is where to go on."""
    begin = None if started is None else cursor_at(started)
    url = None if page is None else f"https://exact.test/page/{page}"
    return Checkpoint(
        started=begin, reached=cursor_at(timestamp), phase=phase, next_url=url, rows=rows, deletions=deletions
    )


def page(records, columns=COLUMNS):
    """Return rows as ``RowReader`` makes them of an answer."""
    body = msgspec.json.encode({"d": {"results": records}})
    return RowReader(tuple(columns), Table.moments).read(Response(200, body=body), REQUEST).records


def account(number, name, timestamp):
    return {"ID": guid(number), "Name": name, "Timestamp": str(timestamp)}


def table_of(database, *, name="accounts", engine=None, wish=None, **options):
    table = Table(engine or database.engine, database.name(name), **({"run": "run 1"} | options))
    table.wish = wish
    return table


def load(table, plan, pages, *, deleted=(), started=None, reached=100):
    """Extract these pages, and then these deletions."""
    table.open(plan, at(0, started=started))
    count = 0
    for number, records in enumerate(pages, 1):
        count += len(records)
        table.write(page(records, plan.columns), at(reached, started=started, page=number, rows=count))
    if deleted:
        keys = [(guid(number),) for number in deleted]
        table.delete(keys, at(reached, started=started, phase="deletions", rows=count, deletions=len(keys)))
    return table.finish(at(reached, started=started, phase="done", rows=count, deletions=len(deleted)))
