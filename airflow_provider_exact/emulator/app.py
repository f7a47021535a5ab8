"""The emulator as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from airflow_provider_exact.emulator import api, control, oauth, pages
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.wire import Wire

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MERGE"]


def make_app(emulator: Emulator) -> Wire:
    """Return the application that answers for ``emulator``."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    @app.get("/")
    async def hello() -> Response:
        return PlainTextResponse("An emulated Exact Online. Its state: /_emulator/health\n")

    async def exact(request: Request) -> Response:
        return await api.answer(emulator, request)

    async def page(request: Request) -> Response:
        return await pages.answer(emulator, request)

    app.include_router(oauth.router(emulator))
    app.include_router(control.router(emulator))
    app.add_api_route("/docs/{path:path}", page, methods=METHODS, include_in_schema=False)
    app.add_api_route("/{path:path}", exact, methods=METHODS, include_in_schema=False)
    return Wire(app, emulator)
