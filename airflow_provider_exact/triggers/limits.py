"""The waiting of a task that left its worker because a limit of Exact Online is used up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

# Airflow's scheduler fails a task whose trigger fires before it has noticed that the task is deferred.
SHORTEST = 15.0
# Clocks are set right now and then; a long sleep would not notice.
LONGEST_SLEEP = 600.0


class ExactOnlineLimitTrigger(BaseTrigger):
    """
    Fires when a limit has reset; makes no call.

    :param resets_at: In seconds since the epoch, so that a restarted triggerer waits no longer.
    """

    def __init__(self, *, resets_at: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow left it untyped
        self.resets_at = resets_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "airflow_provider_exact.triggers.limits.ExactOnlineLimitTrigger", {"resets_at": self.resets_at}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await self.wait()
        yield TriggerEvent({"status": "reset"})  # type: ignore[no-untyped-call]

    async def wait(
        self,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Return when the limit has reset."""
        await sleep(SHORTEST)
        while (left := self.resets_at - clock()) > 0:
            await sleep(min(left, LONGEST_SLEEP))
