"""Where the browser comes back to after a sign-in: a listener on loopback for one request, or the pasted address."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.client.site import is_loopback
from airflow_provider_exact.signing_in import RedirectQuery

PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Exact Online</title>"
    "<body style='font-family:system-ui;margin:4rem auto;max-width:32rem'>"
    "<h1>{title}</h1><p>You can close this page and go on in the terminal.</p></body></html>"
)


def query_of(address: str) -> RedirectQuery:
    """Return the query of an address; empty for a text that is not an address."""
    try:
        return RedirectQuery.of(urlsplit(address.strip()).query)
    except ValueError:
        return RedirectQuery()


def checked(query: RedirectQuery, state: str) -> RedirectQuery:
    """
    Return the query of the redirect.

    :raises ExactTokenError: the query belongs to another sign-in, or there is none.
    """
    if not query.values:
        raise ExactTokenError(
            "No address of a sign-in was given. Start again, and paste the whole address that the browser shows after "
            "you allowed access, from http to its end."
        )
    if not query.answers(state):
        raise ExactTokenError(
            "This address does not belong to the sign-in that was just started. Start again, and paste the whole "
            "address that the browser shows after you allowed access, also when the browser can't open the page."
        )
    return query


class _IPv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Listener:
    """
    Server on a loopback redirect URI, which waits for the browser to come back from Exact.

    :param state: State of the sign-in; any other request is answered and forgotten.
    :raises OSError: something else listens there, Airflow itself for example.
    """

    def __init__(self, redirect_uri: str, state: str) -> None:
        self._state = state
        parts = urlsplit(redirect_uri)
        self._path = parts.path or "/"
        self._query = RedirectQuery()
        # In threads, since browsers open connections ahead that they may never use.
        host = parts.hostname or "127.0.0.1"
        server = _IPv6Server if ":" in host else ThreadingHTTPServer
        self._server = server((host, parts.port or 80), self._handler())

    @staticmethod
    def suits(redirect_uri: str) -> bool:
        """Whether the browser can come back to this machine."""
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and is_loopback(parts.hostname or "")

    def wait(self) -> RedirectQuery:
        """Return the query that the browser came with."""
        with self._server:
            self._server.serve_forever(poll_interval=0.1)
        return self._query

    def _answer(self, address: str) -> RedirectQuery | None:
        """Return the query of the redirect; ``None`` for a stray request."""
        query = query_of(address)
        return query if query.answers(self._state) and urlsplit(address).path == self._path else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = listener._answer(self.path)
                title = "Nothing here" if query is None else "Back from Exact Online"
                try:
                    self.send_response(404 if query is None else 200)
                    self.send_header("Content-Type", "text/html; charset=utf-8")
                    self.end_headers()
                    self.wfile.write(PAGE.format(title=title).encode())
                finally:
                    # The browser may be gone before the page is written.
                    if query is not None:
                        listener._query = query
                        listener._server.shutdown()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: the address holds the code."""

        return Handler
