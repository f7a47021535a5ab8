"""What all clients of a connection know together of its two budgets, and the transport that keeps to them."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_exact.client.budget import Budget, Seen
from airflow_provider_exact.client.error_budget import COUNTED, STOP_AT, ErrorBudget, subject_of
from airflow_provider_exact.client.rate_limit import RateLimits, server_time
from airflow_provider_exact.client.transport import Held, NoResponse, Request, RequestsTransport, Response, Transport

log = logging.getLogger(__name__)

# Seconds between two looks at what other processes shared.
LIMITS_READ_INTERVAL = 1.0
ERRORS_READ_INTERVAL = 60.0
# A shorter wait is not worth a line in the log.
NOTEWORTHY = 5.0
# Within so many seconds a thread has a call on its way.
HANDOVER = 0.002


class Shared(Protocol):
    """
    Where processes tell each other what they saw: a memory, not an account. Its methods never fail.
    """

    def limits(self) -> Mapping[int, Seen]: ...

    def tell_limits(self, limits: Mapping[int, Seen]) -> None: ...

    def errors(self) -> Mapping[str, Sequence[float]]: ...

    def tell_errors(self, errors: Mapping[str, Sequence[float]]) -> None: ...


class Account:
    """
    The budgets of calls and errors of one app and user, shared by the clients of a process.

    :param shared: Where other processes are heard; ``None`` for a program of one process.
    :param errors_per_hour: Stop calling an endpoint after so many errors; 0: leave that to Exact.
    """

    def __init__(
        self,
        shared: Shared | None = None,
        *,
        errors_per_hour: int = STOP_AT,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._jitter = jitter
        self._errors = ErrorBudget(errors_per_hour)
        self._budgets: dict[int, Budget] = {}
        self._lock = threading.Lock()
        self._limits_read_at = self._errors_read_at = self._told_at = float("-inf")

    def hold(self, request: Request) -> Held | None:
        """Return how long a call has to stay away, or ``None`` when it may be made now."""
        self._hear(request)
        now = self._clock()
        with self._lock:
            if held := self._errors.hold(subject_of(request), now):
                return held
            if request.division is None:
                return None
            return self._budget(request.division).hold(now, request.turn_at)

    def note(self, request: Request, answer: object) -> Held | None:
        """Learn from what came of a call; return why none of its kind may follow, if its answer means that."""
        now, subject = self._clock(), subject_of(request)
        status = answer.status if isinstance(answer, Response) else None
        told: Seen | None = None
        errors: dict[str, list[float]] = {}
        blocked: Held | None = None
        with self._lock:
            if status in COUNTED:
                self._errors.count(subject, now)
                errors = self._errors.recent(now)
            if _names_no_limit(answer) and self._errors.explains_block(subject, now):
                # After many errors, that is the block that Exact puts on an endpoint.
                self._errors.block(subject, now)
                errors, blocked = self._errors.recent(now), self._errors.hold(subject, now)
            if request.division is not None:
                budget = self._budget(request.division)
                budget.note(answer, now)
                if budget.has_news(now) and (status == 429 or now - self._told_at >= LIMITS_READ_INTERVAL):
                    self._told_at, told = now, budget.tell()
        if self._shared is not None:
            if errors:
                self._shared.tell_errors(errors)
            if told is not None and request.division is not None:
                self._shared.tell_limits({request.division: told})
        return blocked

    def seen(self) -> dict[int, Seen]:
        """Return what is known of the limits, by division."""
        with self._lock:
            found = {division: budget.seen for division, budget in self._budgets.items()}
        return {division: seen for division, seen in found.items() if seen is not None}

    def tell(self) -> None:
        """Let other processes know what this one saw."""
        if self._shared is not None and (seen := self.seen()):
            self._shared.tell_limits(seen)

    def _hear(self, request: Request) -> None:
        """Ask what other processes saw, where that could change what this one does."""
        if self._shared is None:
            return
        now = self._clock()
        with self._lock:
            errors_due = now - self._errors_read_at >= ERRORS_READ_INTERVAL
            limits_due = (
                request.division is not None
                and now - self._limits_read_at >= LIMITS_READ_INTERVAL
                and self._budget(request.division).wants_news(now)
            )
            if errors_due:
                self._errors_read_at = now
            if limits_due:
                self._limits_read_at = now
        # Outside of the lock: this asks another process or a database.
        errors = self._shared.errors() if errors_due else {}
        limits = self._shared.limits() if limits_due else {}
        with self._lock:
            self._errors.learn(errors)
            for division, seen in limits.items():
                self._budget(division).learn(seen, now)

    def _budget(self, division: int) -> Budget:
        if division not in self._budgets:
            self._budgets[division] = Budget(self._jitter)
        return self._budgets[division]


def _names_no_limit(answer: object) -> bool:
    return isinstance(answer, Response) and answer.status == 429 and RateLimits.of(answer.headers) == RateLimits()


@dataclass
class Usage:
    """
    What a client did: calls made, records that went through it, waits and their seconds, and calls answered with 429.
    """

    calls: int = 0
    records: int = 0
    waits: int = 0
    waited: float = 0.0
    limited: int = 0


def no_metric(name: str, value: float) -> None:
    """Count nothing."""


class MeteredTransport:
    """
    Sends what the account allows, and lets it know what came of it.

    :param count: Called with the name and the amount of what is worth a metric.
    """

    def __init__(
        self,
        inner: Transport,
        account: Account,
        usage: Usage,
        *,
        clock: Callable[[], float] = time.time,
        count: Callable[[str, float], None] = no_metric,
    ) -> None:
        self.inner = inner
        self.account = account
        self.usage = usage
        self.clock = clock
        self.count = count
        # How many seconds the server's clock is ahead of this one.
        self.ahead: float | None = None

    def send(self, request: Request) -> Response | NoResponse | Held:
        if held := self._held(request):
            return held
        return self._received(request, lambda: self.inner.send(request), time.monotonic())

    def begin(self, request: Request, executor: Executor) -> Callable[[], Response | NoResponse | Held]:
        """
        Let a thread send what the account allows; return how to wait for the answer.
        """
        if held := self._held(request):
            return lambda: held
        sending, started = executor.submit(self.inner.send, request), time.monotonic()
        # Python runs one thread at a time: without a pause, the caller would be done before the call is on its way.
        wait([sending], HANDOVER)
        return lambda: self._received(request, sending.result, started)

    def _held(self, request: Request) -> Held | None:
        held = self.account.hold(request)
        if held and held.limit == "minute" and held.seconds >= NOTEWORTHY:
            log.info("%s: waits %.0f seconds to stay within Exact's limits", request, held.seconds)
        return held

    def _received(
        self, request: Request, receive: Callable[[], Response | NoResponse], started: float
    ) -> Response | NoResponse | Held:
        """Wait for an answer, and learn from it."""
        try:
            answer = receive()
        except BaseException:
            self.account.note(request, None)
            raise
        blocked = self.account.note(request, answer)
        self.usage.calls += 1
        self.count("calls", 1)
        if isinstance(answer, Response):
            self._note(answer)
        outcome = answer.status if isinstance(answer, Response) else answer.reason
        log.debug("%s: %s in %.0f ms", request, outcome, (time.monotonic() - started) * 1000)
        return blocked or answer

    def close(self) -> None:
        if isinstance(self.inner, RequestsTransport):
            self.inner.close()

    def _note(self, answer: Response) -> None:
        now = self.clock()
        self.ahead = server_time(answer.headers, now) - now
        if answer.status == 429:
            self.usage.limited += 1
            self.count("limited", 1)
