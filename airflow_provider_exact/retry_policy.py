"""Retries that know Exact's limits, for tasks that call the hook themselves; needs Airflow 3.3."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError as error:
    raise ImportError(
        "ExactRetryPolicy needs Airflow 3.3 or newer. Before that, give the task retries and a retry_delay."
    ) from error

from airflow_provider_exact.client.errors import ExactError, ExactRateLimitError
from airflow_provider_exact.operators.base import SPREAD, is_final_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context


class ExactRetryPolicy(RetryPolicy):
    """
    Try again when a limit of Exact Online has reset, and not at all where that can't help, as when a sign-in has ended.

    What has nothing to do with Exact is left to the task's ``retries`` and ``retry_delay``. They also bound how often
    a limit is waited for.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's own names
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        error = _exact_error(exception)
        if isinstance(error, ExactRateLimitError):
            left = max(0.0, error.resets_at - self._clock()) + SPREAD * self._jitter()
            return RetryDecision.retry(timedelta(seconds=left), "The limit of Exact Online resets then.")
        if error is not None and is_final_error(error):
            return RetryDecision.fail(f"No retry helps: {type(error).__name__}.")
        return RetryDecision.default()


def _exact_error(exception: BaseException | None) -> ExactError | None:
    """Return the error of Exact's in an exception, or in what it was raised from."""
    while exception is not None and not isinstance(exception, ExactError):
        exception = exception.__cause__
    return exception
