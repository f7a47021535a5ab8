"""A running Airflow with a running emulator, and what a test asks of them over HTTP."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
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
# Seconds that a condition may take. An idle machine needs a few of them.
TIMEOUT = 600.0
PASSWORDS = {"ann": "ann's password", "vic": "vic's password"}
# Tests share the minutes and days of these emulators. test_limits.py has emulators with limits.
NO_LIMITS = ("--calls-per-minute", "1000000", "--calls-per-day", "1000000")


@dataclass
class RunningAirflow:
    """An Airflow with its four processes, whose default connection is signed in to an emulator."""

    airflow: LocalAirflow
    emulator: Emulator
    processes: Processes
    _token: str = field(default="", repr=False)

    @property
    def token(self) -> str:
        """JSON web token of the administrator Ann."""
        if not self._token:
            ann = {"username": "ann", "password": PASSWORDS["ann"]}
            answer = http().post(f"{self.airflow.url}/auth/token", json=ann, timeout=120)
            assert answer.ok, answer.text
            self._token = answer.json()["access_token"]
        return self._token

    def start_emulator(self, name: str, *options: str) -> Emulator:
        """Start one more emulator, with a separate clock and separate limits."""
        log = self.airflow.home.with_name(f"emulator-{name}.log")
        emulator = Emulator.start(self.processes, *options, port=free_port(), log=log)
        emulator.wait_until_ready(timeout=TIMEOUT)
        return emulator

    def connect(self, conn_id: str, fields: Mapping[str, Any]) -> None:
        """Store a connection."""
        self.api("POST", "connections", json={"connection_id": conn_id, "conn_type": "exact_online", **fields})

    def api(self, method: str, path: str, *, root: str = "api/v2", **options: Any) -> Any:
        """Call Airflow's REST API, or the API of Airflow's pages, with the root ``ui``."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        answer = http().request(method, f"{self.airflow.url}/{root}/{path}", headers=headers, timeout=120, **options)
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
        """Return the calls that the default connection's emulator saw, only those with a text in their query."""
        return calls_of(self.emulator, method, endpoint, text)

    def wait_for(self, ready: Callable[[], bool], what: str, *, timeout: float = TIMEOUT) -> None:
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

    def wait(self, timeout: float = TIMEOUT) -> None:
        self.running.wait_for(lambda: self.state in ENDED, f"the end of {self.dag_id}", timeout=timeout)

    def wait_for_processes_to_end(self, *tasks: str) -> None:
        """
        Wait until the scheduler has seen that the processes of deferred or rescheduled tasks ended.

        Airflow's scheduler fails a task that is queued again before then.
        """
        log = self.running.airflow.log_folder / "scheduler.log"
        run = f"TaskInstance Finished: dag_id={self.dag_id}, task_id=%s, run_id={self.run_id}, map_index=%s, "
        ends = [run % parts_of(name) for name in tasks]

        def are_logged() -> bool:
            logged = log.read_text(encoding="utf-8", errors="replace")
            return all(end in logged for end in ends)

        self.running.wait_for(are_logged, f"the end of the processes of {tasks}")

    def assert_succeeded(self) -> None:
        """Fail with the ends of the logs of what failed, unless all tasks succeeded."""
        tasks = self.tasks()
        failed = [name for name, state in tasks.items() if state == "failed"]
        assert set(tasks.values()) == {"success"}, (tasks, self.ends(*failed))

    def ends(self, *tasks: str) -> dict[str, str]:
        """Return the end of each task's log and Airflow's events of the task, by name."""
        found = {}
        for name in tasks:
            task_id, map_index = parts_of(name)
            instance = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": task_id, "map_index": map_index}
            events = self.running.api("GET", "eventLogs", params=instance)["event_logs"]
            told = "\n".join(f"{event['event']}: {event['extra']}" for event in events)
            found[name] = f"{self.log(task_id, map_index)[-3000:]}\n{told}"
        return found

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

    def log(self, task_id: str, map_index: int = -1, try_number: int = 1) -> str:
        """Return all that a try of a task logged, as text."""
        path = f"{self.path}/taskInstances/{task_id}/logs/{try_number}"
        content = self.running.api("GET", path, params={"full_content": "true", "map_index": map_index})["content"]
        return "\n".join(str(line) for line in content)


def parts_of(name: str) -> tuple[str, int]:
    """Return the id and the map index of ``task[3]``; the index of ``task`` is -1."""
    task_id, _, index = name.rstrip("]").partition("[")
    return task_id, int(index or -1)


def calls_of(emulator: Emulator, method: str, endpoint: str, text: str = "") -> list[dict[str, Any]]:
    """Return the calls that an emulator saw, only those with a text in their query."""
    return [
        call
        for call in emulator.control.calls()
        if (call["method"], call["endpoint"].casefold()) == (method, endpoint.casefold())
        and text in unquote_plus(call["query"])
    ]


@contextmanager
def running_airflow(
    folder: Path, dags: Path, settings: Mapping[str, str] | None = None, *, app: tuple[str, str]
) -> Iterator[RunningAirflow]:
    """
    Start an emulator and an Airflow with the users Ann (administrator) and Vic (viewer), and end both.

    :param settings: More of Airflow's settings, as environment variables.
    :param app: Client id and secret of the app to register for the default connection.
    """
    folder.mkdir(exist_ok=True)
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps(PASSWORDS), encoding="utf-8")
    users = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ann:admin,vic:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        # All Dags are there from the start.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
    }
    airflow = LocalAirflow(folder / "home", dags, free_port(), users | dict(settings or {}), path="/team")
    with Processes() as processes:
        emulator = Emulator.start(processes, *NO_LIMITS, port=free_port(), log=folder / "emulator.log")
        emulator.wait_until_ready(timeout=TIMEOUT)
        emulator.control.register_app(*app, "Airflow under test")
        airflow.prepare({CONN_ID: emulator.signed_in_connection(app)})
        airflow.start(processes)
        airflow.wait_until_healthy(processes, timeout=TIMEOUT)
        yield RunningAirflow(airflow, emulator, processes)
