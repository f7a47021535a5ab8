"""One call below ``/docs/``, where Exact's web pages are: the files of attachments, and the XML API."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_exact.emulator import attachments, xml_api
from airflow_provider_exact.emulator.answers import FILE_PAGE, refusal_answer
from airflow_provider_exact.emulator.api import guarded
from airflow_provider_exact.emulator.calls import PageCall
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.routes import Route
from airflow_provider_exact.emulator.state import Emulator

PREFIX = "/docs/"
PAGES: dict[str, tuple[str, Callable[[PageCall], Response]]] = {
    FILE_PAGE.casefold(): ("GET", attachments.answer),
    xml_api.DOWNLOAD.casefold(): ("GET", xml_api.download),
    xml_api.UPLOAD.casefold(): ("POST", xml_api.upload),
}


def find_page(path: str, query: bytes) -> Route | None:
    """Return where the address of a page leads, or ``None`` if it is none; its query names the division."""
    if not path.lower().startswith(PREFIX):
        return None
    division = parse_qs(query.decode("latin-1")).get("_Division_", [""])[0]
    return Route(int(division) if division.isdecimal() and len(division) < 10 else None, path.strip("/"), None)


async def answer(emulator: Emulator, request: Request) -> Response:
    """Answer a call below ``/docs/``."""
    route = find_page(request.scope["path"], request.scope["query_string"])
    method, page = PAGES.get(route.path.casefold() if route else "", ("", None))
    if route is None or page is None:
        return refusal_answer(Refusal(404), as_json=False)
    if request.method != method:
        return refusal_answer(Refusal(405, headers={"Allow": method}), as_json=False)
    body = await request.body()
    options = {name.casefold(): value for name, value in request.query_params.items()}
    return guarded(
        emulator,
        request,
        route,
        lambda grant: page(PageCall(emulator, route, grant, options, body)),
        as_json=False,
    )
