"""A task of your own that tries again when a limit of Exact Online has reset."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

try:
    from airflow_provider_exact.retry_policy import ExactRetryPolicy
except ImportError:
    # Before Airflow 3.3 a task can't choose when it is tried again.
    AT_THE_RESET: dict[str, Any] = {"retry_delay": timedelta(hours=6)}
else:
    AT_THE_RESET = {"retry_policy": ExactRetryPolicy()}

with DAG("example_limits", schedule=None, tags=["example", "exact online"]):
    # [START retry_policy]
    @task(retries=4, **AT_THE_RESET)
    def count_projects() -> int:
        """Count the projects that are open for entries; the hook raises what the policy decides about."""
        return sum(1 for _ in ExactOnlineHook().list_records("project/Projects", filter={"BlockEntry": False}))

    # [END retry_policy]

    count_projects()
