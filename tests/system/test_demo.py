"""What `make demo` prints when it goes well and when it does not, and that it leaves nothing running."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from airflow_provider_exact.emulator.testing import EmulatorController
from tests.system.running import IS_NEWEST
from tools.demo.emulator import Emulator
from tools.demo.local_airflow import bare_environment
from tools.demo.processes import LOOPBACK, DemoError, Process, Processes, free_port, require_free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

STEPS = ["choose_project_and_item", "create_hours", "wait_for_hours", "list_hours", "update_hours", "delete_hours"]
runs_the_demo = pytest.mark.skipif(not IS_NEWEST, reason="`make demo` runs on the locked Airflow")


def start_demo(processes: Processes, folder: Path, port: int) -> Process:
    command = [sys.executable, "-m", "tools.demo", "demo", "--folder", str(folder), "--emulator-port", str(port)]
    return processes.start("make demo", command, env=bare_environment(), log=folder / "output.log")


@runs_the_demo
def test_the_demo_shows_each_step_and_how_to_go_on(tmp_path: Path):
    port = free_port()
    with Processes() as processes:
        demo = start_demo(processes, tmp_path, port)
        code = demo.popen.wait(400)
    said = demo.log.read_text(encoding="utf-8")
    assert code == 0, said
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("  ")}
    assert {step: lines[step][0] for step in STEPS} == dict.fromkeys(STEPS, "success")
    assert "Quantity 2.0" in " ".join(lines["create_hours"])
    assert "8 steps in " in said
    assert "1 DELETE, 7 GET, 2 POST, 1 PUT" in said
    assert "make ui" in said
    require_free_port(port, "what was ended", "port")


@runs_the_demo
def test_a_step_that_fails_ends_the_demo_with_its_error_and_its_log(tmp_path: Path):
    port = free_port()
    with Processes() as processes:
        demo = start_demo(processes, tmp_path, port)
        emulator = Emulator(demo, port)
        emulator.wait_until_ready()
        EmulatorController(emulator.url).fault(
            "business_error",
            method="POST",
            endpoint="project/TimeTransactions",
            message="The period is closed.",
            times=0,
        )
        code = demo.popen.wait(400)
    said = demo.log.read_text(encoding="utf-8")
    assert code == 1
    assert "The step create_hours failed: " in said
    assert said.count("The period is closed.") > 1
    assert "demo.log" in said.splitlines()[-1]
    require_free_port(port, "what was ended", "port")


def test_a_program_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path):
    with Processes() as processes:
        command = [sys.executable, "-c", "print('it can not go on'); raise SystemExit(3)"]
        process = processes.start("The program", command, env=bare_environment(), log=tmp_path / "log")
        process.popen.wait(120)
        with pytest.raises(DemoError, match=r"(?s)it can not go on.*The program ended by itself \(exit code 3\)"):
            processes.check()


def test_stopping_ends_a_program_that_does_not_listen_and_its_children(tmp_path: Path):
    port = free_port()
    child = (
        f"import socket, time; listener = socket.create_server(('{LOOPBACK}', {port})); "
        "print('up', flush=True); time.sleep(99)"
    )
    parent = (
        "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f'subprocess.run([sys.executable, "-c", """{child}"""])'
    )
    processes = Processes()
    process = processes.start("Stubborn", [sys.executable, "-c", parent], env=bare_environment(), log=tmp_path / "log")
    wait_until(lambda: "up" in process.log.read_text(encoding="utf-8"), "the start of the child", timeout=120)
    processes.stop(patience=0.2)
    assert process.popen.returncode == -signal.SIGKILL

    def nobody_listens() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex((LOOPBACK, port)) != 0

    wait_until(nobody_listens, "the end of the child", timeout=60)
