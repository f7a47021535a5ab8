"""One Airflow with an emulator, as processes, for all tests of this folder, and one browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from tests.needs import skip_or_fail
from tests.system.airflow_database import postgresql_settings
from tests.system.running import ROOT, RunningAirflow, running_airflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# A form, a query and JSON each write the characters of this secret in another way.
APP = ("0e5f0000-0000-4000-8000-000000000064", 'kn0wn/secret+of=these&tests%21!"only"')
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def _ends_everything_when_asked_to_end() -> Iterator[None]:
    """Let a request to end this run end the processes that its fixtures started, as Ctrl-C does."""

    def leave(*_: object) -> None:
        pytest.exit("asked to end", returncode=128 + signal.SIGTERM)

    previous = signal.signal(signal.SIGTERM, leave)
    yield
    signal.signal(signal.SIGTERM, previous)


@pytest.fixture(scope="session")
def connections_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a secrets backend, which a test may fill."""
    path = tmp_path_factory.mktemp("secrets") / "connections.json"
    path.write_text("{}", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, connections_file: Path) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    for source in (ROOT / "example_dags", Path(__file__).parent / "dags"):
        shutil.copytree(source, dags / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {
        "AIRFLOW__CORE__PARALLELISM": "16",
        # test_tokens_under_load.py and test_sign_in_page.py search the logs for secrets.
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        # The emulator's hours pass in a few of our minutes, so that a few 401s at each expiry soon look like too many.
        "AIRFLOW__EXACT_ONLINE__ERRORS_PER_HOUR": "0",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(connections_file)}),
    }
    with (
        postgresql_settings() as database,
        running_airflow(folder, dags, settings | database, app=APP) as airflow,
    ):
        yield airflow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """
    Start Debian's Chromium, or another that ``CHROMIUM`` names.

    For each file: until playwright's end, nothing else in this thread can run an event loop.
    """
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        skip_or_fail("no Chromium here: apt-get install chromium, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()
