"""What users have: an emulator and a whole Airflow as processes, once for all tests here, and a browser."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.running import ROOT, RunningAirflow, running_airflow

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _ends_everything_when_asked_to_end() -> Iterator[None]:
    """Let a request to end this run end the processes that its fixtures started, as Ctrl-C does."""

    def leave(*_: object) -> None:
        pytest.exit("asked to end", returncode=128 + signal.SIGTERM)

    previous = signal.signal(signal.SIGTERM, leave)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    for source in (ROOT / "example_dags", Path(__file__).parent / "dags"):
        shutil.copytree(source, dags / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    with running_airflow(folder, dags) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Debian's Chromium, or another that ``CHROMIUM`` names."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found:
        return found
    message = "no Chromium here: apt-get install chromium, or set CHROMIUM to its path"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
