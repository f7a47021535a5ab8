"""Real processes on a real database against the emulator, and a connection that they are signed in with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONN_ID = "exact_online_default"
ENVIRONMENT = (f"AIRFLOW_CONN_{CONN_ID.upper()}", "_AIRFLOW_PROCESS_CONTEXT")


class Forks:
    """The program ``forks.py``, asked for one thing after another."""

    def __init__(self, program):
        self._program = program

    def ask_at_once(self, number):
        """Return what each of many processes got: ``{"token": …}`` or ``{"error": …}``."""
        answers = self._do(number=number)
        assert len(answers) == number
        return answers

    def die_at(self, step):
        """Return the signal that ended a process at a step of its work."""
        return self._do(die_at=step)

    def _do(self, **wanted):
        wanted["environment"] = {name: os.environ[name] for name in ENVIRONMENT}
        self._program.stdin.write(json.dumps(wanted) + "\n")
        self._program.stdin.flush()
        # Airflow's own log lines may stand before the answer.
        return json.loads(next(line for line in self._program.stdout if line.startswith('{"answer"')))["answer"]


@pytest.fixture(scope="session")
def program(migrated_database):
    environment = os.environ | {"_AIRFLOW_PROCESS_CONTEXT": "server"}
    file = Path(__file__).with_name("forks.py")
    with subprocess.Popen(
        [sys.executable, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        yield Forks(running)
        running.stdin.close()


@pytest.fixture
def forks(server, program):
    return program


@pytest.fixture
def waiting(emulator, server, monkeypatch):
    """Make a connection that nobody used yet, with a refresh token that is old enough."""
    extra = {"division": emulator.division, "refresh_token": emulator.sign_in()["refresh_token"]}
    connection = {"conn_type": "exact_online", "host": emulator.url, "login": emulator.client_id}
    connection |= {"password": emulator.client_secret, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    emulator.advance(571)
    return emulator
