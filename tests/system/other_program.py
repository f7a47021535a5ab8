"""Other programs on the same Exact Online: with apps of their own, since signing in twice to one ends the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.demo.local_airflow import http

if TYPE_CHECKING:
    from tools.demo.emulator import Emulator

SECRET = "other-secret"


def register(emulator: Emulator, number: int) -> tuple[str, str]:
    """Register an app, and return its client id and secret."""
    client_id = f"0e5f0000-0000-4000-8000-{number:012}"
    emulator.control.register_app(client_id, SECRET, f"Another program ({number})")
    return client_id, SECRET


@dataclass(frozen=True)
class OtherProgram:
    """Creates and lists records in the emulator's first division, with none of our code."""

    emulator: Emulator

    def _call(self, method: str, endpoint: str, **options: Any) -> Any:
        client_id, _ = register(self.emulator, 1)
        token = self.emulator.control.sign_in(client_id=client_id)["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        url = f"{self.emulator.url}/api/v1/{self.emulator.control.division}/{endpoint}"
        answer = http().request(method, url, headers=headers, timeout=120, **options)
        assert answer.ok, f"{method} {endpoint}: {answer.status_code} {answer.text}"
        return answer.json()["d"]

    def create(self, endpoint: str, record: dict[str, Any]) -> None:
        self._call("POST", endpoint, json=record)

    def find(self, endpoint: str, condition: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", endpoint, params={"$filter": condition})["results"]
        return found
