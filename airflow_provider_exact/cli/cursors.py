"""The commands that show where extractions go on, and change it by hand."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_exact.assets import parts_of
from airflow_provider_exact.cli.commands import as_server, tell
from airflow_provider_exact.cli.printing import show, text_of
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.cursor import Cursor, to_json
from airflow_provider_exact.transfers.all_cursors import Found, all_cursors

# Of what a cursor remembers of single records, nobody reads more.
LONG = 5
# Of row versions, which are Int64.
MOST = 2**63 - 1
# Exact has nothing from before the first, and runs may begin hours before what they are given.
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@as_server
def list_all(args: argparse.Namespace) -> None:
    """List the cursors of all tasks."""
    found = _found(args.cursor)
    if not found and args.cursor:
        raise ExactRequestError(_nothing(args.cursor))
    if not found and args.output != "json":
        tell(_nothing(()))
        return
    rows = [_row(one) for one in found]
    show(rows if args.output == "json" else [{name: text_of(row[name]) for name in row} for row in rows], args.output)


@as_server
def show_one(args: argparse.Namespace) -> None:
    """Show all of one cursor."""
    one = _only(args.cursor)
    facts = {**_row(one), "asset": one.kept.asset, "revision": one.kept.revision, "kept_in": one.where}
    facts["by_hand"] = one.kept.by_hand
    for name, cursor in (("cursor", one.kept.cursor), ("before", one.kept.before)):
        facts[name] = None if cursor is None else to_json(cursor)
    if args.output == "json":
        show(facts, args.output)
        return
    for name in ("cursor", "before"):
        facts |= {f"{name}.{field}": _shortened(value) for field, value in (facts.pop(name) or {}).items()}
    show([{"field": name, "value": text_of(value)} for name, value in facts.items()], args.output)


@as_server
def set_one(args: argparse.Namespace) -> None:
    """Have the next run go on elsewhere."""
    one = _only(args.cursor)
    base = one.kept.cursor or one.kept.before
    if base is None:
        raise ExactRequestError(f"{_name(one)} has nothing to set yet; let the task run once.")
    _keep(one, _changed(base, args))


@as_server
def reset(args: argparse.Namespace) -> None:
    """Have the next run read everything."""
    one = _only(args.cursor)
    if one.kept.cursor is None:
        tell(f"{_name(one)} was reset already: the next run reads everything.")
        return
    _keep(one, None)
    back = _options(one.kept.cursor)
    if back:
        tell(f"To undo that: exact-online cursor set {_name(one)} {back}")


def _changed(cursor: Cursor, args: argparse.Namespace) -> Cursor:
    asked = {name: getattr(args, name) for name in ("timestamp", "deleted", "modified")}
    if all(value is None for value in asked.values()):
        raise ExactRequestError("Say where the next run is to go on: --timestamp, --deleted or --modified.")
    if cursor.modified is None and args.modified is not None:
        raise ExactRequestError(
            "--modified: this task goes by Timestamp, which is no moment in time. Give --timestamp; 'cursor show' has "
            "the last one."
        )
    if cursor.modified is not None and (args.timestamp is not None or args.deleted is not None):
        raise ExactRequestError(f"--timestamp, --deleted: {cursor.source} has neither; give --modified.")
    if args.modified is not None:
        return replace(cursor, modified=_moment(args.modified), recent=())
    changed = cursor
    if args.timestamp is not None:
        # The record at the old place says nothing about the new one.
        changed = replace(changed, timestamp=_version(args.timestamp, "--timestamp"), anchor=None)
    if args.deleted is not None:
        changed = replace(changed, deleted=_version(args.deleted, "--deleted"))
    return changed


def _version(text: str, option: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and int(text) <= MOST):
        raise ExactRequestError(f"{option}: expected a row version such as 123456, up to {MOST}, not {text!r}.")
    return int(text)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ExactRequestError(f"--modified: expected a day or moment such as 2026-01-31, not {text!r}.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not EARLIEST <= moment < LATEST:
        raise ExactRequestError(f"--modified: expected a moment from 1900 to 9998, not {text!r}.")
    return round(moment.timestamp() * 1000)


def _keep(one: Found, cursor: Cursor | None) -> None:
    where = one.store.put(one.kept.by_a_person(cursor, now=time.time()))
    then = "reads everything" if cursor is None else f"goes on at {_place(cursor)}"
    tell(f"The next run of {_name(one)} {then}. Kept in the {where}.")


def _found(words: Sequence[str]) -> list[Found]:
    found, problems = all_cursors()
    for problem in problems:
        tell(problem, file=sys.stderr)
    asked = [word.casefold().strip("/") for word in words]
    exact = [one for one in found if all(word in _marks(one) for word in asked)]
    return exact or [one for one in found if all(any(mark.startswith(word) for mark in _marks(one)) for word in asked)]


def _only(words: Sequence[str]) -> Found:
    found = _found(words)
    if not found:
        raise ExactRequestError(_nothing(words))
    if len(found) > 1:
        names = "\n  ".join(_name(one) for one in found)
        raise ExactRequestError(f"{len(found)} cursors match; say which:\n  {names}")
    return found[0]


def _nothing(words: Sequence[str]) -> str:
    if words:
        return f"No cursor matches {' '.join(words)!r}. 'exact-online cursor list' shows those that there are."
    return "There is no cursor yet. An incremental extraction leaves one when it has succeeded for the first time."


def _marks(one: Found) -> tuple[str, ...]:
    host, division, path = parts_of(one.kept.asset)
    task = f"{one.kept.dag_id}.{one.kept.task_id}"
    return tuple(mark.casefold() for mark in (task, str(division), path, host))


def _name(one: Found) -> str:
    _, division, path = parts_of(one.kept.asset)
    return f"{one.kept.dag_id}.{one.kept.task_id} {division} {path}"


def _row(one: Found) -> dict[str, Any]:
    host, division, path = parts_of(one.kept.asset)
    return {
        "task": f"{one.kept.dag_id}.{one.kept.task_id}",
        "division": division,
        "endpoint": path,
        "site": host,
        "goes_on_at": "the beginning" if one.kept.cursor is None else _place(one.kept.cursor),
        "destination": one.kept.destination,
        "changed": _iso(one.kept.updated_at),
        "by": "hand" if one.kept.by_hand else "task",
    }


def _place(cursor: Cursor) -> str:
    if cursor.modified is not None:
        return f"Modified {_iso(cursor.modified / 1000)}"
    deleted = f", deletions {cursor.deleted}" if cursor.deleted is not None else ""
    return f"Timestamp {cursor.timestamp}{deleted}"


def _options(cursor: Cursor) -> str:
    if cursor.modified is not None:
        return f"--modified {_iso(cursor.modified / 1000)}"
    values = {"timestamp": cursor.timestamp, "deleted": cursor.deleted}
    return " ".join(f"--{name} {value}" for name, value in values.items() if value is not None)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _shortened(value: object) -> object:
    if isinstance(value, list) and len(value) > LONG:
        return [*value[:LONG], f"… ({len(value)} in all)"]
    return value
