"""Faults that a test asks for, and which call each of them hits."""

from __future__ import annotations

import dataclasses
import numbers
from dataclasses import dataclass, field
from http import HTTPStatus

TOKEN_ENDPOINT = "oauth2/token"  # noqa: S105 - a path

# kind -> what it does, as the control API and the documentation tell it
KINDS = {
    "status": "an HTML page with `status` (503) instead of an answer; no work is done",
    "business_error": "a 500 with Exact's JSON error body; no work is done",
    "unauthorized": "a 401 although the token is good; with `nth` in the middle of paging",
    "minute_limit": "a minutely 429 despite budget",
    "day_limit": "a daily 429 despite budget",
    "redirect": "a 302 to a login page",
    "empty": "a 200 with an empty body; the work is done",
    "slow": "the answer comes after `seconds` (1) of real time",
    "reset_before": "the TCP connection is reset, no work is done",
    "reset_after": "the work is done, then the TCP connection is reset",
    "truncated": "the work is done, half of the body is sent and the connection closed",
    "next_elsewhere": "`__next` leads to another host (`host`)",
    "next_self": "`__next` leads to the page itself",
    "token_lost": "the token endpoint rotates the token and resets the connection",
    "token_error": "the token endpoint's 500 of overloaded nights; no work is done",
    "token_empty": "the token endpoint answers 200 with an empty body; no work is done",
}

NUMBERS: dict[str, type] = {"nth": int, "times": int, "status": int, "seconds": numbers.Real}


@dataclass
class Fault:
    """
    One thing that goes wrong.

    It hits calls of ``method`` to ``endpoint`` (any when empty), from the ``nth`` such call on, ``times`` times (0:
    for ever).
    """

    kind: str
    method: str = ""
    endpoint: str = ""
    nth: int = 1
    times: int = 1
    status: int = 503
    seconds: float = 1.0
    host: str = "elsewhere.example"
    body: str | None = None
    message: str = "Gegeven bestaat reeds."
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: {self.kind!r} is not a fault; choose from {', '.join(KINDS)}")
        if self.kind.startswith("token_") and not self.endpoint:
            self.endpoint = TOKEN_ENDPOINT
        if self.nth < 1 or self.times < 0 or self.seconds < 0:
            raise ValueError("nth starts at 1; times and seconds must not be negative")
        if not 200 <= self.status <= 599 or self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            raise ValueError("status: choose one from 200 to 599, not 204 or 304, which have no page")

    def hits_call(self, method: str, endpoint: str) -> bool:
        """Count a call and tell whether the fault hits it."""
        if self.method and self.method.upper() != method:
            return False
        if self.endpoint and self.endpoint.strip("/").casefold() != endpoint.casefold():
            return False
        self.seen += 1
        if self.seen < self.nth or (self.times and self.hits >= self.times):
            return False
        self.hits += 1
        return True


@dataclass
class Faults:
    """The faults in waiting; at most one hits a call, the oldest first."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, wanted: object) -> Fault:
        """
        Add a fault from the control API's JSON.

        :raises ValueError: a field is unknown or wrong.
        """
        if not isinstance(wanted, dict) or "kind" not in wanted:
            raise ValueError("kind: missing; a fault is an object such as {'kind': 'reset_after', 'method': 'POST'}")
        known = {spec.name: spec for spec in dataclasses.fields(Fault) if spec.init}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"{name}: a fault has {', '.join(known)}")
            if not isinstance(value, NUMBERS.get(name, str)) or isinstance(value, bool):
                raise ValueError(f"{name}: {value!r} has the wrong type")  # noqa: TRY004 - answered like wrong values
        fault = Fault(**wanted)
        self.waiting.append(fault)
        return fault

    def for_call(self, method: str, endpoint: str) -> Fault | None:
        hit = None
        for fault in self.waiting:
            if hit is None and fault.hits_call(method, endpoint):
                hit = fault
        return hit
