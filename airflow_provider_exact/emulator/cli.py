"""The command line: ``python -m airflow_provider_exact.emulator``."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import typing
from datetime import UTC, datetime

from airflow_provider_exact.emulator.settings import USERS, App, Settings
from airflow_provider_exact.emulator.state import Emulator


def parser() -> argparse.ArgumentParser:
    """Return the parser; every setting is an option."""
    made = argparse.ArgumentParser(
        prog="python -m airflow_provider_exact.emulator",
        description="An emulated Exact Online on this machine, for tests and for trying Dags.",
    )
    made.add_argument("--host", default="127.0.0.1", help="loopback address to serve (default %(default)s)")
    made.add_argument("--port", type=int, default=8180, help="port to serve; 0 picks a free one (default %(default)s)")
    made.add_argument("--now", metavar="ISO", help="moment at which the clock starts, UTC (default: the real time)")
    made.add_argument(
        "--app",
        action="append",
        default=[],
        metavar="ID,SECRET,NAME[,REDIRECT_URI…]",
        help="register another app; can be given more than once",
    )
    switches = made.add_argument_group("settings", "where sources contradict each other, the default is the harsher")
    kinds = typing.get_type_hints(Settings)
    for spec in dataclasses.fields(Settings):
        option = f"--{spec.name.replace('_', '-')}"
        text = f"{spec.metadata['help']} (default {spec.default})"
        if kinds[spec.name] is bool:
            switches.add_argument(option, action=argparse.BooleanOptionalAction, default=spec.default, help=text)
        else:
            choices = spec.metadata.get("choices")
            kind = kinds[spec.name]
            switches.add_argument(option, type=kind, default=spec.default, choices=choices, help=text)
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator until it is interrupted; return the exit code."""
    made = parser()
    given = made.parse_args(arguments)
    try:
        settings = Settings().changed({spec.name: getattr(given, spec.name) for spec in dataclasses.fields(Settings)})
        emulator = Emulator(settings, apps=tuple(map(_app, given.app)), start_at=_moment(given.now))
    except ValueError as error:
        made.error(str(error))
    # Heavy, and not needed for --help or to refuse an option.
    from airflow_provider_exact.emulator.server import PortBusyError, address_of, listen, make_server

    try:
        bound = listen(given.host, given.port)
    except ValueError as error:
        made.error(str(error))
    except (PortBusyError, OverflowError) as error:
        print(f"The emulator can't start: {error}", file=sys.stderr)  # noqa: T201 - a command talks to a person
        return 1
    print(start_message(emulator, address_of(bound)), flush=True)  # noqa: T201 - likewise
    # uvicorn ends in order and then passes Ctrl-C on.
    with contextlib.suppress(KeyboardInterrupt):
        make_server(emulator).run(sockets=[bound])
    return 0


def start_message(emulator: Emulator, url: str) -> str:
    """Return what someone needs to know to use the emulator."""
    app = next(iter(emulator.apps.values()))
    divisions = ", ".join(f"{info.code} ({info.name})" for info in emulator.divisions.values())
    return (
        f"Emulated Exact Online on {url}\n"
        f"  user           {USERS[0].name}, password {USERS[0].password}\n"
        f"  app            {app.name}\n"
        f"  client id      {app.client_id}\n"
        f"  client secret  {app.client_secret}\n"
        f"  divisions      {divisions}\n"
        f"  control        {url}/_emulator/health\n"
        "Ctrl-C stops it."
    )


def _app(text: str) -> App:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 3 or not all(parts):
        raise ValueError(f"--app: expected ID,SECRET,NAME and redirect URIs, not {len(parts)} part(s)")
    return App(parts[0], parts[1], parts[2], tuple(parts[3:]))


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--now: {text!r} is not an ISO moment such as 2026-03-02T09:00:00") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
