"""The wait for a limit to reset, with a clock of its own."""

from __future__ import annotations

import asyncio

from airflow_provider_exact.triggers.limits import LONGEST_SLEEP, SHORTEST, ExactOnlineLimitTrigger

NOW = 1_000_000.0


class Clock:
    def __init__(self):
        self.now = NOW
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def waited(resets_at):
    clock = Clock()
    trigger = ExactOnlineLimitTrigger(resets_at=resets_at)
    asyncio.run(trigger.wait(clock=lambda: clock.now, sleep=clock.sleep))
    return clock


def test_it_fires_at_the_reset_and_looks_at_the_clock_in_between():
    clock = waited(NOW + 10 * 3600)
    assert clock.now == NOW + 10 * 3600
    assert max(clock.slept) <= LONGEST_SLEEP


def test_it_never_fires_before_the_scheduler_has_seen_that_the_task_is_deferred():
    assert waited(NOW - 5).slept == [SHORTEST]


def test_a_restarted_triggerer_waits_for_the_same_moment():
    path, arguments = ExactOnlineLimitTrigger(resets_at=NOW).serialize()
    assert path == f"{ExactOnlineLimitTrigger.__module__}.{ExactOnlineLimitTrigger.__qualname__}"
    assert ExactOnlineLimitTrigger(**arguments).resets_at == NOW
