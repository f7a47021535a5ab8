"""What must never happen, provoked: a token sent to another host, a record created twice."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from tests.system.other_program import OtherProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.running import RunningAirflow


@pytest.fixture
def foreign_host() -> Iterator[tuple[str, list[str]]]:
    """Start another host that writes down who calls it."""
    received: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_no_token_goes_to_another_host_and_nothing_is_created_twice(
    running: RunningAirflow, foreign_host: tuple[str, list[str]]
):
    host, received = foreign_host
    name = "Created once"
    running.emulator.control.fault("reset_after", method="POST", endpoint="crm/Accounts")
    running.emulator.control.fault("next_elsewhere", endpoint="project/WBSActivities", host=host, times=0)
    run = running.run("provoked", name=name)
    assert run.tasks() == {"create_without_an_answer": "success", "list_pages": "failed"}

    assert received == []
    # Each of its three tries was led astray.
    assert len(running.calls("GET", "project/WBSActivities")) == 3
    assert host in run.log("list_pages")

    # The answer was lost after the work was done: the record is looked for and found, and nothing is sent again.
    posts = [call for call in running.calls("POST", "crm/Accounts") if call["fault"] == "reset_after"]
    assert len(posts) == 1
    assert len(OtherProgram(running.emulator).find("crm/Accounts", f"Name eq '{name}'")) == 1
    assert run.tries("create_without_an_answer") == 1
