"""
How a client makes its calls: addresses, headers, tokens, waits and second chances, in one division at a time.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar
from urllib.parse import quote

from airflow_provider_exact.client import flow as flows
from airflow_provider_exact.client import query
from airflow_provider_exact.client.account import Account, MeteredTransport, Usage, no_metric
from airflow_provider_exact.client.auth.token_provider import TokenProvider
from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.creation import Moment
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.files import json_body
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import InThread, Request, RequestsTransport, Response, Transport

T = TypeVar("T")

ME = "current/Me"
# Without this, answers are Atom XML.
ACCEPT = {"Accept": "application/json"}
# Ask a PUT for the changed record; without it the answer is empty.
WRITING = {**ACCEPT, "Content-Type": "application/json", "Prefer": "return=representation"}


class Calls:
    """
    What the methods of ``ExactClient`` share: it knows no records.

    :param division: Used by calls that name none; there is no other default, since Exact's own follows what the user
        last clicked.
    :param transport: One session for all calls; by default a ``RequestsTransport``.
    :param account: What is known of Exact's limits; clients of one app in one process share it.
    :param patience: Seconds that a call may wait for its turn within the limit a minute.
    :param count: Called with the name and the amount of what is worth a metric.
    """

    def __init__(
        self,
        site: Site,
        tokens: TokenProvider,
        *,
        division: int | str | None = None,
        transport: Transport | None = None,
        account: Account | None = None,
        patience: float = flows.PATIENCE,
        count: Callable[[str, float], None] = no_metric,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        in_thread: InThread = asyncio.to_thread,
        turns: Callable[[], asyncio.Semaphore | None] = lambda: None,
    ) -> None:
        self.site = site
        self.tokens = tokens
        self.division = query.whole_number("division", division)
        self.usage = Usage()
        self.patience = patience
        self.account = account or Account(clock=clock, jitter=jitter)
        self.transport = MeteredTransport(
            transport or RequestsTransport(), self.account, self.usage, clock=clock, count=count
        )
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._in_thread = in_thread
        self._turns = turns

    def close(self) -> None:
        """Close the session's connections."""
        self.transport.close()

    def moment(self) -> Moment:
        """Return this moment, and how far the server's clock is ahead."""
        return Moment(self._clock(), self.transport.ahead)

    def send(self, request: Request) -> Response:
        """Make a call to an address that is no endpoint, with the same tokens, waits and second chances."""
        return self.run(self.call(request))

    def request_to(
        self,
        method: str,
        endpoint: Endpoint,
        division: int | str | None,
        *,
        key: object = None,
        record: Mapping[str, Any] | None = None,
        options: Mapping[str, str | None] | None = None,
    ) -> Request:
        """Return a request to an endpoint in a division, with a record to write or query options."""
        number = None if endpoint.path == ME else self.in_division(division)
        url = self.site.endpoint_url(endpoint.path, number)
        subject = f"{method} {endpoint.path}" + (f" in division {number}" if number else "")
        if method in ("PUT", "DELETE") or key is not None:
            text = query.key_text(endpoint, key)
            url += quote(text, safe=query.SAFE)
            subject = f"{method} {endpoint.path}{text} in division {number}"
        if options and (encoded := query.encode(options)):
            url += f"?{encoded}"
        if record is None:
            return Request(method, url, ACCEPT, subject=subject, division=number)
        return Request(method, url, WRITING, json_body(record), subject=subject, division=number)

    def in_division(self, division: int | str | None) -> int:
        """
        Return the division to work in: the one given, or this client's.

        :raises ExactRequestError: there is neither.
        """
        number = query.whole_number("division", division) or self.division
        if number is None:
            raise ExactRequestError(
                "division: none is given, and it is never guessed. Set one in the call, or as the connection's default "
                f"division.{self.divisions_to_choose_from()}"
            )
        return number

    def divisions_to_choose_from(self) -> str:
        """Return a sentence that names the divisions of the signed-in user, or nothing."""
        return ""

    def call(self, request: Request) -> flows.Flow[Response]:
        """Return the flow of one call."""
        return flows.call(
            request, patience=self.patience, advice=self.tokens.advice, clock=self._clock, jitter=self._jitter
        )

    def run(self, flow: flows.Flow[T]) -> T:
        """Carry out a flow, blocking."""
        return flows.run(flow, transport=self.transport, tokens=self.tokens, sleep=self._sleep, on_wait=self.on_wait)

    def on_wait(self, seconds: float) -> None:
        """Count a wait that is about to begin."""
        self.usage.waits += 1
        self.usage.waited += seconds
        self.transport.count("waited", seconds)

    def ahead(self, flow: flows.Flow[T], executor: Executor) -> Callable[[], T]:
        """Let a thread send a flow's first call; what is returned waits for its answer and does the rest."""
        return flows.begin(
            flow,
            transport=self.transport,
            tokens=self.tokens,
            executor=executor,
            sleep=self._sleep,
            on_wait=self.on_wait,
        )
