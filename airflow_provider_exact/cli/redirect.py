"""Where the browser comes back to after a sign-in: a listener on loopback for one request, or the pasted address."""

from __future__ import annotations

import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.client.site import is_loopback

PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Exact Online</title>"
    "<body style='font-family:system-ui;margin:4rem auto;max-width:32rem'>"
    "<h1>{title}</h1><p>You can close this page and go on in the terminal.</p></body></html>"
)


def answer_in(address: str, state: str) -> dict[str, str]:
    """
    Return the query of the address that the browser ended at, decoded once.

    :raises ExactTokenError: it belongs to another sign-in.
    """
    answer = dict(parse_qsl(urlsplit(address.strip()).query))
    if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise ExactTokenError(
            "This address does not belong to the sign-in that was just started. Copy the whole address that the "
            "browser shows after you allowed access, from this start, and try again."
        )
    return answer


class Listener:
    """
    Waits on a loopback redirect URI for the browser.

    :raises OSError: something else listens there, Airflow itself for example.
    """

    def __init__(self, redirect_uri: str) -> None:
        parts = urlsplit(redirect_uri)
        self._path = parts.path or "/"
        self._address = ""
        # In threads, since browsers open connections ahead that they may never use.
        self._server = ThreadingHTTPServer((parts.hostname or "127.0.0.1", parts.port or 80), self._handler())

    @staticmethod
    def suits(redirect_uri: str) -> bool:
        """Whether the browser can come back to this machine."""
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and is_loopback(parts.hostname or "")

    def wait(self) -> str:
        """Return the address that the browser came with."""
        with self._server:
            self._server.serve_forever(poll_interval=0.1)
        return self._address

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                ours = parts.path == listener._path and bool(parts.query)
                title = "Back from Exact Online" if ours else "Nothing here"
                self.send_response(200 if ours else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(PAGE.format(title=title).encode())
                if ours:
                    listener._address = self.path
                    listener._server.shutdown()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: the address holds the code."""

        return Handler
