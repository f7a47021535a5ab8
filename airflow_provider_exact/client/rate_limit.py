"""
What Exact's rate limit headers say, and how long a 429 is to be waited out.

Windows are fixed: the calendar minute, and the day until midnight UTC. ``X-RateLimit-…-Reset`` is in epoch
milliseconds; a 429 carries only the headers of the limit that was hit, sometimes none. A missing header is not a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MINUTE = 60.0
DAY = 86_400.0
# The reset has the precision of a minute and counters differ between Exact's gateway nodes.
GRACE = 1.0


@dataclass(frozen=True)
class Window:
    """
    One limit as the last answer told it; ``None`` where it did not. ``resets_at`` is by the server's clock.
    """

    limit: int | None = None
    remaining: int | None = None
    resets_at: float | None = None


@dataclass(frozen=True)
class RateLimits:
    """Both limits of an app in a division; ``None`` where the answer carried none of its headers."""

    minutely: Window | None = None
    daily: Window | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> RateLimits:
        """Read the six headers, in any letter case."""
        folded = {name.lower(): value for name, value in headers.items()}
        return cls(_window(folded, "x-ratelimit-minutely-"), _window(folded, "x-ratelimit-"))


@dataclass(frozen=True)
class Pause:
    """A 429's advice: ``seconds`` to wait from now, and whether it is the day that is used up."""

    seconds: float
    is_daily: bool


def _window(headers: Mapping[str, str], prefix: str) -> Window | None:
    values = [headers.get(prefix + name, "") for name in ("limit", "remaining", "reset")]
    limit, remaining, reset = (int(value) if value.strip().lstrip("-").isdecimal() else None for value in values)
    if limit is remaining is reset is None:
        return None
    return Window(limit, remaining, None if reset is None else reset / 1000)


def sent_at(headers: Mapping[str, str]) -> float | None:
    """Return the ``Date`` of a response in seconds since the epoch; ``None`` without a readable one."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return None


def server_time(headers: Mapping[str, str], now: float) -> float:
    """Return the ``Date`` of a response, or ``now`` without one: clocks drift."""
    moment = sent_at(headers)
    return now if moment is None else moment


def pause(headers: Mapping[str, str], now: float) -> Pause:
    """
    Return how long to stay away after a 429.

    :param now: The moment by the local clock, for answers without a ``Date``.
    """
    limits = RateLimits.of(headers)
    there = server_time(headers, now)
    daily = limits.daily is not None and (limits.minutely is None or limits.daily.remaining == 0)
    window, length = (limits.daily, DAY) if daily else (limits.minutely, MINUTE)
    resets_at = window.resets_at if window else None
    if resets_at is None:
        resets_at = (there // length + 1) * length
    # A reset in the past, or further off than its window, comes of a clock that is wrong: never wait longer than that.
    return Pause(min(max(resets_at - there, 0.0), length) + GRACE, daily)
