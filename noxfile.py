"""
Environments beside ``.venv``: for each further version of Airflow, for Celery and for the benchmark.

``make test-matrix``, ``make test-celery`` and ``make benchmark`` run nox and uv from ``.venv-uv``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.error_on_external_run = True

# Tests of the parts that depend on Airflow.
AIRFLOW_TESTS = [
    *(f"tests/{name}" for name in ("cli", "example_dags", "hooks", "operators", "plugin", "sensors")),
    *(f"tests/{name}" for name in ("tokens", "transfers", "triggers")),
    *(f"tests/test_{name}.py" for name in ("assets", "connection", "keep_alive", "known_limits", "lineage")),
    *(f"tests/test_{name}.py" for name in ("links", "metrics", "provider_info", "retry_policy")),
    # Through Airflow's object storage.
    "tests/extract/test_files.py",
    "tests/system",
]
# An old Airflow brings an anyio with a plugin that today's pytest does not load, and packages with deprecated calls.
OLD_DEPENDENCIES = [
    *("-p", "no:anyio"),
    *("-W", "ignore:SelectableGroups dict interface is deprecated:DeprecationWarning"),
    *("-W", "ignore:Importing from 'airflow.sdk.execution_time.secrets_masker':DeprecationWarning"),
]


def python(version: str) -> str:
    """
    Return the path of a Python on ``PATH`` or in pyenv's folder, else the version, for nox to name as missing.

    Each candidate is run, because pyenv puts programs on ``PATH`` only to print an error.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    folders = [*os.get_exec_path(), *(str(path / "bin") for path in pyenv.glob(f"{version}.*"))]
    for folder in folders:
        found = shutil.which(f"python{version}", path=folder)
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return version


def test_on(session: nox.Session, *airflow: str) -> None:
    """
    Install an Airflow, then the provider and the test tools, and run the tests.

    :param airflow: Arguments of ``uv pip install`` that choose the versions.
    """
    session.install("-q", "--exact", *airflow)
    # The test tools may be current, as long as Airflow's own dependencies keep their versions.
    pins = Path(session.create_tmp()) / "pins.txt"
    pins.write_text(
        str(session.run("uv", "pip", "freeze", silent=True, external=True, stderr=subprocess.DEVNULL)), encoding="utf-8"
    )
    session.install("-q", "-c", str(pins), "--group", "test", "-e", ".")
    chosen = [*AIRFLOW_TESTS, "-m", "not slow and (smoke or not system)"]
    two_processes = ["-n", "2", "--no-loadscope-reorder", "-p", "no:cacheprovider"]
    session.run("pytest", *two_processes, *OLD_DEPENDENCIES, *(session.posargs or chosen))


@nox.session(python=python("3.11"))
def lowest(session: nox.Session) -> None:
    """Run on the lowest versions of Airflow and of all dependencies that pyproject.toml allows."""
    # First days with common-compat 1.10.1; Airflow 3.1.3 gets its own dependencies as of the same day.
    test_on(
        session,
        "--resolution",
        "lowest-direct",
        "--exclude-newer",
        "2025-12-20",
        "--all-extras",
        "-r",
        "pyproject.toml",
    )


@nox.session(python=python("3.12"))
def airflow_3_2(session: nox.Session) -> None:
    """Run on Airflow 3.2 with the dependencies of its time."""
    test_on(session, "--exclude-newer", "2026-06-05", "apache-airflow==3.2.2", "-r", "pyproject.toml")


@nox.session(python=python("3.13"))
def airflow_3_4(session: nox.Session) -> None:
    """Run on Airflow 3.4, or on its newest beta until the index has it."""
    test_on(session, "--prerelease", "if-necessary-or-explicit", "apache-airflow>=3.4.0b1,<3.5", "-r", "pyproject.toml")


@nox.session(python=python("3.11"), default=False)
def celery(session: nox.Session) -> None:
    """Let the tasks of CeleryExecutor share one token."""
    session.install("-q", "-c", "constraints.txt", "--group", "celery", "-e", ".")
    session.run("pytest", "-p", "no:cacheprovider", "tests/system/test_tokens_under_celery.py", *session.posargs)


@nox.session(python=python("3.11"), default=False)
def benchmark(session: nox.Session) -> None:
    """Print time and memory of an extraction and of its alternatives."""
    session.install("-q", "-c", "constraints.txt", "--group", "benchmarks", "-e", ".[parquet]")
    session.run("python", "-m", "benchmarks.extraction", *session.posargs)
