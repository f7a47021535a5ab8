"""What all tests share: a folder for Airflow that is not the user's, and a running emulator."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

SYSTEM = "tests/system/"

# Before anything imports Airflow, which reads this once.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-provider-exact-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
# Processes that start at the same moment in a new folder would not agree on the one that Airflow makes.
os.environ["AIRFLOW__CORE__FERNET_KEY"] = Fernet.generate_key().decode()


def pytest_collection_modifyitems(items):
    """Begin with what takes longest, and give it time on a busy machine."""
    items.sort(key=lambda item: is_system(item.nodeid), reverse=True)
    for item in items:
        if is_system(item.nodeid) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """When several processes share the tests: each file is for one of them, and all of ``tests/system`` for one."""
    from xdist.scheduler import LoadFileScheduling

    class OneProcessForSystemTests(LoadFileScheduling):
        def _split_scope(self, nodeid):
            # They share an Airflow, and some of them need most of the machine for themselves.
            return SYSTEM if is_system(nodeid) else super()._split_scope(nodeid)

    return OneProcessForSystemTests(config, log)


def is_system(nodeid):
    return nodeid.startswith(SYSTEM)


def pytest_unconfigure():
    shutil.rmtree(Path(AIRFLOW_HOME), ignore_errors=True)


@pytest.fixture(scope="session")
def running():
    """Return one emulator for the whole run; tests use ``emulator``."""
    from airflow_provider_exact.emulator.testing import running_emulator

    with running_emulator() as controller:
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
def server(migrated_database, monkeypatch):
    """Let this process use Airflow's database, as the API server and the command line do; no Variables are left."""
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session

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
