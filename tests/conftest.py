"""What all tests share: a folder for Airflow that is not the user's, and a running emulator."""

import gc
import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

SYSTEM = "tests/system/"
# Files that make Airflow's API server in their own process: three seconds for each process.
API_SERVER = ("tests/plugin/", "tests/transfers/")
# Airflow's patterns of known secrets, for the server and for tasks.
SECRETS_MASKERS = tuple(f"airflow.{part}_shared.secrets_masker.secrets_masker" for part in ("", "sdk."))

# Before anything imports Airflow, which reads this once.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-provider-exact-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
# Processes that start at the same moment in a new folder would not agree on the one that Airflow makes.
os.environ["AIRFLOW__CORE__FERNET_KEY"] = Fernet.generate_key().decode()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """
    Mark the tests in ``tests/system``, and give system tests time on a busy machine.

    Start with the system tests, then with those that share an API server: what takes longest should not come last.
    Among the system tests, those that see the end of a long wait come last.
    """
    for item in items:
        if item.nodeid.startswith(SYSTEM):
            item.add_marker(pytest.mark.system)
        if is_system(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))
    items.sort(
        key=lambda item: (
            not is_system(item),
            item.get_closest_marker("last") is not None,
            not item.nodeid.startswith(API_SERVER),
        )
    )


def pytest_runtest_teardown(item, nextitem):
    """
    After each file, collect garbage, and exempt all that is left from later collections.

    Airflow's modules and the collected tests make each full collection take half a second, in whatever test it falls.
    """
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_collection_finish():
    gc.collect()
    gc.freeze()


def is_system(item):
    return item.get_closest_marker("system") is not None or item.get_closest_marker("slow") is not None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each file to one of the processes that share the tests, and files that share an Airflow to the same one."""
    from xdist.scheduler import LoadFileScheduling

    class OneProcessForAirflow(LoadFileScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(SYSTEM):
                return SYSTEM
            return "Airflow" if nodeid.startswith(API_SERVER) else super()._split_scope(nodeid)

    return OneProcessForAirflow(config, log)


def pytest_unconfigure():
    shutil.rmtree(Path(AIRFLOW_HOME), ignore_errors=True)


@pytest.fixture(autouse=True)
def forgotten_secrets():
    """
    Let Airflow forget the secrets of earlier tests.

    Airflow compiles one pattern of all secrets for each new secret: 40 ms after a few hundred tokens.
    """
    for name in SECRETS_MASKERS:
        if name in sys.modules:
            sys.modules[name].reset_secrets_masker()


@pytest.fixture
def seed(request):
    """Return the seed of a long form, else a new one or ``EXACT_TEST_SEED``; a failure shows how to repeat the test."""
    chosen = getattr(request, "param", None)
    if chosen is None:
        chosen = int(os.environ.get("EXACT_TEST_SEED") or secrets.randbelow(1_000_000))
    print(f"EXACT_TEST_SEED={chosen} repeats this test")
    return chosen


@pytest.fixture(scope="session")
def running():
    """Return one emulator for the whole run; tests use ``emulator``."""
    from airflow_provider_exact.emulator.testing import running_emulator

    # Coverage is told of the package without the emulator, and doubles the emulator's time.
    tracer = threading.gettrace()
    threading.settrace(None)
    with running_emulator() as controller:
        threading.settrace(tracer)
        yield controller


@pytest.fixture
def emulator(running):
    """Return the emulator as it was at its start; this process knows nothing of its limits."""
    from airflow_provider_exact import accounts

    running.reset()
    accounts.forget()
    return running


@pytest.fixture
def connection(emulator, monkeypatch):
    """Make ``exact_online_default`` a signed-in connection to the emulator; the token in it needs no store."""
    extra = {"division": emulator.division, "access_token": emulator.sign_in()["access_token"]}
    made = {"conn_type": "exact_online", "host": emulator.url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT", json.dumps(made))
    return emulator


@pytest.fixture(scope="session")
def migrated_database():
    """Make Airflow's tables, in this run's own folder."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def server(request, migrated_database, monkeypatch):
    """Let this process use Airflow's database, as the API server and the command line do; no Variables are left."""
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session

    from airflow_provider_exact.tokens import lease

    if not is_system(request.node):
        # No other process claims the lease, so a claim needs no second to settle.
        monkeypatch.setattr(lease, "SETTLING", 0.0)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    with create_session() as session:
        session.query(Variable).delete()
        session.query(Connection).delete()


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def database(request, tmp_path):
    """Return each of the databases of this machine in turn, with a schema of this test's own."""
    from tests.databases import database_of

    with database_of(request.param, tmp_path) as found:
        yield found
