"""
Ways to get one list into files. Each imports what it needs and returns the work, so that the two can be measured apart.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.extraction.pages import DIVISION

TOKEN = "benchmark"
HEADERS = {"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
Work = Callable[[], object]


@dataclass(frozen=True)
class Task:
    """
    Rows to get.

    :param server: The server's address.
    :param path: The endpoint.
    :param fields: What to ask for with ``$select``.
    :param folder: Where the files go.
    """

    server: str
    path: str
    fields: tuple[str, ...]
    folder: Path

    @property
    def prefer(self) -> Literal["sync", "plain"]:
        """The kind of endpoint."""
        return "sync" if self.path.startswith("sync/") else "plain"

    @property
    def url(self) -> str:
        return f"{self.server}/api/v1/{DIVISION}/{self.path}?$select={','.join(self.fields)}"


def to_files(format: Literal["jsonl", "csv", "parquet"]) -> Callable[[Task], Work]:
    """Return this provider's way."""

    def prepare(task: Task) -> Work:
        extra = {"division": DIVISION, "access_token": TOKEN}
        os.environ["AIRFLOW_CONN_BENCHMARK"] = json.dumps(
            {"conn_type": "exact_online", "host": task.server, "extra": extra}
        )
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator

        operator = ExactOnlineToFileOperator(
            task_id="extract",
            exact_online_conn_id="benchmark",
            endpoint=task.path,
            select=task.fields,
            prefer=task.prefer,
            path=str(task.folder),
            format=format,
        )
        # What the operator puts off.
        for name in ("assets", "extract.engine", "extract.files", "extract.sources", "transfers.cursors"):
            importlib.import_module(f"airflow_provider_exact.{name}")
        operator.hook.get_conn()
        if format == "parquet":
            importlib.import_module("pyarrow.parquet")
        # Loads Airflow's plugins, as every process of a task does before its operator begins.
        get_hook_lineage_collector()
        return lambda: operator.execute({})

    return prepare


def without_json(task: Task) -> Work:
    """Store the answers as they come; the link to the next page is found as text."""
    import requests

    def work() -> None:
        session, url = requests.Session(), task.url
        with (task.folder / "rows.pages").open("wb") as file:
            while url:
                body = session.get(url, headers=HEADERS, timeout=60).content
                file.write(body)
                found = re.search(rb'"__next":"([^"]+)"', body[-4096:])
                url = found[1].decode() if found else ""

    return work


def plain_loop(task: Task) -> Work:
    """Return a loop as one writes it by hand: no types, and dates as Exact writes them."""
    import orjson
    import requests

    def work() -> None:
        session, url = requests.Session(), task.url
        with (task.folder / "rows.jsonl").open("wb") as file:
            while url:
                page = orjson.loads(session.get(url, headers=HEADERS, timeout=60).content)["d"]
                for record in page["results"]:
                    del record["__metadata"]
                    file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
                url = page.get("__next")

    return work


def plain_loop_to_parquet(task: Task) -> Work:
    """Return the same loop into Parquet; every page has the types of the first one, as far as that shows them."""
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq
    import requests

    def work() -> None:
        session, url, writer, schema = requests.Session(), task.url, None, None
        while url:
            page = orjson.loads(session.get(url, headers=HEADERS, timeout=60).content)["d"]
            for record in page["results"]:
                del record["__metadata"]
            table = pa.Table.from_pylist(page["results"], schema)
            if writer is None:
                schema = table.schema
                writer = pq.ParquetWriter(task.folder / "rows.parquet", schema)
            writer.write_table(table)
            url = page.get("__next")
        if writer is not None:
            writer.close()

    return work


def http_operator(task: Task) -> Work:
    """Airflow's operator for any HTTP service, used as its documents say."""
    os.environ["AIRFLOW_CONN_BENCHMARK"] = json.dumps({"conn_type": "http", "host": task.server})
    from airflow.providers.http.operators.http import HttpOperator

    def next_page(response: Any) -> dict[str, str] | None:
        url = json.loads(response.content)["d"].get("__next")
        return {"endpoint": url.removeprefix(task.server)} if url else None

    def write(responses: list[Any]) -> None:
        with (task.folder / "rows.jsonl").open("w", encoding="utf-8") as file:
            for response in responses:
                for record in json.loads(response.content)["d"]["results"]:
                    del record["__metadata"]
                    file.write(json.dumps(record) + "\n")

    operator = HttpOperator(
        task_id="extract",
        http_conn_id="benchmark",
        method="GET",
        endpoint=task.url.removeprefix(task.server),
        headers=HEADERS,
        pagination_function=next_page,
        response_filter=write,
    )
    return lambda: operator.execute({})


def dlt_client(task: Task) -> Work:
    """Return a loop over the pages of dlt's client for any REST service, written as lines."""
    import orjson
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

    # Reads dlt's configuration, for which it imports all of Airflow where that is installed.
    client = RESTClient(base_url=task.server, headers=HEADERS, paginator=JSONLinkPaginator("d.__next"))

    def work() -> None:
        with (task.folder / "rows.jsonl").open("wb") as file:
            for page in client.paginate(task.url.removeprefix(task.server), data_selector="d.results"):
                for record in page:
                    del record["__metadata"]
                    file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    return work


# With the packages that they need.
CONTESTANTS: dict[str, tuple[tuple[str, ...], Callable[[Task], Work]]] = {
    "this provider, JSONL": ((), to_files("jsonl")),
    "without JSON": ((), without_json),
    "requests + orjson": (("orjson",), plain_loop),
    "HttpOperator": (("airflow.providers.http",), http_operator),
    "dlt": (("dlt", "orjson"), dlt_client),
    "this provider, Parquet": (("pyarrow",), to_files("parquet")),
    "requests + orjson + pyarrow": (("orjson", "pyarrow"), plain_loop_to_parquet),
}
