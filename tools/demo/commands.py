"""What ``make demo`` and ``make ui`` do, and what they print."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.demo.emulator import CONN_ID, Emulator
from tools.demo.local_airflow import LocalAirflow
from tools.demo.processes import ROOT, DemoError, Processes, end_of, require_free_port, shown
from tools.demo.report import Step, summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import Popen

DAG_ID = "example_project_hours"
DAGS = ROOT / "example_dags"


@dataclass(frozen=True)
class Demo:
    """Which of the two commands it is, where they keep their files, and the ports that they use."""

    name: str
    folder: Path
    emulator_port: int
    airflow_port: int

    @property
    def airflow(self) -> LocalAirflow:
        # Apart from each other: a scheduler would take the tasks of `make demo` for its own.
        return LocalAirflow(self.folder / self.name, DAGS, self.airflow_port)

    def emulator(self, processes: Processes) -> Emulator:
        return Emulator.start(processes, port=self.emulator_port, log=self.folder / f"{self.name}-emulator.log")

    def require_free_emulator_port(self) -> None:
        require_free_port(self.emulator_port, "the emulator", "EMULATOR_PORT")

    def require_free_airflow_port(self) -> None:
        require_free_port(self.airflow_port, "Airflow", "AIRFLOW_PORT")


def run_demo(demo: Demo) -> int:
    """Run the example Dag once in one process, and tell what each of its steps did."""
    started_at = time.monotonic()
    demo.require_free_emulator_port()
    log, events = demo.folder / "demo.log", demo.folder / "demo-events.jsonl"
    demo.folder.mkdir(parents=True, exist_ok=True)
    for old in (log, events):
        old.unlink(missing_ok=True)
    with Processes() as processes:
        say(f"Starting the emulator of Exact Online on port {demo.emulator_port} and Airflow")
        emulator = demo.emulator(processes)
        # Airflow takes some seconds to import; it waits for its work while the emulator comes up.
        airflow = demo.airflow.start_inside(processes, log=log, DEMO_EVENTS=str(events))
        emulator.wait_until_ready()
        say(f"Signing in, and running the Dag {DAG_ID}\n")
        dag = {"path": str(DAGS / f"{DAG_ID}.py"), "dag_id": DAG_ID}
        demo.airflow.hand_over(airflow, {"connections": {CONN_ID: emulator.signed_in_connection()}, "dag": dag})
        steps = []
        for step in follow(events, airflow.popen):
            steps.append(step)
            say(step.line())
            if step.state == "failed":
                # What follows would only wait for retries.
                raise DemoError(
                    f"{end_of(log)}\n\nThe step {step.name} failed: {step.error}\nAll of its log is in {shown(log)}."
                )
        statistics = emulator.control.statistics()
    if airflow.popen.returncode or not steps:
        raise DemoError(f"{end_of(log)}\n\nThe Dag did not succeed; the lines above are the end of {shown(log)}.")
    say(summary(steps, statistics, seconds=time.monotonic() - started_at, log=log))
    return 0


def run_ui(demo: Demo) -> int:
    """Run a full Airflow and the emulator until Ctrl-C."""
    demo.require_free_emulator_port()
    demo.require_free_airflow_port()
    airflow = demo.airflow
    with Processes() as processes:
        say("Starting the emulator of Exact Online and preparing Airflow's database")
        emulator = demo.emulator(processes)
        emulator.wait_until_ready()
        airflow.prepare({CONN_ID: emulator.signed_in_connection()})
        say("Starting Airflow's web server, scheduler, triggerer and Dag processor")
        airflow.start(processes)
        airflow.wait_until_healthy(processes)
        say(
            f"""
Airflow    {airflow.url}  (no sign-in needed)
Emulator   {emulator.url}  (an Exact Online with made-up data; it forgets everything at the end)
Logs       {shown(demo.folder)}

1. Open {airflow.url}/dags/{DAG_ID} and press Trigger: it writes, finds, changes and deletes project hours.
2. Open {airflow.url}/connections: edit {CONN_ID} to see the form of Exact Online, or press its Test button.

Ctrl-C ends everything that was started here."""
        )
        with suppress(KeyboardInterrupt):
            while True:
                processes.check()
                time.sleep(1)
        say("\nEnding Airflow and the emulator")
    return 0


def follow(events: Path, process: Popen[bytes]) -> Iterator[Step]:
    """Yield each step as soon as it is written down, until the process ends."""
    position = 0
    ended = False
    while not ended:
        # Looked up before the file is read, so that lines written just before the end are seen.
        ended = process.poll() is not None
        if not events.exists():
            text = ""
        else:
            with events.open("rb") as lines:
                lines.seek(position)
                text = lines.read().decode()
        complete, _, _ = text.rpartition("\n")
        position += len(complete.encode()) + 1 if complete else 0
        for line in complete.splitlines():
            fields: dict[str, Any] = json.loads(line)
            yield Step(**fields)
        time.sleep(0 if ended else 0.1)


def say(text: str) -> None:
    print(text, flush=True)
