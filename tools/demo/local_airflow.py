"""An Airflow in a folder: its settings, its database and its four processes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from tools.demo.processes import LOOPBACK, ROOT, DemoError, Process, Processes, end_of, shown, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Seconds that SQLite's writers wait for each other; after the usual 5, a busy machine gets "database is locked".
LOCK_TIMEOUT = 60
# Seconds without a heartbeat after which a scheduler counts as dead, and its tasks are started once more. A busy
# machine's may need more than the usual 30.
SCHEDULER_TIMEOUT = 300
COMPONENTS = {
    "api-server": ["--host", LOOPBACK],
    # Their own log servers would listen on every interface; the api-server reads the same folder anyway.
    "scheduler": ["--skip-serve-logs"],
    "triggerer": ["--skip-serve-logs"],
    "dag-processor": [],
}


def bare_environment() -> dict[str, str]:
    """Return this process's environment without another Airflow's settings or proxies for loopback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    exempt = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), LOOPBACK, "localhost"]))
    return kept | {"NO_PROXY": exempt, "no_proxy": exempt, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class LocalAirflow:
    """
    An Airflow that keeps everything in ``home`` and listens on loopback only.

    :param dags: The folder with the Dags.
    :param settings: More settings, as environment variables.
    :param path: The path that the web server is below, with its slash in front.
    """

    home: Path
    dags: Path
    port: int
    settings: Mapping[str, str] | None = None
    path: str = ""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}{self.path}"

    @property
    def log_folder(self) -> Path:
        return self.home / "logs"

    def _secret(self, name: str) -> str:
        """Return a random key, made on first use: Airflow's processes must all have the same."""
        path = self.home / "keys" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(base64.urlsafe_b64encode(os.urandom(32 if name == "fernet" else 64)))
            path.chmod(0o600)
        return path.read_text(encoding="ascii")

    def environment(self) -> dict[str, str]:
        return (
            bare_environment()
            | {
                "AIRFLOW_HOME": str(self.home),
                "AIRFLOW__API_AUTH__JWT_SECRET": self._secret("jwt"),
                "AIRFLOW__API__SECRET_KEY": self._secret("sessions"),
                "AIRFLOW__CORE__FERNET_KEY": self._secret("fernet"),
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API__HOST": LOOPBACK,
                "AIRFLOW__API__PORT": str(self.port),
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "tools" / "demo" / "plugins"),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
                "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout={LOCK_TIMEOUT}",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(SCHEDULER_TIMEOUT),
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            }
            | dict(self.settings or {})
        )

    def start_inside(self, processes: Processes, *, log: Path, **environment: str) -> Process:
        """Start :mod:`tools.demo.inside`; it imports Airflow and waits for :meth:`hand_over`."""
        command = [sys.executable, "-m", "tools.demo.inside"]
        env = self.environment() | environment
        return processes.start("Airflow", command, env=env, log=log, stdin=subprocess.PIPE)

    def hand_over(self, inside: Process, todo: Mapping[str, Any]) -> None:
        """Tell :mod:`tools.demo.inside` what to do."""
        assert inside.popen.stdin is not None
        # When it has ended already, its exit code and its log say more than a broken pipe.
        with suppress(BrokenPipeError), inside.popen.stdin as stdin:
            stdin.write(json.dumps(todo).encode())

    def prepare(self, connections: Mapping[str, Mapping[str, Any]]) -> None:
        """Make the database and store connections in it."""
        log = self.log_folder / "prepare.log"
        with Processes() as processes:
            inside = self.start_inside(processes, log=log)
            self.hand_over(inside, {"connections": connections})
            if inside.popen.wait():
                raise DemoError(f"{end_of(log)}\n\nAirflow's database could not be prepared: see {shown(log)}.")

    def start(self, processes: Processes) -> None:
        """Start the web server, the scheduler, the triggerer and the Dag processor, and return at once."""
        for name, options in COMPONENTS.items():
            command = [sys.executable, "-m", "airflow", name, *options]
            processes.start(name, command, env=self.environment(), log=self.log_folder / f"{name}.log")

    def is_healthy(self) -> bool:
        try:
            answer = http().get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        if answer.status_code != 200:
            return False
        parts = answer.json()
        return all(parts[part]["status"] == "healthy" for part in ("scheduler", "triggerer", "dag_processor"))

    def wait_until_healthy(self, processes: Processes, *, timeout: float = 300) -> None:
        def ready() -> bool:
            processes.check()
            return self.is_healthy()

        wait_until(ready, "A healthy Airflow", timeout=timeout)


def http() -> requests.Session:
    """Return a session for this machine, whatever proxies the environment names."""
    session = requests.Session()
    session.trust_env = False
    return session
