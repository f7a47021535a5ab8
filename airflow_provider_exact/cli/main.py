"""The console script: the same commands where Airflow 3.1 takes none from providers, and for short."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from airflow.cli.cli_config import ActionCommand, GroupCommand

from airflow_provider_exact import __version__
from airflow_provider_exact.cli.definition import COMMANDS, HELP, NAME


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``exact-online``, made of the definitions that Airflow reads."""
    main_parser = argparse.ArgumentParser(prog=NAME, description=f"{HELP}.")
    main_parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add(main_parser, COMMANDS)
    return main_parser


def _add(group: argparse.ArgumentParser, commands: Iterable[ActionCommand | GroupCommand]) -> None:
    parsers = group.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        described = parsers.add_parser(command.name, help=command.help, description=f"{command.help}.")
        if isinstance(command, GroupCommand):
            _add(described, command.subcommands)
            continue
        described.set_defaults(func=command.func)
        for arg in command.args:
            arg.add_to_parser(described)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    args = parser().parse_args(argv)
    args.func(args)


if __name__ == "__main__":
    main(sys.argv[1:])
