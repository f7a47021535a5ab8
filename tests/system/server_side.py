"""
A process with the API server's rights on an Airflow's database, for what a test can't ask over HTTP.

Started by :class:`ServerSide` in that Airflow's environment. It reads a line of JSON with an order and answers with a
line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tools.demo.emulator import CONN_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.demo.local_airflow import LocalAirflow

# Longer than an access token lives, and than Exact remembers errors: the triggerer's own clock does not move, so it
# learns by a few 401s that its token has expired, which would not happen otherwise.
AGE = 3601
ANSWER = "answer: "
# Airflow encrypts these; everything else in its database can be read by whoever reads the database.
ENCRYPTED = {("variable", "val"), ("connection", "password"), ("connection", "extra")}


@dataclass
class ServerSide:
    """The process, seen from a test."""

    airflow: LocalAirflow
    log: Path
    _popen: subprocess.Popen[str] | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        env = self.airflow.environment() | {"_AIRFLOW_PROCESS_CONTEXT": "server"}
        command = [sys.executable, "-m", "tests.system.server_side"]
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._popen is not None
        # It ends with its input.
        self._popen.communicate(timeout=300)

    def _ask(self, order: str, **arguments: Any) -> Any:
        assert self._popen is not None
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps({"order": order, **arguments}) + "\n")
        self._popen.stdin.flush()
        with self.log.open("a", encoding="utf-8") as log:
            for line in self._popen.stdout:
                if line.startswith(ANSWER):
                    return json.loads(line.removeprefix(ANSWER))
                # Airflow logs to standard output.
                log.write(line)
        raise AssertionError(self.log.read_text(encoding="utf-8")[-20000:])

    def expire(self, emulator_url: str) -> None:
        """Let the stored token be an hour older, for Exact and for whoever reads it."""
        self._ask("expire", emulator_url=emulator_url)

    def sign_in(self, code: str, redirect_uri: str) -> str:
        """Finish a sign-in as the page does; return who signed in."""
        return str(self._ask("sign_in", code=code, redirect_uri=redirect_uri))

    def ask(self) -> str:
        """Return who is signed in, by a call of this process's own."""
        return str(self._ask("ask"))

    def kept(self) -> dict[str, Any]:
        """Return what the token Variable holds."""
        found: dict[str, Any] = self._ask("kept")
        return found

    def columns_with(self, texts: list[str]) -> list[str]:
        """Return the columns of the database in which any of these texts occurs; not those that are encrypted."""
        return list(self._ask("columns_with", texts=texts))


def expire(emulator_url: str) -> None:
    """Expire the token at Exact and by the clocks of workers, under the lease: no worker refreshes in between."""
    from airflow_provider_exact.connection import find_connection
    from airflow_provider_exact.emulator.testing import EmulatorController
    from airflow_provider_exact.tokens import variables

    settings = find_connection(CONN_ID)
    assert settings is not None
    store = settings.token_store()
    while True:
        with store.try_lock() as held:
            if held:
                now = time.time()
                aged = kept() | {"issued_at": now - AGE, "expires_at": now - AGE + 600}
                variables.write(store.key, json.dumps(aged), description="")
                EmulatorController(emulator_url).advance(AGE)
                return
        time.sleep(0.2)


def sign_in(code: str, redirect_uri: str) -> str:
    from airflow_provider_exact import signing_in
    from airflow_provider_exact.client.auth.token import AuthorizationCode
    from airflow_provider_exact.connection import find_connection

    settings = find_connection(CONN_ID)
    assert settings is not None
    return signing_in.finish(settings, AuthorizationCode(code), redirect_uri).user


def ask() -> str:
    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

    return str(ExactOnlineHook().get_me()["UserName"])


def kept() -> dict[str, Any]:
    from airflow_provider_exact.connection import find_connection
    from airflow_provider_exact.tokens import variables

    settings = find_connection(CONN_ID)
    assert settings is not None
    found: dict[str, Any] = json.loads(variables.read(settings.token_key) or "{}")
    return found


def columns_with(texts: list[str]) -> list[str]:
    from airflow.models import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import MetaData, select

    found = set()
    with create_session() as session:
        tables = MetaData()
        tables.reflect(bind=session.get_bind())
        for table in tables.sorted_tables:
            for row in session.execute(select(table)).mappings():
                for name, value in row.items():
                    if (table.name, name) not in ENCRYPTED and any(text in as_text(value) for text in texts):
                        found.add(f"{table.name}.{name}")
        for trigger in session.scalars(select(Trigger)):
            if any(text in as_text(trigger.kwargs) for text in texts):
                found.add("trigger.kwargs")
    return sorted(found)


def as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


ORDERS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (expire, sign_in, ask, kept, columns_with)}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = ORDERS[order.pop("order")](**order)
        print(ANSWER + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
