"""
A server that knows one list and sends it as cheaply as it can; what it costs is not what is measured.

``GET /_seen`` returns and forgets how many calls there were, and how many seconds it waited for one after an answer.
"""

from __future__ import annotations

import argparse
import functools
import json
import socketserver
import time
from collections import Counter

from airflow_provider_exact.client.catalogue import resolve
from benchmarks.extraction.pages import DIVISION, Pages

PLENTY = 1_000_000
NOT_THE_LIST = {
    "system/Divisions": b'{"d":{"results":[{"Code":%d,"Description":"Voorbeeld","DivisionMoveDate":null}]}}' % DIVISION,
}
NOTHING = b'{"d":{"results":[]}}'


class Server(socketserver.ThreadingTCPServer):
    """:param delay: Seconds between a call and its answer, as between here and Exact."""

    daemon_threads = True

    def __init__(self, path: str, pages: Pages, delay: float) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.base = f"/api/v1/{DIVISION}/"
        self.path = path
        self.pages = pages
        self.delay = delay
        self.forget()
        self.page = functools.lru_cache(2)(pages.page)

    def forget(self) -> None:
        self.calls: Counter[str] = Counter()
        self.waited = 0.0
        self.answered_at: float | None = None

    def answer(self, target: str) -> tuple[bytes, str | None]:
        """Return the body of an answer, and the address of the next page."""
        path = target.partition("?")[0].removeprefix(self.base)
        if path == "/_seen":
            seen = {"calls": self.calls, "waited": self.waited}
            self.forget()
            return json.dumps(seen).encode(), None
        self.calls[path] += 1
        if self.answered_at is not None:
            self.waited += time.monotonic() - self.answered_at
        if path == f"{self.path}/$count":
            return b"%d" % self.pages.rows, None
        found = self.page(self.url + target) if path == self.path else (NOT_THE_LIST.get(path, NOTHING), None)
        time.sleep(self.delay)
        return found


class Connection(socketserver.StreamRequestHandler):
    """Answers one call after another."""

    server: Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            body, next_url = self.server.answer(line.split()[1].decode())
            now = int(time.time())
            head = (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\n"
                f"X-RateLimit-Limit: {PLENTY}\r\nX-RateLimit-Remaining: {PLENTY - 1}\r\n"
                f"X-RateLimit-Reset: {(now // 86400 + 1) * 86400_000}\r\n"
                f"X-RateLimit-Minutely-Limit: {PLENTY}\r\nX-RateLimit-Minutely-Remaining: {PLENTY - 1}\r\n"
                f"X-RateLimit-Minutely-Reset: {(now // 60 + 1) * 60_000}\r\n\r\n"
            )
            try:
                self.connection.sendall(head.encode())
                self.connection.sendall(body)
            except ConnectionError:
                return
            self.server.answered_at = time.monotonic() if next_url else None
            if next_url is not None:
                # Made while the caller works, so that nobody waits for it.
                self.server.page(next_url)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("endpoint", help="the list to send")
    parser.add_argument("rows", type=int)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    endpoint = resolve(given.endpoint)
    with Server(endpoint.path, Pages(endpoint, given.rows), given.delay) as server:
        print(server.url, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
