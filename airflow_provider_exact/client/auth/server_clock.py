"""Exact's clock, according to the ``Date`` headers of responses."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

# Difference in seconds for a line in the log.
NOTABLE_SKEW = 10.0
# ``Date`` may be behind by at most one second: the header has no fractions.
RESOLUTION = 1.0


class ServerClock:
    """
    Clock of Exact's servers, in seconds since the epoch.

    ``skew`` is the lead of Exact's clock over the worker's clock in seconds, ``None`` before the first response.

    :param local: Clock of the worker.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self.local = local
        self.skew: float | None = None
        self._is_reported = False

    def now(self) -> float:
        """Return Exact's time; the worker's before the first response."""
        return self.local() + (self.skew or 0.0)

    def learn(self, sent_at: float, *, since: float) -> None:
        """
        Take the smallest skew in agreement with a response.

        :param sent_at: ``Date`` of the response.
        :param since: Time of the request by the local clock.
        """
        least = sent_at - self.local()
        self.adopt(min(max(least, 0.0), max(least, sent_at + RESOLUTION - since)))

    def learn_behind(self, sent_at: float) -> None:
        """Take the skew from a response without the time of the request: only a clock behind Exact's shows."""
        least = sent_at - self.local()
        if self.skew is None:
            self.adopt(max(least, 0.0))
        elif least > self.skew:
            self.adopt(least)

    def adopt(self, skew: float) -> None:
        """Use a skew, and report a notable skew once."""
        self.skew = skew
        if abs(skew) > NOTABLE_SKEW and not self._is_reported:
            self._is_reported = True
            log.warning("%s", self.complaint)

    @property
    def complaint(self) -> str:
        """Sentence about a wrong clock; empty for a clock in agreement with Exact's, or not compared yet."""
        if self.skew is None or abs(self.skew) <= NOTABLE_SKEW:
            return ""
        direction = "behind" if self.skew > 0 else "ahead of"
        return (
            f"The clock of {platform.node()} is {abs(self.skew):.0f} seconds {direction} Exact's clock. Set the clock, "
            "for example by NTP."
        )
