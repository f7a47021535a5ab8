"""
The commands as Airflow 3.2 and later read them from the provider's metadata.

Every ``airflow`` command imports this module: what a command does is imported when it runs.
"""

from __future__ import annotations

from typing import Any

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, GroupCommand, lazy_load_command


def _arg(*flags: str, **options: Any) -> Arg:
    return Arg(flags, **options)  # type: ignore[no-untyped-call]


NAME = "exact-online"
HELP = "Sign in to Exact Online, see how connections stand, and look what is in there"
_COMMANDS = "airflow_provider_exact.cli.commands"
_READING = "airflow_provider_exact.cli.reading"
_CURSORS = "airflow_provider_exact.cli.cursors"

ARG_CONN_ID = _arg("--conn-id", help="Connection of type exact_online", default="exact_online_default")
ARG_NO_BROWSER = _arg(
    "--no-browser",
    help="Only print the address to open, and take the address that the browser ends at from the keyboard",
    action="store_true",
)
ARG_REDIRECT_URI = _arg(
    "--redirect-uri",
    help="Redirect URI of the app's registration; default: the connection's, then [exact_online] redirect_uri, "
    "then this Airflow's own page",
)
ARG_ONE_CONN_ID = _arg("conn_id", nargs="?", help="Show only this connection")

ARG_SEARCH = _arg("search", nargs="*", help="Parts of the path, such as crm; or the whole path of one, for its fields")
ARG_SOURCE = _arg(
    "--source",
    help="Which list: system/Divisions, system/AllDivisions or hrm/Divisions",
    default="system/Divisions",
)
ARG_COUNTRY = _arg("--country", help="Only divisions of these countries, such as NL,BE")
ARG_NAME = _arg("--name", help="Only divisions whose name holds this")
ARG_ENDPOINT = _arg("endpoint", help="Path behind the division, such as project/TimeTransactions")
ARG_DIVISION = _arg("--division", help="Default: the connection's")
ARG_KEY = _arg("--key", help="Get the one record with this key")
ARG_FILTER = _arg("--filter", help="OData text, such as \"Code eq '1068'\"")
ARG_SELECT = _arg("--select", help="Fields to show, with commas")
ARG_EXPAND = _arg("--expand", help="Linked records to show inside, with commas")
ARG_ORDER_BY = _arg("--order-by", help="A field, with ' desc' behind it for descending")
ARG_TOP = _arg("--top", help="The first so many; default: 20")
ARG_ALL = _arg("--all", help="All of them, a call for each page", action="store_true")
ARG_PARAMETER = _arg(
    "--parameter", help="A function's parameter, as name=value; may be repeated", action="append", metavar="NAME=VALUE"
)

ARG_CURSORS = _arg(
    "cursor", nargs="*", help="Beginnings of the task (dag.task), division, endpoint or site; default: all cursors"
)
ARG_ONE_CURSOR = _arg(
    "cursor",
    nargs="+",
    help="Beginnings of the task (dag.task), division, endpoint or site, as many as tell it from others",
)
ARG_TIMESTAMP = _arg("--timestamp", help="The row version (Timestamp) behind which to go on")
ARG_DELETED = _arg("--deleted", help="The same for deletions (Timestamp of sync/Deleted)")
ARG_MODIFIED = _arg(
    "--modified", help="The day or moment (UTC) from which to go on, for endpoints without row versions"
)

CURSOR_COMMANDS = (
    ActionCommand(
        name="list",
        help="List where extractions go on",
        func=lazy_load_command(f"{_CURSORS}.list_all"),
        args=(ARG_CURSORS, ARG_OUTPUT),
    ),
    ActionCommand(
        name="show",
        help="Show all of one cursor",
        func=lazy_load_command(f"{_CURSORS}.show_one"),
        args=(ARG_ONE_CURSOR, ARG_OUTPUT),
    ),
    ActionCommand(
        name="set",
        help="Have the next run go on elsewhere",
        func=lazy_load_command(f"{_CURSORS}.set_one"),
        args=(ARG_ONE_CURSOR, ARG_TIMESTAMP, ARG_DELETED, ARG_MODIFIED),
    ),
    ActionCommand(
        name="reset",
        help="Have the next run read everything",
        func=lazy_load_command(f"{_CURSORS}.reset"),
        args=(ARG_ONE_CURSOR,),
    ),
)

COMMANDS: tuple[ActionCommand | GroupCommand, ...] = (
    ActionCommand(
        name="login",
        help="Sign in for a connection",
        func=lazy_load_command(f"{_COMMANDS}.login"),
        args=(ARG_CONN_ID, ARG_NO_BROWSER, ARG_REDIRECT_URI),
    ),
    ActionCommand(
        name="status",
        help="Show how connections stand, without asking Exact Online",
        func=lazy_load_command(f"{_COMMANDS}.status"),
        args=(ARG_ONE_CONN_ID, ARG_OUTPUT),
    ),
    ActionCommand(
        name="endpoints",
        help="Search the known endpoints, or show the fields of one",
        func=lazy_load_command(f"{_READING}.endpoints"),
        args=(ARG_SEARCH, ARG_OUTPUT),
    ),
    ActionCommand(
        name="divisions",
        help="List the divisions that the signed-in user granted",
        func=lazy_load_command(f"{_READING}.divisions"),
        args=(ARG_CONN_ID, ARG_SOURCE, ARG_COUNTRY, ARG_NAME, ARG_OUTPUT),
    ),
    ActionCommand(
        name="call",
        help="Read records of an endpoint, or call a function",
        func=lazy_load_command(f"{_READING}.call"),
        args=(
            ARG_ENDPOINT,
            ARG_CONN_ID,
            ARG_DIVISION,
            ARG_KEY,
            ARG_FILTER,
            ARG_SELECT,
            ARG_EXPAND,
            ARG_ORDER_BY,
            ARG_TOP,
            ARG_ALL,
            ARG_PARAMETER,
            ARG_OUTPUT,
        ),
    ),
    GroupCommand(name="cursor", help="See and change where incremental extractions go on", subcommands=CURSOR_COMMANDS),
)


def get_cli_commands() -> list[GroupCommand]:
    """Return the group ``exact-online`` for Airflow's command line."""
    return [GroupCommand(name=NAME, help=HELP, subcommands=COMMANDS)]
