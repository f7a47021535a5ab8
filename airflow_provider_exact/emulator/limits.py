"""The budgets of calls and of errors: fixed windows per app and division, and the block after too many errors."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field

from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.settings import Settings

MINUTE = 60
DAY = 86_400
HOUR = 3_600
COUNTED_ERRORS = frozenset({400, 401, 403, 404})


@dataclass
class Window:
    """A calendar minute, or a day that ends at midnight UTC."""

    length: int
    ends_at: int = 0
    used: int = 0

    def roll(self, now: float) -> None:
        ends_at = (int(now) // self.length + 1) * self.length
        if ends_at != self.ends_at:
            self.ends_at, self.used = ends_at, 0


@dataclass
class Budget:
    minute: Window = field(default_factory=lambda: Window(MINUTE))
    day: Window = field(default_factory=lambda: Window(DAY))


def minute_headers(limit: int, remaining: int, ends_at: float) -> dict[str, str]:
    """Return the minutely family; resets are epoch milliseconds."""
    return {
        "X-RateLimit-Minutely-Limit": str(limit),
        "X-RateLimit-Minutely-Remaining": str(remaining),
        "X-RateLimit-Minutely-Reset": str(int(ends_at) * 1000),
    }


def day_headers(limit: int, remaining: int, ends_at: float) -> dict[str, str]:
    """Return the daily family."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(int(ends_at) * 1000),
    }


def window_end(length: int, now: float) -> int:
    return (int(now) // length + 1) * length


@dataclass
class Limits:
    """What has been used so far."""

    budgets: dict[tuple[str, int | None], Budget] = field(default_factory=lambda: defaultdict(Budget))

    def spend(self, app: str, division: int | None, settings: Settings, now: float) -> dict[str, str]:
        """
        Count a call and return the six headers.

        :raises Refusal: a window is used up: 429, empty, with the headers of that window only.
        """
        budget = self.budgets["" if settings.limits_shared_by_apps else app, division]
        budget.minute.roll(now)
        budget.day.roll(now)
        if budget.day.used >= settings.calls_per_day:
            raise Refusal(429, headers=day_headers(settings.calls_per_day, 0, budget.day.ends_at))
        if budget.minute.used >= settings.calls_per_minute:
            raise Refusal(429, headers=minute_headers(settings.calls_per_minute, 0, budget.minute.ends_at))
        budget.minute.used += 1
        budget.day.used += 1
        return {
            **day_headers(settings.calls_per_day, settings.calls_per_day - budget.day.used, budget.day.ends_at),
            **minute_headers(
                settings.calls_per_minute, settings.calls_per_minute - budget.minute.used, budget.minute.ends_at
            ),
        }


@dataclass(frozen=True)
class ErrorKey:
    """What errors are counted by; ``division`` is ``None`` for the token endpoint."""

    app: str
    user: str
    division: int | None
    endpoint: str


@dataclass
class ErrorVelocity:
    """Ten errors within an hour block an endpoint for an hour, and twice as long each time it happens again."""

    errors: dict[ErrorKey, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    blocked_until: dict[ErrorKey, float] = field(default_factory=dict)
    blocks: dict[ErrorKey, int] = field(default_factory=lambda: defaultdict(int))

    def check(self, key: ErrorKey, settings: Settings, now: float) -> None:
        """
        Let a call through or not.

        :raises Refusal: the endpoint is blocked.
        """
        if settings.error_limit and now < self.blocked_until.get(key, 0):
            raise Refusal(settings.error_block_status)

    def count(self, key: ErrorKey, status: int, settings: Settings, now: float) -> None:
        if status not in COUNTED_ERRORS or not settings.error_limit:
            return
        errors = self.errors[key]
        errors.append(now)
        while errors[0] <= now - HOUR:
            errors.popleft()
        if len(errors) >= settings.error_limit:
            errors.clear()
            self.blocks[key] += 1
            self.blocked_until[key] = now + HOUR * 2 ** (self.blocks[key] - 1)
