"""What a fresh clone promises: the commands explain themselves, and nothing of one machine got in."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project_files import ROOT, project_files
from tools.demo.processes import free_port

pytestmark = pytest.mark.system

OLD_PYTHON = """#!/bin/sh
case "$2" in
*platform*) echo 3.9.18 ;;
*) echo ;;
esac
"""
BROKEN_PYTHON = """#!/bin/sh
echo "command not found, but these versions have it" >&2
exit 127
"""


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=env or None, capture_output=True, text=True, check=False
    )


def program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def texts_of_the_project() -> dict[str, str]:
    texts = {}
    for name in project_files():
        path = ROOT / name
        if path.suffix not in {".png", ".jsonl"}:
            # Somebody's file that git does not know yet may be a binary one.
            texts[name] = path.read_text(encoding="utf-8", errors="replace")
    return texts


def test_make_without_a_target_lists_every_command():
    said = run("make").stdout
    targets = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets
    for target in set(targets[1].split()) - {"help"}:
        assert f"make {target} " in said


def test_a_python_that_only_prints_an_error_is_passed_over(tmp_path: Path):
    program(tmp_path / "python3", BROKEN_PYTHON)
    (tmp_path / "python3.12").symlink_to(sys.executable)
    found = run("/bin/sh", "tools/find-python", PATH=str(tmp_path))
    assert found.returncode == 0
    assert Path(found.stdout.strip()).samefile(sys.executable)


def test_an_old_python_gets_one_clear_sentence(tmp_path: Path):
    program(tmp_path / "python3", OLD_PYTHON)
    found = run("/bin/sh", "tools/find-python", PATH=str(tmp_path))
    assert (found.returncode, found.stdout) == (1, "")
    assert "needs Python 3.11" in found.stderr
    assert "python3 is 3.9.18" in found.stderr
    assert "make PYTHON=" in found.stderr


def test_a_chosen_python_is_the_only_one_that_is_tried(tmp_path: Path):
    program(tmp_path / "old python", OLD_PYTHON)
    (tmp_path / "python3").symlink_to(sys.executable)
    found = run("/bin/sh", "tools/find-python", PATH=str(tmp_path), PYTHON=str(tmp_path / "old python"))
    assert (found.returncode, found.stdout) == (1, "")


@pytest.mark.parametrize(
    ("command", "option", "setting"),
    [
        ("demo", "--emulator-port", "EMULATOR_PORT"),
        ("ui", "--emulator-port", "EMULATOR_PORT"),
        ("ui", "--airflow-port", "AIRFLOW_PORT"),
    ],
)
def test_a_busy_port_gets_one_clear_sentence(tmp_path: Path, command: str, option: str, setting: str):
    ports = {"--emulator-port": str(free_port()), "--airflow-port": str(free_port())}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        given = [part for pair in (ports | {option: str(port)}).items() for part in pair]
        ended = run(sys.executable, "-m", "tools.demo", command, "--folder", tmp_path / "demo", *given)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"\nPort {port} for ")
    assert f"choose another port: {setting}={port + 1}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("given", ["", "notaport", "0", "-5", "65536"])
def test_a_port_that_is_none_is_named(given: str):
    ended = run(sys.executable, "-m", "tools.demo", "demo", f"--emulator-port={given}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"a port is a number from 1 to 65535, not {given!r}" in ended.stderr
    assert "EMULATOR_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_client_the_emulator_and_extractions_know_no_airflow():
    rooms = {
        room: sorted(
            ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for path in (ROOT / "airflow_provider_exact" / room).rglob("*.py")
            if path.name not in {"__init__.py", "__main__.py"}
        )
        for room in ("client", "emulator", "extract")
    }
    for modules in rooms.values():
        assert modules
        code = f"import sys, {', '.join(modules)}; print([n for n in sys.modules if n.split('.')[0] == 'airflow'])"
        ended = run(sys.executable, "-c", code)
        assert (ended.stdout.strip(), ended.stderr) == ("[]", "")


def test_no_package_index_is_named():
    # Put together here, so that this file names none either.
    names = ["py" + "pi.org", "python" + "hosted", "npm" + "js", "--index" + "-url", "extra" + "-index"]
    assert [(file, name) for file, text in texts_of_the_project().items() for name in names if name in text] == []


def test_no_path_of_one_machine_is_named():
    path = re.compile(r"(?<![\w./{}<>-])/(?:root|work|home|Users|tmp)/[\w.]+")
    assert [(file, found) for file, text in texts_of_the_project().items() for found in path.findall(text)] == []


@pytest.mark.parametrize(
    "secret",
    [
        r"-----BEGIN [A-Z ]*PRIVATE " + "KEY",
        r"\beyJ[\w-]{20,}\.[\w-]{20,}",
        r"\bgAAAAA[\w-]{40,}",
        r"\bstamp[A-Z]{2}\d{3}\.[\w!%/+-]{60,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bgh[pousr]_\w{30,}",
    ],
)
def test_nothing_looks_like_a_secret(secret: str):
    pattern = re.compile(secret)
    assert [(file, found) for file, text in texts_of_the_project().items() for found in pattern.findall(text)] == []
