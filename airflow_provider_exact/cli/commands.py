"""What the commands do."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
import webbrowser
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.errors import ExactError, ExactRequestError, ExactTokenError
from airflow_provider_exact.connection import ConnectionSettings

if TYPE_CHECKING:
    from airflow_provider_exact.signing_in import RedirectQuery, SharedSignIn, SignedInUser

DAY = 86_400.0
COLUMNS = (
    "conn_id",
    "site",
    "state",
    "user",
    "division",
    "token_age",
    "refresh_token_until",
    "lease",
    "calls_left",
)


def as_server(command: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
    """Let a command use Airflow's database, and turn errors into one sentence and exit code 1."""

    @wraps(command)
    def wrapped(args: argparse.Namespace) -> None:
        from airflow.utils.providers_configuration_loader import providers_configuration_loaded
        from sqlalchemy.exc import SQLAlchemyError

        # As Airflow's own commands do: the command line has no supervisor to ask.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        try:
            providers_configuration_loaded(command)(args)
        except ExactError as error:
            raise SystemExit(f"exact-online: {error}") from error
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or type(error).__name__
            raise SystemExit(
                f"exact-online: Airflow's database can't be used ({reason}). Check [database] sql_alchemy_conn, and "
                "run 'airflow db migrate'."
            ) from error
        except KeyboardInterrupt:
            raise SystemExit("exact-online: stopped; nothing was changed.") from None

    return wrapped


def settings_of(conn_id: str) -> ConnectionSettings:
    """Return the settings of a connection, or say that there is none."""
    from airflow_provider_exact.connection import find_connection

    settings = find_connection(conn_id)
    if settings is None:
        raise ExactRequestError(
            f"There is no connection {conn_id!r} of type exact_online. Add it under Admin, Connections, or name "
            "another one."
        )
    return settings


@as_server
def login(args: argparse.Namespace) -> None:
    """Sign in for a connection and store the tokens."""
    from airflow_provider_exact import signing_in

    settings = settings_of(args.conn_id)
    if settings.access_token:
        raise ExactRequestError(
            f"The connection {args.conn_id!r} has a ready access token, which is used instead of any sign-in. Take it "
            "out first."
        )
    redirect_uri = signing_in.redirect_uri(settings, chosen=args.redirect_uri or "")
    state = secrets.token_urlsafe(24)
    url = settings.grants().authorize_url(redirect_uri, state)
    answer = _answer(url, redirect_uri, state, no_browser=args.no_browser)
    started = time.time()
    try:
        signed_in = signing_in.finish(settings, answer.code(), redirect_uri)
        _tell_signed_in(settings, signed_in)
    except KeyboardInterrupt:
        raise SystemExit(f"exact-online: {_stopped(settings, started)}") from None


def _tell_signed_in(settings: ConnectionSettings, signed_in: SignedInUser) -> None:
    from airflow_provider_exact import signing_in
    from airflow_provider_exact.connection import known_connections

    name = f" as {signed_in.user}" if signed_in.user else ""
    tell(f"Signed in{name} for the connection {settings.conn_id!r}.")
    sign_ins = signing_in.shared_sign_ins(known_connections()[0])
    if others := signing_in.shared_with(settings, sign_ins):
        tell(f"Connections with the same sign-in: {', '.join(others)}.")
    for warning in signing_in.clashes(sign_ins):
        tell(warning, file=sys.stderr)
    if not signed_in.divisions:
        problem = signed_in.problem or "The granted divisions could not be listed."
        tell(f"{problem} Set the connection's division by hand.")
        return
    tell("Granted divisions:")
    for division in signed_in.divisions:
        mark = " (the connection's default)" if str(settings.division) == str(division.code) else ""
        tell(f"  {division.code}  {division.name}{mark}")


def _stopped(settings: ConnectionSettings, started: float) -> str:
    """
    Return a sentence about a sign-in that was stopped with its code at hand.

    :param started: Start of the exchange, in seconds since the epoch.
    """
    try:
        kept = settings.token_store().kept()
    except ExactError as error:
        return f"stopped; whether tokens are stored could not be read. {error} See 'exact-online status'."
    if kept is not None and kept.signed_in is not None and kept.signed_in.at >= started:
        return f"stopped; the tokens are stored, so the connection {settings.conn_id!r} is signed in."
    return "stopped; no new tokens are stored. Start the sign-in again."


def _answer(url: str, redirect_uri: str, state: str, *, no_browser: bool) -> RedirectQuery:
    from airflow_provider_exact.cli.redirect import Listener, checked, query_of

    listener = None
    if not no_browser and Listener.suits(redirect_uri):
        try:
            listener = Listener(redirect_uri, state)
        except OSError as error:
            tell(f"Can't listen at {redirect_uri} ({error.strerror}). Paste the last address of the browser here.")
    tell(f"Open this address in a browser and sign in:\n\n  {url}\n")
    if not no_browser:
        webbrowser.open(url)
    if listener is not None:
        tell(f"Waiting for the browser at {redirect_uri} (Ctrl-C ends it) …")
        return listener.wait()
    try:
        return checked(query_of(input("Then paste the whole address that the browser ended at: ")), state)
    except EOFError:
        raise ExactTokenError(
            "No address was given. Run the command in a terminal, or sign in on the page Admin, Exact Online."
        ) from None


@as_server
def status(args: argparse.Namespace) -> None:
    """Show how connections stand."""
    from airflow.cli.simple_table import AirflowConsole

    from airflow_provider_exact import signing_in
    from airflow_provider_exact.connection import known_connections

    found, faults = known_connections()
    connections = {settings.conn_id: settings for settings in found}
    if args.conn_id:
        faults = {}
        connections.setdefault(args.conn_id, settings_of(args.conn_id))
    if not connections and not faults:
        tell("There is no connection of type exact_online yet. Add one under Admin, Connections.")
        return
    now = time.time()
    sign_ins = signing_in.shared_sign_ins(connections.values(), now=now)
    clashes = signing_in.clashes(sign_ins)
    if args.conn_id:
        sign_ins = [sign_in for sign_in in sign_ins if sign_in.has(args.conn_id)]
    rows = [_row(sign_in, now) for sign_in in sign_ins]
    rows += [dict.fromkeys(COLUMNS, "") | {"conn_id": conn_id, "state": fault} for conn_id, fault in faults.items()]
    AirflowConsole().print_as(data=rows, output=args.output)
    for warning in (*(_warning(sign_in, now) for sign_in in sign_ins), *clashes):
        if warning:
            tell(warning, file=sys.stderr)


def _row(sign_in: SharedSignIn, now: float) -> dict[str, Any]:
    from airflow_provider_exact import signing_in

    calls_left = "; ".join(filter(None, (_calls_left(settings, now) for settings in sign_in.connections)))
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"conn_id": sign_in.names, "division": sign_in.divisions}
    row |= {"lease": "free", "calls_left": calls_left}
    try:
        row["site"] = sign_in.connections[0].site.base_url
    except ExactError as error:
        return row | {"state": str(error)}
    found = sign_in.status
    if found is None:
        return row | {"state": sign_in.error}
    row |= {"state": found.state.value, "user": found.user or ""}
    if found.issued_at is not None:
        row["token_age"] = f"{max(now - found.issued_at, 0.0):.0f} s"
    if found.expires_at is not None and found.state is not signing_in.State.NEEDED:
        row["refresh_token_until"] = time.strftime("%Y-%m-%d", time.gmtime(found.expires_at))
    if found.refreshing_until is not None:
        row["lease"] = f"held for {found.refreshing_until - now:.0f} s more"
    return row


def _calls_left(settings: ConnectionSettings, now: float) -> str:
    from airflow_provider_exact import known_limits

    return "; ".join(f"{division}: {text}" for division, text in known_limits.texts(settings.conn_id, now).items())


def _warning(sign_in: SharedSignIn, now: float) -> str | None:
    found = sign_in.status
    if found is None:
        return None
    if found.problem:
        return f"{sign_in.names}: {found.problem} {sign_in.connections[0].advice}"
    if found.expires_soon(now) and found.expires_at is not None:
        days = max(0, int((found.expires_at - now) // DAY))
        return f"{sign_in.names}: unused for long; its refresh token dies in {days} days. Run a task with it."
    return None


def tell(text: str, *, file: Any = None) -> None:
    print(text, file=file, flush=True)
