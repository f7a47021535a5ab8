"""
Below HTTP: the faults that hit an answer on its way, the emulator's ``Date``, and the log of what was sent.

A reset is a real one: the TCP connection ends with RST and no answer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_exact.emulator.control import PREFIX
from airflow_provider_exact.emulator.faults import Fault
from airflow_provider_exact.emulator.limits import DAY, MINUTE, day_headers, minute_headers, window_end
from airflow_provider_exact.emulator.pages import find_page
from airflow_provider_exact.emulator.routes import find
from airflow_provider_exact.emulator.state import Emulator

HTML = "text/html; charset=utf-8"
OVERLOADED = (
    '{"fault":{"faultstring":"Failed to execute the ExtractVariables: ExtractAccessToken",'
    '"detail":{"errorcode":"steps.extractvariables.ExecutionFailed"}}}'
)
Answer = tuple[int, dict[str, str], bytes]

# Open connections by the addresses at both ends: ASGI does not show them.
CONNECTIONS: dict[Any, asyncio.Transport] = {}


class Protocol(H11Protocol):
    """uvicorn's protocol, which tells where its connections are."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.ends = _ends(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
        CONNECTIONS[self.ends] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        CONNECTIONS.pop(self.ends, None)
        super().connection_lost(exc)


def _ends(client: Any, server: Any) -> tuple[Any, ...]:
    return *tuple(client)[:2], *tuple(server)[:2]


class Wire:
    """
    The outermost layer of the emulator.

    :param app: Answers the calls.
    """

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self.app = app
        self.emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = find(scope["path"]) or find_page(scope["path"], scope["query_string"])
        is_control = scope["path"].startswith(PREFIX)
        if route is None:
            endpoint, division = scope["path"].strip("/").removeprefix("api/"), None
        else:
            endpoint, division = route.path, route.division
        fault = None if is_control else self.emulator.faults.for_call(scope["method"], endpoint)
        try:
            status = await self._answer(scope, receive, send, fault)
        except ClientDisconnect:
            # Hung up before all of it was sent: there is nobody to answer.
            return
        if not is_control:
            self.emulator.journal.add(
                at=self.emulator.clock.now(),
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                endpoint=endpoint,
                division=division,
                status=status,
                fault=None if fault is None else fault.kind,
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send, fault: Fault | None) -> int:
        """Answer a call, faulty or not, and return the status sent; 0 when the connection was cut."""
        if fault is not None:
            if fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif (instead := self._instead(fault)) is not None:
                await _drain(receive)
                return await self._send(send, instead)
            elif fault.kind == "reset_before":
                await _drain(receive)
                return await _reset(scope, receive)
        status, headers, body = await self._work(scope, receive)
        match fault:
            case Fault(kind="reset_after" | "token_lost"):
                return await _reset(scope, receive)
            case Fault(kind="truncated"):
                return await self._truncate(scope, receive, (status, headers, body))
            case Fault(kind="empty"):
                status, body = 200, b""
            case Fault(kind="next_elsewhere" | "next_self"):
                body = _with_next(scope, body, fault)
        return await self._send(send, (status, headers, body))

    async def _work(self, scope: Scope, receive: Receive) -> Answer:
        """Let the application answer and keep what it says."""
        started: list[Message] = []
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in started[0]["headers"]}
        return started[0]["status"], headers, b"".join(parts)

    async def _send(self, send: Send, answer: Answer) -> int:
        status, given, body = answer
        message: Message = {"type": "http.response.start", "status": status, "headers": []}
        headers = MutableHeaders(scope=message)
        for name, value in given.items():
            headers[name] = value
        headers["date"] = self.emulator.clock.http_date()
        if status != HTTPStatus.NO_CONTENT:
            headers["content-length"] = str(len(body))
        await send(message)
        await send({"type": "http.response.body", "body": body})
        return status

    async def _truncate(self, scope: Scope, receive: Receive, answer: Answer) -> int:
        """Promise the whole body, send half of it and hang up."""
        transport = CONNECTIONS[_ends(scope["client"], scope["server"])]
        status, headers, body = answer
        headers["content-length"] = str(max(len(body), 2))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n"
        transport.write(head.encode("latin-1") + body[: len(body) // 2])
        transport.close()
        await _gone(receive)
        return 0

    def _instead(self, fault: Fault) -> Answer | None:
        """Return the answer that a fault gives without any work, or ``None``."""
        now, settings = self.emulator.clock.now(), self.emulator.settings
        match fault.kind:
            case "status":
                phrase = HTTPStatus(fault.status).phrase if fault.status in set(HTTPStatus) else "Error"
                text = fault.body if fault.body is not None else f"<html><body><h1>{phrase}</h1></body></html>"
                return fault.status, {"content-type": HTML}, text.encode()
            case "business_error":
                error = {"error": {"code": "", "message": {"lang": "", "value": fault.message}}}
                return 500, {"content-type": "application/json; charset=utf-8"}, msgspec.json.encode(error)
            case "unauthorized":
                return 401, {"content-type": HTML}, b"<html><body><h1>Unauthorized</h1></body></html>"
            case "minute_limit":
                return 429, minute_headers(settings.calls_per_minute, 0, window_end(MINUTE, now)), b""
            case "day_limit":
                return 429, day_headers(settings.calls_per_day, 0, window_end(DAY, now)), b""
            case "redirect":
                return 302, {"location": f"https://{fault.host}/login", "content-type": HTML}, b"<html></html>"
            case "token_error":
                return 500, {"content-type": "application/json"}, OVERLOADED.encode()
            case "token_empty":
                return 200, {}, b""
        return None


async def _drain(receive: Receive) -> None:
    """Read what was sent: an answer to a half-read request can get lost."""
    while (await receive()).get("more_body"):
        pass


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(scope: Scope, receive: Receive) -> int:
    """End the connection with RST: lingering for no time makes the kernel drop what is unsent."""
    transport = CONNECTIONS[_ends(scope["client"], scope["server"])]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)
    return 0


def _with_next(scope: Scope, body: bytes, fault: Fault) -> bytes:
    """Return a page whose ``__next`` leads elsewhere or back to itself."""
    content = msgspec.json.decode(body)
    page = content.get("d") if isinstance(content, dict) else None
    if not isinstance(page, dict) or "results" not in page:
        return body
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
    own = f"{scope['scheme']}://{host}{scope['raw_path'].decode('latin-1').partition('?')[0]}{query}"
    page["__next"] = own if fault.kind == "next_self" else own.replace(host, fault.host, 1)
    return msgspec.json.encode(content)
