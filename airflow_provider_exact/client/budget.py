"""
The calls that Exact allows an app in a division, and when the next one may be made.

The limits are counted at Exact for all programs together; what is left of them is only known from answers. Moments here
are those of this machine's clock, whatever Exact's says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from airflow_provider_exact.client.rate_limit import GRACE, MINUTE, RateLimits, Window, pause, server_time
from airflow_provider_exact.client.transport import Held, Response

# Until an answer tells it.
USUAL_LIMIT = 60
# This part of a minute's calls is left to others whose calls are under way, when there are others.
RESERVE = 0.1
# From this part on downwards calls are spread over the rest of the minute.
LITTLE = 0.5
# Others' calls make what is known old: this many seconds, when little is left.
FRESH = 2.0
# For so many seconds nobody hears of a call: it is under way, and so is the news of it.
UNHEARD = 1.2
# A day's limit may be raised at Exact: look again after this long.
DAY_IS_BELIEVED = 3600.0
# Over less than so many seconds no pace is told.
SHORTEST = 0.2
# Two moments of one window's end, told by clocks that differ a little.
SAME_WINDOW = 30.0


@dataclass(frozen=True)
class Seen:
    """
    A division's limits as they were seen at a moment, both in this machine's time.

    ``pace`` is how many calls a second all programs together made lately.
    """

    limits: RateLimits
    at: float
    pace: float = 0.0

    def text(self, now: float) -> str:
        """Return the limits in words; a window that has ended since tells nothing."""
        windows = (("minute", self.limits.minutely), ("day", self.limits.daily))
        return ", ".join(
            f"{window.remaining} of {window.limit} a {name}"
            for name, window in windows
            if window is not None and window.remaining is not None and (window.resets_at or now) >= now
        )


@dataclass(frozen=True)
class _Minute:
    """``is_told`` is false of a minute that has just begun and that no answer has spoken of yet."""

    limit: int
    left: int
    resets_at: float
    at: float
    is_told: bool = True
    pace: float = 0.0


class Budget:
    """
    The calls of one app in one division, as one process knows them.

    :param jitter: Random numbers from 0 to 1, which keep processes that know nothing of each other apart.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._minute: _Minute | None = None
        self._day: Window | None = None
        self._day_at = 0.0
        self._under_way = 0
        self._own = 0
        # By how much others and this process together use up between two answers to this process.
        self._fall = 1
        self._next_turn = 0.0
        # The minute that other processes were last told of, by its end.
        self._told_of = 0.0

    def hold(self, now: float, turn_at: float | None = None) -> Held | None:
        """
        Return how long to stay away, or ``None`` for a call that may be made now; it then counts as under way.

        :param turn_at: What an earlier ``Held`` said of this call.
        """
        day = self._day
        believed_until = min(day.resets_at, self._day_at + DAY_IS_BELIEVED) if day and day.resets_at else 0.0
        if day and day.resets_at and day.remaining == 0 and now < believed_until:
            return Held(day.resets_at - now + GRACE, "day")
        if minute := self._current(now):
            left = minute.left - self._under_way
            is_alone = self._is_alone(minute)
            spare = left - (0 if is_alone else math.ceil(minute.limit * RESERVE))
            if spare <= 0:
                return self._until_next_minute(minute, now)
            # Calls of others that nobody has heard of yet: what was told some time ago counts ever less.
            pace = minute.pace * min(1.0, FRESH / max(now - minute.at, 0.001))
            if not is_alone and left <= pace * UNHEARD:
                return Held((minute.resets_at - now) * self._jitter() + 0.1)
            if turn_at is None and left <= minute.limit * LITTLE:
                turn = max(self._next_turn, now)
                gap = (minute.resets_at - now) / spare * self._fall
                self._next_turn = turn + gap * (0.5 + self._jitter())
                if turn >= minute.resets_at:
                    return self._until_next_minute(minute, now)
                if turn > now:
                    return Held(turn - now)
        self._own += 1
        self._under_way += 1
        return None

    def note(self, answer: object, now: float) -> None:
        """Learn from what came of a call that was under way."""
        self._under_way = max(0, self._under_way - 1)
        if not isinstance(answer, Response):
            return
        limits = RateLimits.of(answer.headers)
        ahead = server_time(answer.headers, now) - now
        if answer.status == 429:
            until = pause(answer.headers, now)
            resets_at = now + until.seconds - GRACE
            if until.is_daily:
                known = limits.daily or self._day
                self._day, self._day_at = Window(known.limit if known else None, 0, resets_at), now
            else:
                told = limits.minutely and limits.minutely.limit
                self._tell(_Minute(told or self._limit, 0, resets_at, now))
            return
        if limits.daily is not None:
            self._day, self._day_at = _local(limits.daily, ahead), now
        told_minute = limits.minutely
        if told_minute is not None and told_minute.remaining is not None:
            resets_at = _local(told_minute, ahead).resets_at or ((now + ahead) // MINUTE + 1) * MINUTE - ahead
            before, pace = self._current(now), 0.0
            if before is not None and before.is_told and before.left > told_minute.remaining:
                self._fall = before.left - told_minute.remaining
                pace = self._fall / max(now - before.at, SHORTEST)
            limit = told_minute.limit or self._limit
            self._tell(_Minute(limit, told_minute.remaining, resets_at, now, pace=pace))

    def learn(self, seen: Seen, now: float) -> None:
        """Take over what another process saw."""
        minute, day = seen.limits.minutely, seen.limits.daily
        if day is not None and seen.at > self._day_at:
            self._day, self._day_at = day, seen.at
        if minute is not None and minute.remaining is not None and minute.resets_at and now < minute.resets_at:
            limit = minute.limit or self._limit
            self._tell(_Minute(limit, minute.remaining, minute.resets_at, seen.at, pace=seen.pace))

    def wants_news(self, now: float) -> bool:
        """Whether it is worth asking what other processes saw."""
        minute = self._current(now)
        if minute is None or not minute.is_told:
            return True
        age = now - minute.at
        return age > FRESH and minute.left - minute.pace * age <= minute.limit * LITTLE

    def is_tight(self, now: float) -> bool:
        """Whether so little of the minute is left that other processes should know."""
        minute = self._current(now)
        return minute is not None and minute.is_told and minute.left <= minute.limit * LITTLE

    def has_news(self, now: float) -> bool:
        """Whether this minute other processes have not been told of yet, or little of it is left."""
        minute = self._current(now)
        if minute is None or not minute.is_told:
            return False
        return minute.resets_at - self._told_of > SAME_WINDOW or self.is_tight(now)

    def tell(self) -> Seen | None:
        """Return what is known, to tell it to other processes."""
        self._told_of = self._minute.resets_at if self._minute else 0.0
        return self.seen

    @property
    def seen(self) -> Seen | None:
        """What is known, for other processes and for people."""
        minute = self._minute
        told = Window(minute.limit, minute.left, minute.resets_at) if minute and minute.is_told else None
        if told is None and self._day is None:
            return None
        at, pace = (minute.at, minute.pace) if minute and told else (0.0, 0.0)
        return Seen(RateLimits(told, self._day), max(at, self._day_at), pace)

    @property
    def _limit(self) -> int:
        return self._minute.limit if self._minute else USUAL_LIMIT

    def _current(self, now: float) -> _Minute | None:
        """Return the minute that it is now; after the end of the last one, a fresh one."""
        minute = self._minute
        if minute is not None and now >= minute.resets_at:
            resets_at = minute.resets_at + ((now - minute.resets_at) // MINUTE + 1) * MINUTE
            self._minute = _Minute(minute.limit, minute.limit, resets_at, now, is_told=False)
            self._own, self._fall, self._next_turn = 0, 1, 0.0
        return self._minute

    def _tell(self, told: _Minute) -> None:
        known = self._minute
        if known is not None and abs(known.resets_at - told.resets_at) < SAME_WINDOW:
            # Answers overtake each other, and within a minute what is left only falls.
            newer = told if told.at >= known.at or not known.is_told else known
            told = replace(newer, left=min(known.left, told.left))
        elif known is not None and told.resets_at < known.resets_at:
            return
        self._minute = told

    def _is_alone(self, minute: _Minute) -> bool:
        """Whether nearly all of this minute's calls were this process's own."""
        return self._own >= 0.8 * (minute.limit - minute.left)

    def _until_next_minute(self, minute: _Minute, now: float) -> Held:
        # Others wait for the same moment. Whoever comes later sees what the first ones left over.
        spread = 1.0 if self._is_alone(minute) else MINUTE * 0.9
        return Held(minute.resets_at - now + GRACE + spread * self._jitter())


def merged(one: Mapping[int, Seen], other: Mapping[int, Seen]) -> dict[int, Seen]:
    """Return what two processes saw, by division; of a division the later sight counts."""
    found = dict(one)
    for division, seen in other.items():
        known = found.get(division)
        if known is None or known.at <= seen.at:
            found[division] = _with_older_families(seen, known) if known else seen
    return found


def _with_older_families(seen: Seen, known: Seen) -> Seen:
    """Fill in what an answer did not tell from the sight before it."""
    limits = RateLimits(seen.limits.minutely or known.limits.minutely, seen.limits.daily or known.limits.daily)
    return replace(seen, limits=limits)


def _local(window: Window, ahead: float) -> Window:
    """Return a window with its reset in this machine's time."""
    return window if window.resets_at is None else replace(window, resets_at=window.resets_at - ahead)
