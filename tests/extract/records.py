"""Plans, rows and checkpoints of a made-up list, as an extraction hands them to a destination."""

from __future__ import annotations

import msgspec

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.rows import Column, RowReader
from airflow_provider_exact.client.transport import Request, Response
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor
from airflow_provider_exact.extract.plan import Plan

COLUMNS = (
    Column("Timestamp", "Int64"),
    Column("ID", "Guid"),
    Column("Date", "DateTime"),
    Column("Notes", "String"),
    Column("Hours", "Double"),
    Column("Number", "Int32"),
    Column("Closed", "Boolean"),
    Column("Anything"),
)
ENDPOINT = catalogue.resolve("sync/Project/TimeCostTransactions")


def a_plan(**changes):
    known = {"columns": COLUMNS, "key": ("ID",), "by": "Timestamp", "mode": "incremental"}
    return Plan(1, ENDPOINT, ENDPOINT, **(known | changes))


def rows_for(destination, records, plan=None):
    """Read records, as Exact sends them, into the rows that a destination gets."""
    reader = RowReader((plan or a_plan()).columns, destination.moments)
    body = msgspec.json.encode({"d": records})
    request = Request("GET", "https://exact.test/api/v1/1/sync", subject="GET sync")
    return reader.read(Response(200, body=body), request).records


def checkpoint(at, **more):
    """Return the checkpoint behind the page with this number."""
    cursor = Cursor(source=ENDPOINT.path, fields=("ID",), timestamp=at)
    return Checkpoint(reached=cursor, next_url=f"https://exact.test/{at}", pages=at, **more)


def record(name, timestamp, **more):
    return {"ID": name, "Timestamp": str(timestamp), **more}
