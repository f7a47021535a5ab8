"""What a test needs and the machine lacks: the test is skipped, except in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def skip_or_fail(lacks: str) -> NoReturn:
    """Skip the test and name what the machine lacks; with ``CI=true``, where all must run, fail."""
    if IN_CI:
        pytest.fail(lacks)
    pytest.skip(lacks)
