"""Pages of rows, the next one under way while the caller works on the one it has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.client.pagination import Page, Pages
from airflow_provider_exact.client.rows import RowReader
from airflow_provider_exact.client.transport import Request

if TYPE_CHECKING:
    from airflow_provider_exact.client.calls import Calls


def pages_ahead(calls: Calls, request: Request, reader: RowReader) -> Iterator[Page]:
    """
    Yield the pages of a list.

    A page is yielded before an error that stands in the way of the next one is raised.
    """
    links = Pages(calls.site)
    executor = ThreadPoolExecutor(1, thread_name_prefix="exact-online-page")
    try:
        fetch = calls.ahead(calls.call(request), executor)
        while True:
            page = reader.read(fetch(), request)
            calls.usage.records += len(page.records)
            try:
                following = links.next_request(page, request)
                if following is not None:
                    fetch = calls.ahead(calls.call(following), executor)
            except ExactError:
                yield page
                raise
            yield page
            if following is None:
                return
            request = following
    finally:
        executor.shutdown(wait=False)
