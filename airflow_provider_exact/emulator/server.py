"""The emulator on a loopback port."""

from __future__ import annotations

import ipaddress
import socket

import uvicorn

from airflow_provider_exact.emulator.app import make_app
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.wire import Protocol

DEFAULT_PORT = 8180


class PortBusyError(OSError):
    """Something else listens on the port."""


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket bound to a loopback address.

    :param port: 0 for any free one.
    :raises ValueError: the host is not this machine's loopback.
    :raises PortBusyError: the port is taken.
    """
    address = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"host: {host!r} is not a loopback address; the emulator serves this machine only")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named TCP, so that asyncio turns Nagle's algorithm off: without it each answer takes 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise PortBusyError(
            f"port {port} on {host} can't be used ({error.strerror}); choose another with --port."
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address of the server behind a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(emulator: Emulator) -> uvicorn.Server:
    """Return a server for ``emulator``; run it with the socket of :func:`listen`."""
    config = uvicorn.Config(
        make_app(emulator),
        http=Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        # The clock that callers see is the emulator's.
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        # Pooled connections of a client that pauses are not cut by us.
        timeout_keep_alive=75,
    )
    return uvicorn.Server(config)
