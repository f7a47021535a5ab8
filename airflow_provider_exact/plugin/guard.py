"""What holds for every request to the page and every answer of it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_exact.plugin.addresses import CALLBACK
from airflow_provider_exact.signing_in import RedirectQuery

QUERY = "exact_online.redirect_query"


def redirect_query(request: Request) -> RedirectQuery:
    """Return the query of a redirect from Exact; empty for any other request."""
    query = request.scope.get(QUERY)
    return query if isinstance(query, RedirectQuery) else RedirectQuery()


class Guard:
    """
    Keeps the query out of Airflow's access log, which would note Exact's code, and answers out of caches and frames.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own = dict(scope)
        # Everything around this app, the log included, looks at the same scope; the app sees the copy.
        scope["query_string"] = b""
        if scope["path"].endswith(CALLBACK):
            # Frames of the app's middleware hold the copy as a local variable, and the code must be in none.
            own[QUERY] = RedirectQuery.of(own["query_string"].decode("latin-1"))
            own["query_string"] = b""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = "no-store"
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
            await send(message)

        await self.app(own, receive, with_headers)
