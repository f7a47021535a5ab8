"""What happened: counts of calls and refreshes, and a bounded log of the last calls. No token gets in here."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

LOG_LENGTH = 5_000
SECRET_PARAMETERS = frozenset({"code", "access_token", "refresh_token", "client_secret", "token", "password"})


@dataclass(frozen=True)
class Call:
    """
    One call; ``status`` is 0 when the connection was reset, ``fault`` names the fault that hit it.

    ``at`` is the emulator's time.
    """

    sequence: int
    at: float
    method: str
    path: str
    query: str
    endpoint: str
    division: int | None
    status: int
    fault: str | None


@dataclass
class Journal:
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))
    counts: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    refused_refreshes: Counter[str] = field(default_factory=Counter)
    refreshes: int = 0
    sign_ins: int = 0
    sequence: int = 0
    _bearers: set[bytes] = field(default_factory=set, repr=False)

    def add(self, **facts: Any) -> None:
        self.sequence += 1
        call = Call(self.sequence, **{**facts, "query": _without_secrets(facts["query"])})
        self.calls.append(call)
        self.counts[call.method, call.endpoint, call.status] += 1

    def saw_bearer(self, token: str) -> None:
        self._bearers.add(hashlib.sha256(token.encode()).digest())

    def statistics(self) -> dict[str, Any]:
        return {
            "calls": [
                {"method": method, "endpoint": endpoint, "status": status, "count": count}
                for (method, endpoint, status), count in sorted(self.counts.items())
            ],
            "total": sum(self.counts.values()),
            "sign_ins": self.sign_ins,
            "refreshes": self.refreshes,
            "refused_refreshes": dict(self.refused_refreshes),
            "distinct_bearer_tokens": len(self._bearers),
        }

    def log(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls]


def _without_secrets(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(name.lower() in SECRET_PARAMETERS for name, _ in pairs):
        return query
    return urlencode([(name, "***" if name.lower() in SECRET_PARAMETERS else value) for name, value in pairs])
