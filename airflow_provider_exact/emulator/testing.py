"""Start the emulator from a test: :func:`running_emulator` in a thread, :func:`emulator_process` in a process."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import requests

from airflow_provider_exact.emulator.settings import CLIENT_ID, CLIENT_SECRET, DIVISIONS, PASSWORD, USER_NAME, Settings

PATIENCE = 30.0


class EmulatorError(RuntimeError):
    """The emulator could not be started, or refused a control call; the message says why."""


class EmulatorController:
    """
    A running emulator, seen from a test.

    ``url`` is what a connection's Server URL must be.
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET
    user_name = USER_NAME
    password = PASSWORD
    division = DIVISIONS[0].code
    divisions = tuple(info.code for info in DIVISIONS)

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        # A proxy that the environment names can't reach this machine's loopback.
        self._session.trust_env = False

    def __repr__(self) -> str:
        return f"<emulator on {self.url}>"

    def _control(self, method: str, path: str, body: object = None) -> Any:
        answer = self._session.request(method, f"{self.url}/_emulator/{path}", json=body, timeout=PATIENCE)
        if not answer.ok:
            raise EmulatorError(answer.json().get("detail", answer.text) if answer.content else answer.reason)
        return answer.json() if answer.content else None

    def sign_in(
        self, *, client_id: str | None = None, user_name: str | None = None, divisions: list[int] | None = None
    ) -> dict[str, str]:
        """Return a fresh ``access_token`` and ``refresh_token``, as the token endpoint would hand them out."""
        wanted = {"client_id": client_id or self.client_id, "user_name": user_name, "divisions": divisions}
        signed_in: dict[str, str] = self._control(
            "POST", "sign-in", {name: value for name, value in wanted.items() if value is not None}
        )
        return signed_in

    def register_app(
        self,
        client_id: str,
        client_secret: str,
        name: str,
        *,
        redirect_uris: tuple[str, ...] = (),
        scopes: dict[str, str] | None = None,
    ) -> None:
        self._control(
            "POST",
            "apps",
            {
                "client_id": client_id,
                "client_secret": client_secret,
                "name": name,
                "redirect_uris": list(redirect_uris),
                "scopes": scopes,
            },
        )

    def advance(self, seconds: float) -> float:
        """Move the emulator's clock and return its new time."""
        return float(self._control("POST", "clock", {"advance": seconds})["now"])

    def hold(self) -> float:
        """Stop the emulator's clock and return its time."""
        return float(self._control("POST", "clock", {"hold": True})["now"])

    def resume(self) -> float:
        """Let a held clock run again and return its time."""
        return float(self._control("POST", "clock", {"hold": False})["now"])

    def now(self) -> float:
        """Return the emulator's time, in seconds since the epoch."""
        return float(self._control("GET", "clock")["now"])

    def fault(self, kind: str, **details: Any) -> None:
        """
        Let something go wrong.

        :param details: ``method``, ``endpoint``, ``nth``, ``times`` say which call; ``status``, ``seconds``, ``host``,
            ``body``, ``message`` say how.
        """
        self._control("POST", "faults", {"kind": kind, **details})

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._control("DELETE", "faults")

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = self._control("GET", "statistics")
        return found

    def count(self, *, method: str | None = None, endpoint: str | None = None, status: int | None = None) -> int:
        """Return how many calls there were, of these if given."""
        return sum(
            int(row["count"])
            for row in self.statistics()["calls"]
            if method in {None, row["method"]}
            and endpoint in {None, row["endpoint"]}
            and status in {None, row["status"]}
        )

    def calls(self) -> list[dict[str, Any]]:
        """Return the last calls, the oldest first."""
        found: list[dict[str, Any]] = self._control("GET", "calls")
        return found

    def secrets(self) -> list[str]:
        """Return what may appear nowhere: client secrets, and every code and token that was handed out."""
        found: list[str] = self._control("GET", "secrets")
        return found

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings, if any are given, and return them all."""
        found: dict[str, Any] = (
            self._control("PATCH", "settings", changes) if changes else self._control("GET", "settings")
        )
        return found

    def move_division(self, division: int) -> None:
        """Do what Exact does when it moves a division: every ``Timestamp`` starts again."""
        self._control("POST", "move-division", {"division": division})

    def reset(self) -> None:
        """Go back to the seed; every token is gone."""
        self._control("POST", "reset")

    def close(self) -> None:
        self._session.close()


@contextlib.contextmanager
def running_emulator(*, port: int = 0, start_at: float | None = None, **settings: Any) -> Iterator[EmulatorController]:
    """
    Run the emulator in a thread of this process.

    :param port: 0 for any free one.
    :param start_at: Where its clock starts, in seconds since the epoch.
    :param settings: Any of ``python -m airflow_provider_exact.emulator --help``, with ``_`` for ``-``.
    """
    # FastAPI and uvicorn take a moment to import; tests that use another process do without.
    from airflow_provider_exact.emulator.server import address_of, listen, make_server
    from airflow_provider_exact.emulator.state import Emulator

    server = make_server(Emulator(Settings().changed(settings), start_at=start_at))
    bound = listen("127.0.0.1", port)
    # The socket listens already: whoever connects before the loop runs is simply answered a little later.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="emulator", daemon=True)
    controller = EmulatorController(address_of(bound))
    thread.start()
    try:
        yield controller
    finally:
        controller.close()
        server.should_exit = True
        thread.join(PATIENCE)
        bound.close()


@contextlib.contextmanager
def emulator_process(*options: str) -> Iterator[EmulatorController]:
    """
    Run the emulator in a process of its own, on any free port.

    :param options: As on the command line.
    """
    command = [sys.executable, "-m", "airflow_provider_exact.emulator", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            first = process.stdout.readline() if process.stdout else ""
            found = re.search(r"http://\S+", first)
            if found is None:
                raise EmulatorError("The emulator did not start; see its message above.")
            controller = EmulatorController(found[0])
            yield controller
            controller.close()
        finally:
            process.terminate()
