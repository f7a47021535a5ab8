"""
Many processes that share one division's minute, on a clock that jumps from event to event.

Each has an account of its own, as a task of Airflow has; what they tell each other arrives a little late, as in an
Airflow Variable. Calls and limits are the real ones: ``client.flow`` and the emulator's ``Limits``.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from airflow_provider_exact.client.account import Account
from airflow_provider_exact.client.auth.token import Token
from airflow_provider_exact.client.budget import Seen, merged
from airflow_provider_exact.client.flow import NeedToken, Send, Wait, call
from airflow_provider_exact.client.transport import Request, Response
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.limits import Limits
from airflow_provider_exact.emulator.settings import Settings

START = 1_700_049_617.0
REQUEST = Request("GET", "https://exact.test/api/v1/1/crm/Accounts", division=1)
TOKEN = Token("a", "r", START, START + 1e9)


@dataclass
class Crowd:
    """
    :param at_once: How many tasks run at a time.
    :param calls: How many calls each task makes.
    :param start_up: Seconds between the starts of two tasks, and that a task takes to get to its first call.
    :param latency: Seconds that a call takes.
    :param delay: Seconds until others see what a process wrote; ``None``: they never do.
    """

    tasks: int
    at_once: int
    calls: int = 1
    start_up: float = 0.3
    latency: float = 0.3
    delay: float | None = 0.2
    seed: int = 1
    now: float = START
    answered: list[tuple[float, int]] = field(default_factory=list)
    finished: int = 0

    def run(self) -> Crowd:
        self._random = random.Random(self.seed)
        self._limits, self._settings = Limits(), Settings()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._seen: dict[int, Seen] = {}
        self._waiting = self.tasks
        for number in range(min(self.at_once, self.tasks)):
            self._at(number * self.start_up, self._start)
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
        return self

    @property
    def share_refused(self) -> float:
        return sum(status == 429 for _, status in self.answered) / len(self.answered)

    @property
    def minutes(self) -> float:
        return (self.now - START) / 60

    def _at(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def _start(self) -> None:
        if self._waiting:
            self._waiting -= 1
            account = Account(None if self.delay is None else self, clock=lambda: self.now, jitter=self._random.random)
            begun = self.start_up * (0.5 + self._random.random())
            self._at(begun, lambda: self._calls(account, self.calls))

    def _calls(self, account: Account, left: int) -> None:
        if not left:
            account.tell()
            self.finished += 1
            self._start()
            return
        flow = call(REQUEST, clock=lambda: self.now, jitter=self._random.random)
        self._step(flow, None, account, left)

    def _step(self, flow, reply, account: Account, left: int) -> None:
        try:
            step = flow.send(reply)
        except StopIteration:
            self._calls(account, left - 1)
            return
        match step:
            case NeedToken():
                self._step(flow, TOKEN, account, left)
            case Wait(seconds):
                self._at(seconds, lambda: self._step(flow, None, account, left))
            case Send(request):
                if held := account.hold(request):
                    self._step(flow, held, account, left)
                    return
                took = self.latency * (0.5 + self._random.random())
                self._at(took / 2, lambda: self._serve(flow, request, account, left, took / 2))

    def _serve(self, flow, request: Request, account: Account, left: int, back: float) -> None:
        try:
            answer = Response(200, self._limits.spend("app", 1, self._settings, self.now), b"{}")
        except Refusal as refusal:
            answer = Response(refusal.status, dict(refusal.headers))
        answer.headers["Date"] = formatdate(self.now, usegmt=True)
        self.answered.append((self.now, answer.status))

        def arrive() -> None:
            account.note(request, answer)
            self._step(flow, answer, account, left)

        self._at(back, arrive)

    # What the accounts share.

    def limits(self) -> dict[int, Seen]:
        return self._seen

    def tell_limits(self, limits: dict[int, Seen]) -> None:
        def arrive() -> None:
            self._seen = merged(self._seen, limits)

        self._at(self.delay or 0.0, arrive)

    def errors(self) -> dict[str, list[float]]:
        return {}

    def tell_errors(self, errors: dict[str, list[float]]) -> None:
        raise AssertionError(f"a 429 was counted as an error: {errors}")
