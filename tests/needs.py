"""Skip of a test on a machine without the needed service or program; a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def skip_or_fail(lacks: str) -> NoReturn:
    """Skip the test with the reason; with ``CI=true``, fail, because CI runs all tests."""
    if IN_CI:
        pytest.fail(lacks)
    pytest.skip(lacks)
