"""
One token for the tasks of CeleryExecutor: two workers on Redis, and PostgreSQL as Airflow's database.

Started by ``make test-celery``, in an environment of its own. Both services must listen on this machine.
"""

from __future__ import annotations

import shutil
import socket
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.needs import skip_or_fail
from tests.system.airflow_database import postgresql_settings
from tests.system.crowd import Crowd, Tally
from tests.system.running import TIMEOUT, RunningAirflow, running_airflow
from tests.system.server_side import ServerSide
from tools.demo.processes import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

if find_spec("celery") is None:
    pytest.skip("Celery is not installed here: `make test-celery` runs this", allow_module_level=True)

REDIS_PORT = 6379
APP = ("0e5f0000-0000-4000-8000-000000000065", "secret of the celery test")
WORKERS = ("one", "two")
TASKS = 64


@contextmanager
def broker() -> Iterator[str]:
    """Give the address of a Redis database that nobody uses, and empty it in the end."""
    from redis import Redis

    try:
        socket.create_connection((LOOPBACK, REDIS_PORT), timeout=TIMEOUT).close()
    except OSError:
        skip_or_fail(f"no Redis on port {REDIS_PORT} of this machine")
    for number in range(15, 0, -1):
        with Redis(LOOPBACK, REDIS_PORT, number) as redis:
            if redis.dbsize() == 0:
                try:
                    yield f"redis://{LOOPBACK}:{REDIS_PORT}/{number}"
                finally:
                    redis.flushdb()
                return
    pytest.fail("all of Redis' databases are in use")


def start_workers(running: RunningAirflow) -> None:
    airflow = running.airflow
    for name in WORKERS:
        options = ["--skip-serve-logs", "--concurrency", "8", "--celery-hostname", f"{name}@{LOOPBACK}"]
        options += ["--pid", str(airflow.home / f"{name}.pid")]
        command = [sys.executable, "-m", "airflow", "celery", "worker", *options]
        log = airflow.log_folder / f"worker-{name}.log"
        running.processes.start(f"worker {name}", command, env=airflow.environment(), log=log)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = tmp_path_factory.mktemp("celery")
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "shared_token.py", dags)
    with postgresql_settings(required=True) as database, broker() as redis:
        settings = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "32",
            "AIRFLOW__CELERY__BROKER_URL": redis,
            "AIRFLOW__CELERY__RESULT_BACKEND": redis,
            # With 15, as many tasks that start at once keep each other waiting: each needs a second one for a moment.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
        }
        with (
            running_airflow(folder, dags, settings | database, app=APP) as running,
            ServerSide(running.airflow, running.airflow.log_folder / "server-side.log") as server,
        ):
            start_workers(running)
            crowd = Crowd(running, server, APP)
            crowd.sign_in_again()
            yield crowd


def test_tasks_on_two_celery_workers_with_an_expired_token_refresh_it_once(crowd: Crowd):
    crowd.expire()
    before = crowd.look()
    crowd.assert_all_succeeded(crowd.running.trigger(f"ask_{TASKS}"), TASKS)
    assert crowd.look().since(before) == Tally(refreshes=1, refused=0, unauthorized=0, sign_ins=0)
    for name in WORKERS:
        log = (crowd.running.airflow.log_folder / f"worker-{name}.log").read_text(encoding="utf-8")
        assert "succeeded" in log, f"worker {name} did nothing"
