"""A page: its records, and the request for the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.errors import ExactResponseError
from airflow_provider_exact.client.serialisation import number_readers, read_record
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import Request, Response


@dataclass(frozen=True)
class Page:
    """The records of one answer, as dicts or as rows of a ``RowReader``, and where it says that the list goes on."""

    records: list[Any]
    next_url: str | None = None


def read_page(response: Response, request: Request, endpoint: Endpoint) -> Page:
    """
    Return the records of an answer: ``{"d": {"results": […]}}``, ``{"d": […]}``, ``{"d": {…}}`` or nothing.

    :raises ExactResponseError: it has none of them.
    """
    content = response.json
    inner: Any = content.get("d") if isinstance(content, dict) else None
    match inner:
        case list() as rows:
            next_url = None
        case {"results": list() as rows}:
            next_url = inner.get("__next") or None
        case dict():
            rows, next_url = [inner], None
        case None if content is None:
            rows, next_url = [], None
        case _:
            raise ExactResponseError(
                f"{request}: the answer has no records in it ({_shape(content)}).", status=response.status
            )
    if not all(isinstance(row, dict) for row in rows):
        raise ExactResponseError(f"{request}: the answer lists something else than records.", status=response.status)
    readers = number_readers(endpoint)
    return Page([read_record(row, readers) for row in rows], next_url)


def read_one(response: Response, request: Request, endpoint: Endpoint) -> dict[str, Any] | None:
    """
    Return the record of an answer, or ``None`` when it has no content.

    :raises ExactResponseError: it holds something else than one record.
    """
    records = read_page(response, request, endpoint).records
    if len(records) > 1:
        raise ExactResponseError(f"{request}: {len(records)} records came instead of one.", status=response.status)
    return records[0] if records else None


def _shape(content: object) -> str:
    return f"keys: {', '.join(sorted(map(str, content)))}" if isinstance(content, dict) else type(content).__name__


class Pages:
    """Follows the links of one list: only on the connection's own site, and never one twice."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._seen: set[str] = set()

    def next_request(self, page: Page, request: Request) -> Request | None:
        """
        Return the request for the page after this one, or ``None`` when this was the last.

        :param request: The request that ``page`` answered.
        :raises ExactResponseError: the link leads to another host, or to where this list has been.
        """
        if not page.next_url:
            return None
        if not self.site.owns(page.next_url):
            # The next call carries our access token: an answer does not get to choose who receives it.
            raise ExactResponseError(
                f"{request}: the list goes on at another host, which is not followed: {page.next_url.partition('?')[0]}"
            )
        self._seen.add(request.url)
        if page.next_url in self._seen:
            raise ExactResponseError(
                f"{request}: the list goes on at a page it has been on already; it would never end."
            )
        return replace(request, url=page.next_url)
