"""
Make a virtual environment with everything that ``constraints.txt`` locks; run by the Makefile.

Needs Python's standard library and the package index only: uv gets a small environment of its own, so that
the one that is used holds nothing but the project and its dependencies.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_VERSION = "0.13.8"
UV_HOME = ROOT / ".venv-uv"


class BootstrapError(Exception):
    """Something outside this project must change first; the message says what."""


def run(step: str, *command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command quietly; its output is only shown when it fails."""
    started_at = time.monotonic()
    print(f"  {step} … ", end="", flush=True)
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=env, text=True, capture_output=True, check=False
    )
    if done.returncode:
        print("failed", flush=True)
        output = (done.stdout + done.stderr).strip().splitlines()
        raise BootstrapError("\n".join([*output[-25:], f"{step} failed; the lines above say why."]))
    print(f"{time.monotonic() - started_at:.1f} s", flush=True)


def is_usable(python: Path) -> bool:
    """Whether an environment's Python still runs and is new enough: the one it was made from may be gone."""
    if not python.exists():
        return False
    probe = [str(python), "-c", "import sys; sys.exit(sys.version_info[:2] < (3, 11))"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def uv_environment() -> dict[str, str]:
    """Return the environment for uv: it uses the Python it is given and never fetches one."""
    return os.environ | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def ensure_uv() -> Path:
    """Return uv's path, after installing it when this version is not there yet."""
    uv = UV_HOME / "bin" / "uv"
    stamp = UV_HOME / f"uv-{UV_VERSION}"
    if not (stamp.exists() and is_usable(UV_HOME / "bin" / "python")):
        run("making a place for uv", sys.executable, "-m", "venv", "--clear", UV_HOME)
        run(
            f"installing uv {UV_VERSION}",
            UV_HOME / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-q",
            f"uv=={UV_VERSION}",
        )
        stamp.touch()
    return uv


def ensure_environment(uv: Path, folder: Path) -> Path:
    """Return the Python of an environment, after making it when it is missing or no longer runs."""
    python = folder / "bin" / "python"
    if not is_usable(python):
        run(
            f"making {folder.name} with Python {sys.version.split()[0]}",
            *(uv, "venv", "-q", "--clear", "--no-project", "--python", sys.executable, folder),
            env=uv_environment(),
        )
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--dev", action="store_true", help="also the tools of `make test` and `make check`")
    kind.add_argument("--celery", action="store_true", help="into .matrix/celery, for `make test-celery`")
    kind.add_argument("--benchmarks", action="store_true", help="into .matrix/benchmarks, for `make benchmark`")
    arguments = parser.parse_args()
    name = "dev" if arguments.dev else "celery" if arguments.celery else "benchmarks" if arguments.benchmarks else ""
    folder = ROOT / ".matrix" / name if name in ("celery", "benchmarks") else ROOT / ".venv"
    print(f"Preparing {folder.relative_to(ROOT)} (only when something changed)", flush=True)
    try:
        uv = ensure_uv()
        python = ensure_environment(uv, folder)
        group = ["--group", name] if name else []
        project = ".[parquet]" if name == "benchmarks" else "."
        run(
            "installing what constraints.txt locks",
            *(uv, "pip", "install", "-q", "--python", python, "-c", "constraints.txt", *group, "-e", project),
            env=uv_environment(),
        )
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
