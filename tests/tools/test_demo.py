"""Output of `make demo` and `make ui` when all goes well and when it does not, and their end."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from airflow_provider_exact.emulator.testing import EmulatorController
from tests.system.running import TIMEOUT
from tools.demo.emulator import CONN_ID, Emulator
from tools.demo.local_airflow import bare_environment, http
from tools.demo.processes import (
    LOOPBACK,
    DemoError,
    Process,
    Processes,
    end_of,
    free_port,
    require_free_port,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

STEPS = ["choose_project_and_item", "create_hours", "wait_for_hours", "list_hours", "update_hours", "delete_hours"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def start_demo(processes: Processes, folder: Path, port: int) -> Process:
    command = [sys.executable, "-m", "tools.demo", "demo", "--folder", str(folder), "--emulator-port", str(port)]
    return processes.start("make demo", command, env=bare_environment(), log=folder / "output.log")


def test_the_demo_shows_each_step_and_how_to_go_on(tmp_path: Path):
    port = free_port()
    with Processes() as processes:
        demo = start_demo(processes, tmp_path, port)
        code = demo.popen.wait(TIMEOUT)
    said = demo.log.read_text(encoding="utf-8")
    assert code == 0, said
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("  ")}
    assert {step: lines[step][0] for step in STEPS} == dict.fromkeys(STEPS, "success")
    assert "Quantity 2.0" in " ".join(lines["create_hours"])
    assert "8 steps in " in said
    assert "1 DELETE, 7 GET, 2 POST, 1 PUT" in said
    assert "make ui" in said
    require_free_port(port, "what was ended", "port")


def test_a_step_that_fails_ends_the_demo_with_its_error_and_its_log(tmp_path: Path):
    port = free_port()
    with Processes() as processes:
        demo = start_demo(processes, tmp_path, port)
        emulator = Emulator(demo, port)
        emulator.wait_until_ready(timeout=TIMEOUT)
        EmulatorController(emulator.url).fault(
            "business_error",
            method="POST",
            endpoint="project/TimeTransactions",
            message="The period is closed.",
            times=0,
        )
        code = demo.popen.wait(TIMEOUT)
    said = demo.log.read_text(encoding="utf-8")
    assert code == 1
    assert "The step create_hours failed: " in said
    assert said.count("The period is closed.") > 1
    assert "demo.log" in said.splitlines()[-1]
    require_free_port(port, "what was ended", "port")


def test_make_ui_lists_what_to_do_and_ends_everything_on_ctrl_c(tmp_path: Path):
    ports = {"--airflow-port": free_port(), "--emulator-port": free_port()}
    options = [str(part) for pair in ports.items() for part in pair]
    command = [sys.executable, "-m", "tools.demo", "ui", "--folder", str(tmp_path), *options]
    url = f"http://{LOOPBACK}:{ports['--airflow-port']}"
    with Processes() as processes:
        ui = processes.start("make ui", command, env=bare_environment(), log=tmp_path / "output.log")
        wait_until(lambda: "Ctrl-C ends" in end_of(ui.checked().log), "make ui's list of what to do", timeout=TIMEOUT)
        assert f"{url}/connections" in ui.log.read_text(encoding="utf-8")
        # Nobody has to sign in to this Airflow, and its connection works at once.
        token = http().get(f"{url}/auth/token", timeout=TIMEOUT).json()["access_token"]
        answer = http().get(
            f"{url}/api/v2/connections/{CONN_ID}", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        )
        assert answer.json()["host"] == f"http://{LOOPBACK}"
        assert answer.json()["port"] == ports["--emulator-port"]
        ui.popen.send_signal(signal.SIGINT)
        assert ui.popen.wait(TIMEOUT) == 0, end_of(ui.log)
    for option, port in ports.items():
        require_free_port(port, "what was ended", option)


def test_a_program_that_ends_by_itself_is_reported_with_the_end_of_its_log(tmp_path: Path):
    with Processes() as processes:
        command = [sys.executable, "-c", "print('it can not go on'); raise SystemExit(3)"]
        process = processes.start("The program", command, env=bare_environment(), log=tmp_path / "log")
        process.popen.wait(TIMEOUT)
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
    wait_until(lambda: "up" in process.log.read_text(encoding="utf-8"), "the start of the child", timeout=TIMEOUT)
    processes.stop(patience=0.2)
    assert process.popen.returncode == -signal.SIGKILL

    def nobody_listens() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex((LOOPBACK, port)) != 0

    wait_until(nobody_listens, "the end of the child", timeout=TIMEOUT)
