"""A running Airflow with a running emulator, and what a test asks of them over HTTP."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from tools.demo.emulator import CONN_ID, Emulator
from tools.demo.local_airflow import LocalAirflow, http
from tools.demo.processes import Processes, end_of, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
ENDED = {"success", "failed"}
# Seconds to wait for what takes a few of them on an idle machine.
PATIENCE = 300.0
IS_NEWEST = tuple(map(int, version("apache-airflow").split(".")[:2])) >= (3, 3)


@dataclass
class RunningAirflow:
    """An Airflow with its four processes, whose default connection is signed in to an emulator."""

    airflow: LocalAirflow
    emulator: Emulator
    processes: Processes
    _token: str = field(default="", repr=False)

    def api(self, method: str, path: str, **options: Any) -> Any:
        """Call Airflow's REST API."""
        if not self._token:
            self._token = http().get(f"{self.airflow.url}/auth/token", timeout=120).json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        answer = http().request(method, f"{self.airflow.url}/api/v2/{path}", headers=headers, timeout=120, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def trigger(self, dag_id: str, **conf: Any) -> Run:
        """Start a run of a Dag, as soon as Airflow has read it."""
        pattern = {"dag_id_pattern": dag_id}
        self.wait_for(lambda: self.api("GET", "dags", params=pattern)["total_entries"], f"the Dag {dag_id}")
        answer = self.api("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return Run(self, dag_id, answer["dag_run_id"])

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Start a run of a Dag and wait for its end."""
        run = self.trigger(dag_id, **conf)
        run.wait()
        return run

    def calls(self, method: str, endpoint: str, text: str = "") -> list[dict[str, Any]]:
        """Return the calls that the emulator saw, those only that have a text in their query."""
        return [
            call
            for call in self.emulator.control.calls()
            if (call["method"], call["endpoint"].casefold()) == (method, endpoint.casefold())
            and text in unquote_plus(call["query"])
        ]

    def wait_for(self, ready: Callable[[], bool], what: str, *, timeout: float = PATIENCE) -> None:
        """Poll until something is so; fail with the ends of the logs when it takes too long."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.processes.check()
            if time.monotonic() > deadline:
                logs = "\n\n".join(f"{p.name}:\n{end_of(p.log, 12)}" for p in self.processes.running)
                raise AssertionError(f"{what}: not within {timeout:.0f} seconds\n\n{logs}")
            time.sleep(0.25)


@dataclass(frozen=True)
class Run:
    """A run of a Dag."""

    running: RunningAirflow = field(repr=False)
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        return f"dags/{self.dag_id}/dagRuns/{self.run_id}"

    @property
    def state(self) -> str:
        return str(self.running.api("GET", self.path)["state"])

    def wait(self, timeout: float = PATIENCE) -> None:
        self.running.wait_for(lambda: self.state in ENDED, f"the end of {self.dag_id}", timeout=timeout)

    def assert_succeeded(self) -> None:
        """Fail with the ends of the logs of what failed, unless all tasks succeeded."""
        tasks = self.tasks()
        logs = {name: self.log(name)[-3000:] for name, state in tasks.items() if state == "failed" and "[" not in name}
        assert set(tasks.values()) == {"success"}, (tasks, logs)

    def tasks(self) -> dict[str, str | None]:
        """Return the state of each task; a mapped one has its index behind its name."""
        found: dict[str, str | None] = {}
        while True:
            # Airflow gives no more than 100 at once.
            page = {"limit": 100, "offset": len(found), "order_by": "id"}
            listed = self.running.api("GET", f"{self.path}/taskInstances", params=page)
            for task in listed["task_instances"]:
                index = "" if task["map_index"] < 0 else f"[{task['map_index']}]"
                found[task["task_id"] + index] = task["state"]
            if len(found) >= listed["total_entries"]:
                return found

    def tries(self, task_id: str) -> int:
        return int(self.running.api("GET", f"{self.path}/taskInstances/{task_id}")["try_number"])

    def xcom_keys(self, task_id: str) -> set[str]:
        listed = self.running.api("GET", f"{self.path}/taskInstances/{task_id}/xcomEntries")
        return {entry["key"] for entry in listed["xcom_entries"]}

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """Return what a task returned, or pushed under another key."""
        path = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.running.api("GET", path, params={"deserialize": "false", "stringify": "false"})["value"]

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return all that a try of a task logged, as text."""
        path = f"{self.path}/taskInstances/{task_id}/logs/{try_number}"
        content = self.running.api("GET", path, params={"full_content": "true", "map_index": map_index})["content"]
        return "\n".join(str(line) for line in content)


@contextmanager
def running_airflow(
    folder: Path, dags: Path, settings: Mapping[str, str] | None = None, *, app: tuple[str, str] | None = None
) -> Iterator[RunningAirflow]:
    """
    Start an emulator and an Airflow, and end both.

    :param settings: More of Airflow's settings, as environment variables.
    :param app: Client id and secret of an app to register, when it is not to be the emulator's own.
    """
    with Processes() as processes:
        # Many runs share its minute and its day; how the provider meets the limits is tested elsewhere.
        options = ["--calls-per-minute", "10000", "--calls-per-day", "100000"]
        emulator = Emulator.start(processes, *options, port=free_port(), log=folder / "emulator.log")
        airflow = LocalAirflow(folder / "home", dags, free_port(), settings)
        emulator.wait_until_ready()
        if app is not None:
            emulator.control.register_app(*app, "Airflow under test")
        airflow.prepare({CONN_ID: emulator.signed_in_connection(app)})
        airflow.start(processes)
        airflow.wait_until_healthy(processes, timeout=300)
        yield RunningAirflow(airflow, emulator, processes)
