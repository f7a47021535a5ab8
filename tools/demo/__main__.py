"""``python -m tools.demo demo`` and ``python -m tools.demo ui``; started by the Makefile."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.demo.commands import Demo, run_demo, run_ui
from tools.demo.processes import ROOT, DemoError, end_on_signals


def port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65_536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.demo", description=__doc__)
    parser.add_argument("command", choices=["demo", "ui"])
    parser.add_argument("--emulator-port", type=port, default=8180, metavar="EMULATOR_PORT")
    parser.add_argument("--airflow-port", type=port, default=8080, metavar="AIRFLOW_PORT")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where everything is kept")
    arguments = parser.parse_args()
    demo = Demo(arguments.command, arguments.folder.resolve(), arguments.emulator_port, arguments.airflow_port)
    end_on_signals()
    try:
        return run_demo(demo) if arguments.command == "demo" else run_ui(demo)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
