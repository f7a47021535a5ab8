"""
Run the whole test suite on the other Airflow versions that are supported, each in an environment of its own.

It stops at the first version on which a test fails.

``python tools/matrix.py [VERSION…] [-- PYTEST ARGUMENTS]``; started by ``make test-matrix``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.bootstrap import BootstrapError, ensure_environment, ensure_uv, run, uv_environment  # noqa: E402

# An old Airflow does not start with what the package index has today: it gets the dependencies of a day
# shortly after its release.
VERSIONS = {"3.1.8": "2026-03-25", "3.2.2": "2026-06-05"}
# What an Airflow of back then brings along: an anyio whose plugin today's pytest does not load, and an OpenTelemetry
# that Python 3.11 warns about.
OLD_DEPENDENCIES = ["-p", "no:anyio", "-W", "ignore:SelectableGroups dict interface is deprecated:DeprecationWarning"]


def ensure_installed(uv: Path, version: str) -> Path:
    """Return the Python of an environment with this Airflow, the provider and the test tools."""
    folder = ROOT / ".matrix" / version
    recipe = f"{VERSIONS[version]} {(ROOT / 'pyproject.toml').read_text(encoding='utf-8')}"
    stamp = folder / "installed-from"
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == recipe):
        shutil.rmtree(folder, ignore_errors=True)
    python = ensure_environment(uv, folder)
    if stamp.exists():
        return python
    environment = uv_environment()
    install = [uv, "pip", "install", "-q", "--python", python]
    run(
        f"installing Airflow {version} with what there was on {VERSIONS[version]}",
        *(*install, "--exclude-newer", VERSIONS[version], f"apache-airflow=={version}", *own_dependencies()),
        env=environment,
    )
    # The tools that only test may be of today, as long as they leave alone what Airflow got.
    frozen = subprocess.run(
        [uv, "pip", "freeze", "--python", python], env=environment, text=True, capture_output=True, check=True
    )
    pins = folder / "pins.txt"
    pins.write_text(frozen.stdout, encoding="utf-8")
    run(
        "installing the test tools and the provider",
        *(*install, "-c", pins, "--group", "test", "-e", "."),
        env=environment,
    )
    stamp.write_text(recipe, encoding="utf-8")
    return python


def own_dependencies() -> list[str]:
    """Return what the provider itself needs, without Airflow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [name for name in project["dependencies"] if not name.startswith("apache-airflow")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=list(VERSIONS), metavar="VERSION")
    parser.add_argument("--install-only", action="store_true", help="make the environments and run nothing")
    own, for_pytest = partition(sys.argv[1:])
    arguments = parser.parse_args(own)
    unknown = [version for version in arguments.versions if version not in VERSIONS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(VERSIONS)}")
    uv = ensure_uv()
    for version in arguments.versions:
        print(f"\nAirflow {version}", flush=True)
        try:
            python = ensure_installed(uv, version)
        except BootstrapError as error:
            print(error, file=sys.stderr)
            return 1
        if arguments.install_only:
            continue
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *OLD_DEPENDENCIES, *for_pytest]
        if code := run_to_the_end(command):
            return code
    return 0


def run_to_the_end(command: list[str]) -> int:
    """Run pytest and return its exit code; a request to end goes on to it, since it has processes to end too."""
    with subprocess.Popen(command, cwd=ROOT) as pytest:
        signal.signal(signal.SIGTERM, lambda *_: pytest.terminate())
        return pytest.wait()


def partition(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split at ``--``: ours before it, pytest's behind it."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
