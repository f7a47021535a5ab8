from __future__ import annotations

from datetime import timedelta

import airflow.sdk
import pytest

from airflow_provider_exact.client.errors import (
    ExactErrorLimitError,
    ExactRateLimitError,
    ExactRequestError,
    ExactTokenError,
    ExactTransportError,
)

if not hasattr(airflow.sdk, "RetryPolicy"):

    def test_an_older_airflow_is_told_what_it_lacks():
        with pytest.raises(ImportError, match=r"needs Airflow 3\.3"):
            import airflow_provider_exact.retry_policy  # noqa: F401

    pytest.skip("retry policies came with Airflow 3.3", allow_module_level=True)

from airflow.sdk import DAG, RetryAction, task

from airflow_provider_exact.retry_policy import ExactRetryPolicy

NOW = 1_700_000_000.0


def decided(error):
    return ExactRetryPolicy(clock=lambda: NOW, jitter=lambda: 0.5).evaluate(error, 1, 3)


@pytest.mark.parametrize("kind", [ExactRateLimitError, ExactErrorLimitError])
def test_a_limit_is_tried_again_when_it_has_reset(kind):
    decision = decided(kind("used up", resets_at=NOW + 7200))
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=7230))


def test_a_reset_that_has_passed_is_not_waited_for():
    assert decided(ExactRateLimitError("used up", resets_at=NOW - 60)).retry_delay == timedelta(seconds=30)


@pytest.mark.parametrize(
    "error", [ExactTokenError("sign in"), ExactRequestError("wrong"), ExactTransportError("lost", outcome_unknown=True)]
)
def test_what_no_retry_mends_fails_at_once_however_it_is_wrapped(error):
    assert decided(error).action is RetryAction.FAIL
    wrapper = RuntimeError("wrapped")
    wrapper.__cause__ = error
    assert decided(wrapper).action is RetryAction.FAIL


@pytest.mark.parametrize("error", [ExactTransportError("no answer"), ValueError("other")])
def test_anything_else_is_left_to_the_task(error):
    assert decided(error).action is RetryAction.DEFAULT


def test_a_dag_takes_it_and_can_be_serialized():
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("d", schedule=None) as dag:

        @task(retries=3, retry_policy=ExactRetryPolicy())
        def read():
            pass

        read()
    assert "has_retry_policy" in str(DagSerialization.to_dict(dag))
