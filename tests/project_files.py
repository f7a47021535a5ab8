"""Files of the project in a git checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.needs import skip_or_fail

ROOT = Path(__file__).resolve().parent.parent


def project_files() -> set[str]:
    """Return the paths of all files that git tracks or does not ignore; skip the test outside of a git checkout."""
    if not (ROOT / ".git").exists():
        skip_or_fail("no git checkout here")
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name for name in names if (ROOT / name).is_file()}
