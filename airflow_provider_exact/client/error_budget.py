"""
The errors that Exact allows: ten answers of 400, 401, 403 or 404 per app, user, division, endpoint and hour.

The next one costs a block of an hour, and each block is longer than the one before. So calls stop a little earlier.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from airflow_provider_exact.client.transport import Held, Request

HOUR = 3_600.0
COUNTED = frozenset({400, 401, 403, 404})
# What Exact allows, and where this client stops by itself: other programs may share the app.
ALLOWED = 10
STOP_AT = 8


def subject_of(request: Request) -> str:
    """Return what errors are counted by, ``division service/endpoint``; keys and case make no difference."""
    path = unquote(urlsplit(request.url).path).partition("/api/v1/")[2] or unquote(urlsplit(request.url).path)
    endpoint = path.partition("(")[0].strip("/").removeprefix(f"{request.division}/").casefold()
    return f"{request.division or 0} {endpoint}"


class ErrorBudget:
    """
    The errors of the last hour, by subject.

    :param stop_at: Make no call to an endpoint that had so many; 0: never stop.
    """

    def __init__(self, stop_at: int = STOP_AT) -> None:
        self.stop_at = stop_at
        self._moments: dict[str, list[float]] = {}

    def hold(self, subject: str, now: float) -> Held | None:
        """Return when the endpoint may be called again, or ``None`` for now."""
        moments = self._recent(subject, now)
        if not self.stop_at or len(moments) < self.stop_at:
            return None
        return Held(moments[-self.stop_at] + HOUR - now, "errors")

    def count(self, subject: str, now: float) -> None:
        insort(self._moments.setdefault(subject, []), round(now, 3))

    def block(self, subject: str, now: float) -> None:
        """Make no call for an hour: Exact has blocked the endpoint."""
        for number in range(self.stop_at):
            self.count(subject, now + number / 1000)

    def explains_block(self, subject: str, now: float) -> bool:
        """Whether there were so many errors that Exact may have blocked the endpoint, since others make errors too."""
        return 2 * len(self._recent(subject, now)) >= self.stop_at > 0

    def learn(self, errors: Mapping[str, Iterable[float]]) -> None:
        """Add the errors that other processes counted."""
        for subject, moments in errors.items():
            self._moments[subject] = sorted({*self._moments.get(subject, ()), *moments})

    def recent(self, now: float) -> dict[str, list[float]]:
        """Return all errors of the last hour."""
        found = {subject: self._recent(subject, now) for subject in list(self._moments)}
        return {subject: moments for subject, moments in found.items() if moments}

    def _recent(self, subject: str, now: float) -> list[float]:
        moments = [moment for moment in self._moments.get(subject, ()) if moment > now - HOUR]
        if subject in self._moments:
            self._moments[subject] = moments
        return moments
