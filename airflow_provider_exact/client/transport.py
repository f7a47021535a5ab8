"""One exchange with a server: what is sent, what comes back, and who carries it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLCertVerificationError
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, SSLError

DEFAULT_TIMEOUT = (10.0, 60.0)
# How much of a file is taken from the network at once.
PIECE = 128 * 1024

Decoder = msgspec.json.Decoder[Any]
ANYTHING: Decoder = msgspec.json.Decoder()

T = TypeVar("T")
# Takes an answer's headers and the pieces of its body.
Sink = Callable[[Mapping[str, str], Iterator[bytes]], None]


@dataclass(frozen=True)
class Request:
    """
    HTTP request to Exact.

    :param url: Address with its query.
    :param body: Body; one in pieces has a length and can be iterated more than once.
    :param subject: Name of the call in messages.
    :param division: Division in which Exact counts the call.
    :param turn_at: Earliest time to send a call that had to wait.
    :param sink: Receiver of the body of a successful response; the ``Response`` then has none.
    :param decoder: Decoder that will read the response's body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | str | Iterable[bytes] | None = field(default=None, repr=False)
    subject: str = ""
    division: int | None = None
    sink: Sink | None = field(default=None, repr=False)
    decoder: Decoder = field(default=ANYTHING, repr=False)
    turn_at: float | None = None

    def bearing(self, access_token: str) -> Request:
        """Return this request with an access token."""
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {access_token}"})

    @property
    def is_repeatable(self) -> bool:
        """Whether doing it twice is the same as doing it once."""
        return self.method != "POST"

    @property
    def wants_json(self) -> bool:
        """Whether a successful answer must be JSON: no file, and none of the XML API."""
        return "json" in self.headers.get("Accept", "json")

    def __str__(self) -> str:
        return self.subject or f"{self.method} {self.url.partition('?')[0]}"


@dataclass(frozen=True)
class Response:
    """What a server answered; header names compare in any letter case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict, repr=False)
    body: bytes = field(default=b"", repr=False)

    _decoded: dict[Decoder, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def json(self) -> Any:
        """
        The parsed body; ``None`` when it is empty.

        :raises msgspec.DecodeError: it is not JSON.
        """
        return self.decoded(ANYTHING)

    def decoded(self, decoder: Decoder) -> Any:
        """
        Return the body as a decoder reads it, which it does once; ``None`` when it is empty.

        :raises msgspec.DecodeError: it is not JSON; a ``ValidationError``, not of these types.
        """
        if decoder not in self._decoded:
            self._decoded[decoder] = decoder.decode(self.body) if self.body.strip() else None
        return self._decoded[decoder]

    def is_json(self, decoder: Decoder = ANYTHING) -> bool:
        """Whether the body is empty or JSON, and not half an answer or a login page."""
        try:
            self.decoded(decoder)
        except msgspec.ValidationError:
            return self.is_json()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return True


@dataclass(frozen=True)
class NoResponse:
    """
    No answer came back, or only half of one.

    ``sent`` is false when no connection came about, so that the server has certainly done nothing.
    """

    reason: str
    sent: bool = True


@dataclass(frozen=True)
class Held:
    """The call was not made: a limit says to stay away for so many seconds."""

    seconds: float
    limit: Literal["minute", "day", "errors"] = "minute"


Answer = Response | NoResponse | Held


class Transport(Protocol):
    """Carries one request to a server, without second chances."""

    def send(self, request: Request) -> Response | NoResponse: ...


class Carrier(Protocol):
    """A transport, or one that holds calls back."""

    def send(self, request: Request) -> Answer: ...


class CarrierAhead(Carrier, Protocol):
    """One that can also leave the sending to a thread."""

    def begin(self, request: Request, executor: Executor) -> Callable[[], Answer]: ...


class AsyncTransport(Protocol):
    """The same without blocking an event loop."""

    async def send(self, request: Request) -> Answer: ...


def _as_is(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the Authorization header alone: without an ``auth``, requests would take one from a .netrc file."""
    return prepared


class LoopbackAdapter(HTTPAdapter):
    """Adapter for this machine: plain http, past proxies."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        # OAuth2Session accepts https only.
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *args, **options | {"proxies": None})


class RequestsTransport:
    """
    Sends through one pooled ``requests`` session.

    :param timeout: Seconds to wait for a connection, and between two bytes of the answer.
    """

    def __init__(self, timeout: tuple[float, float] = DEFAULT_TIMEOUT) -> None:
        self.timeout = timeout
        self.session = requests.Session()
        # No cookies: a session cookie of a load balancer must not tie calls of several divisions together.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        pool: dict[str, Any] = {"pool_connections": 2, "pool_maxsize": 16, "max_retries": 0}
        self.session.mount("https://", HTTPAdapter(**pool))
        # A site has plain http on loopback only.
        self.session.mount("http://", LoopbackAdapter(**pool))

    def send(self, request: Request) -> Response | NoResponse:
        try:
            with self.session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                auth=_as_is,
                timeout=self.timeout,
                # A redirect would carry the token wherever the answer says.
                allow_redirects=False,
                stream=True,
            ) as answer:
                if request.sink is not None and answer.status_code == requests.codes.ok:
                    request.sink(answer.headers, answer.iter_content(PIECE))
                    return Response(answer.status_code, answer.headers)
                # As large as they come: `content` would take a page in a hundred pieces.
                return Response(answer.status_code, answer.headers, b"".join(answer.iter_content(None)))
        except requests.RequestException as error:
            # The error's own text holds the address with its query; its kind says enough.
            return NoResponse(type(error).__name__, sent=may_have_been_sent(error))

    def close(self) -> None:
        self.session.close()


def may_have_been_sent(error: Exception) -> bool:
    """Whether the request may have reached the server; only what fails before anything is sent is certain."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return False
    cause: object = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, SSLError) and cause.args:
        # Any other TLS error may come in the middle of the answer.
        return not isinstance(cause.args[0], SSLCertVerificationError)
    return not isinstance(cause, NewConnectionError | ConnectTimeoutError)


class InThread(Protocol):
    """Runs a blocking function off the event loop: ``asyncio.to_thread``, or Airflow's ``sync_to_async``."""

    def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Awaitable[T]: ...


class ThreadedTransport:
    """Carries requests for coroutines, each through a thread, so that sync and async share one transport."""

    def __init__(self, transport: Carrier, in_thread: InThread = asyncio.to_thread) -> None:
        self.transport = transport
        self._in_thread = in_thread

    async def send(self, request: Request) -> Answer:
        return await self._in_thread(self.transport.send, request)
