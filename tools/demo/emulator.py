"""The emulator as a process of its own, and a connection that is signed in to it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import requests

from airflow_provider_exact.emulator.testing import EmulatorController
from tools.demo.local_airflow import bare_environment, http
from tools.demo.processes import LOOPBACK, Process, Processes, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONN_ID = "exact_online_default"


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    process: Process
    port: int

    @classmethod
    def start(cls, processes: Processes, *options: str, port: int, log: Path) -> Emulator:
        command = [sys.executable, "-m", "airflow_provider_exact.emulator", "--port", str(port), *options]
        return cls(processes.start("The emulator", command, env=bare_environment(), log=log), port)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @cached_property
    def control(self) -> EmulatorController:
        """What one may ask of the emulator itself."""
        return EmulatorController(self.url)

    def wait_until_ready(self, *, timeout: float = 120) -> None:
        def ready() -> bool:
            self.process.checked()
            try:
                return http().get(f"{self.url}/_emulator/health", timeout=5).status_code == 200
            except requests.RequestException:
                return False

        wait_until(ready, "An answer of the emulator", timeout=timeout)

    def refresh_token(self, client_id: str | None = None) -> str:
        """Sign in, and return a refresh token that may be traded in now."""
        token = self.control.sign_in(client_id=client_id)["refresh_token"]
        # Like Exact, the emulator trades no token in that it gave out less than 570 seconds ago.
        self.control.advance(600)
        return token

    def signed_in_connection(self, app: tuple[str, str] | None = None) -> dict[str, str | int]:
        """
        Sign in, and return the fields of an Airflow connection that goes on from there.

        :param app: Client id and secret of an app that is not the emulator's own.
        """
        client_id, client_secret = app or (self.control.client_id, self.control.client_secret)
        return {
            "conn_type": "exact_online",
            # Apart from the port, since Airflow 3.3.2 tests no connection in its web UI that has no port.
            "host": f"http://{LOOPBACK}",
            "port": self.port,
            "login": client_id,
            "password": client_secret,
            "extra": json.dumps({"division": self.control.division, "refresh_token": self.refresh_token(client_id)}),
        }
