"""The waiting of a deferred ``ExactOnlineRecordSensor``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_exact.client.errors import (
    ExactError,
    ExactErrorLimitError,
    ExactRateLimitError,
    ExactTransportError,
)
from airflow_provider_exact.operators.base import LOOK_PATIENCE, is_final_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook


class ExactOnlineRecordTrigger(BaseTrigger):
    """
    Fires when at least ``min_records`` records meet a filter, or when ``deadline`` has passed.

    Every argument is plain JSON and none is a secret, since Airflow keeps them in its database.

    :param filter: OData text.
    :param select: The fields that the event's records carry.
    :param poll_interval: Seconds between two looks, and before the first: the sensor has just looked itself.
    :param deadline: The moment to give up, in seconds since the epoch: a restarted triggerer does not extend it.
    :param max_failures: Give up after so many failed calls in a row.
    :param resumes_at: Do not call before this moment, because a rate limit says so.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        filter: str | None,
        select: Sequence[str] | None,
        min_records: int,
        poll_interval: float,
        deadline: float,
        max_failures: int,
        exact_online_conn_id: str,
        division: int | str | None,
        resumes_at: float = 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow left it untyped
        self.endpoint = endpoint
        self.filter = filter
        self.select = select
        self.min_records = min_records
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.max_failures = max_failures
        self.exact_online_conn_id = exact_online_conn_id
        self.division = division
        self.resumes_at = resumes_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "airflow_provider_exact.triggers.records.ExactOnlineRecordTrigger",
            {
                "endpoint": self.endpoint,
                "filter": self.filter,
                "select": self.select,
                "min_records": self.min_records,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "max_failures": self.max_failures,
                "exact_online_conn_id": self.exact_online_conn_id,
                "division": self.division,
                "resumes_at": self.resumes_at,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        event = await self.watch()
        if (usage := self.hook.usage) is not None:
            await self.hook.anote_limits()
            event["used"] = asdict(usage)
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    @cached_property
    def hook(self) -> ExactOnlineHook:
        """The hook of the sensor's connection and division."""
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        return ExactOnlineHook(self.exact_online_conn_id, division=self.division, patience=LOOK_PATIENCE)

    async def watch(
        self,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> dict[str, Any]:
        """
        Return what the task is resumed with.

        ``status`` is ``found`` (with ``records``), ``timeout``, or ``error`` (with ``message``, and ``retry`` telling
        whether another try of the task could help).
        """
        failures, resumes_at = 0, self.resumes_at
        while (now := clock()) < self.deadline:
            following = max(now + self.poll_interval, resumes_at)
            await sleep(min(following, self.deadline) - now)
            if following >= self.deadline:
                break
            try:
                records = await self.hook.alist_records(
                    self.endpoint, filter=self.filter, select=self.select, top=self.min_records
                )
            except ExactErrorLimitError as error:
                # It wants a person, who would not notice a task that just waits.
                return {"status": "error", "message": str(error), "retry": True}
            except ExactRateLimitError as error:
                resumes_at = error.resets_at
                self.log.warning("Looking again when the limit resets: %s", error)
            except ExactTransportError as error:
                failures += 1
                if failures >= self.max_failures:
                    return {"status": "error", "message": f"{failures} calls failed in a row: {error}", "retry": True}
                self.log.warning("Failed call %s of %s: %s", failures, self.max_failures, error)
            except ExactError as error:
                return {"status": "error", "message": str(error), "retry": not is_final_error(error)}
            else:
                if len(records) >= self.min_records:
                    return {"status": "found", "records": records}
                failures = 0
                self.log.info("%s of %s records of %s are there", len(records), self.min_records, self.endpoint)
        return {"status": "timeout"}
