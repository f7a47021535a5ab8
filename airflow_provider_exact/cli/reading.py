"""The commands that look into Exact Online and into what is known of it; none of them writes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_exact.cli.commands import as_server, settings_of, tell
from airflow_provider_exact.cli.printing import show, text_of
from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.twins import twins_of

FIRST = 20
# Of records with hundreds of fields, a table shows no more than these.
MOST_COLUMNS = 8


@as_server
def endpoints(args: argparse.Namespace) -> None:
    """Search the known endpoints, or show the fields of one."""
    known = catalogue.load()
    asked = " ".join(args.search).strip(" /").casefold()
    if asked in known:
        _show_one(known[asked], args.output)
        return
    found = [e for e in known.values() if all(word in e.path.casefold() for word in asked.split())]
    if not found:
        hint = catalogue.did_you_mean(asked, [endpoint.path for endpoint in known.values()])
        raise ExactRequestError(f"No known endpoint has {asked!r} in its path.{hint}")
    show([_summary(endpoint, args.output) for endpoint in sorted(found, key=lambda e: e.path.casefold())], args.output)


def _summary(endpoint: Endpoint, output: str) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "endpoint": endpoint.path,
        "methods": endpoint.methods,
        "key": [field.name for field in endpoint.key],
        "page_size": endpoint.page_size,
        "same_records": [twin.path for twin in twins_of(endpoint).others(endpoint)],
    }
    return summary if output == "json" else {name: text_of(value) for name, value in summary.items()}


def _show_one(endpoint: Endpoint, output: str) -> None:
    facts = {
        **_summary(endpoint, "json"),
        "scope": endpoint.scope,
        "webhook": endpoint.has_webhook,
        "filter_needed": endpoint.filter_mandatory,
        "filter_fields": endpoint.filter_fields,
        "select_needed": endpoint.select_required,
        "parameters": None
        if endpoint.parameters is None
        else {field.name: field.type for field in endpoint.parameters},
    }
    fields = [_field(endpoint, prop) for prop in endpoint.properties]
    if output == "json":
        show({**facts, "fields": fields}, output)
        return
    for name, value in facts.items():
        if value or (name == "parameters" and endpoint.is_function):
            # On the other stream, so that the fields alone can be piped.
            tell(f"{name + ':':<15} {text_of(value) or 'not known'}", file=sys.stderr)
    show([{name: text_of(value) for name, value in field.items()} for field in fields], output)


def _field(endpoint: Endpoint, prop: Property) -> dict[str, Any]:
    if "?" in prop.access:
        create = update = "not known"
    else:
        create = "mandatory" if prop.mandatory else "yes" if "c" in prop.access else ""
        update = "yes" if "u" in prop.access else ""
    return {
        "field": prop.name,
        "type": f"{'list of ' if prop.is_collection else ''}{prop.target}" if prop.target else prop.type,
        "create": create,
        "update": update,
        "filter": _filterable(endpoint, prop),
    }


def _filterable(endpoint: Endpoint, prop: Property) -> str:
    if endpoint.is_function or prop.target:
        return ""
    if prop.name in endpoint.filter_fields:
        return "one needed" if endpoint.filter_mandatory else "yes"
    return "" if endpoint.filter_fields and (endpoint.is_sync or endpoint.is_bulk) else "yes"


@as_server
def divisions(args: argparse.Namespace) -> None:
    """List the divisions that the signed-in user granted."""
    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

    settings_of(args.conn_id)
    hook = ExactOnlineHook(args.conn_id)
    rows = hook.list_divisions(
        args.source, country=args.country, name=args.name, select="Code,Description,Country,Currency"
    )
    hook.note_limits()
    show(rows if args.output == "json" else _table(rows), args.output)


@as_server
def call(args: argparse.Namespace) -> None:
    """Read records of an endpoint, or call a function."""
    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

    settings_of(args.conn_id)
    hook = ExactOnlineHook(args.conn_id, division=args.division)
    if args.key is not None:
        _check_unused(args, "--key", "filter", "order_by", "top", "all", "parameter")
        rows = [hook.get_record(args.endpoint, args.key, select=args.select, expand=args.expand)]
    elif args.parameter or catalogue.resolve(args.endpoint).is_function:
        _check_unused(args, "a function", "filter", "order_by", "expand")
        rows = list(hook.call_function(args.endpoint, _parameters(args.parameter), select=args.select, top=_top(args)))
    else:
        rows = list(
            hook.list_records(
                args.endpoint,
                filter=args.filter,
                select=args.select,
                expand=args.expand,
                order_by=args.order_by,
                top=_top(args),
            )
        )
    hook.note_limits()
    if args.output == "json":
        show(rows, args.output)
    elif len(rows) == 1 and not args.select:
        show([{"field": name, "value": text_of(value)} for name, value in rows[0].items()], args.output)
    else:
        show(_table(rows, narrow=not args.select), args.output)
    if args.top is None and not args.all and len(rows) == FIRST:
        tell(f"The first {FIRST} are shown; --top N shows more of them, --all shows all.", file=sys.stderr)


def _top(args: argparse.Namespace) -> int | str | None:
    if args.all:
        _check_unused(args, "--all", "top")
        return None
    top: str | None = args.top
    return FIRST if top is None else top


def _check_unused(args: argparse.Namespace, beside: str, *others: str) -> None:
    """Refuse options that have no meaning beside something else."""
    used = [f"--{name.replace('_', '-')}" for name in others if getattr(args, name)]
    if used:
        raise ExactRequestError(f"{' and '.join(used)} can't be used with {beside}.")


def _parameters(given: Sequence[str] | None) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ExactRequestError(f"--parameter: expected name=value, not {text!r}.")
        parameters[name.strip()] = value
    return parameters


def _table(rows: Sequence[Mapping[str, Any]], *, narrow: bool = False) -> list[dict[str, str]]:
    """Return records as rows of one shape; of many fields the first that have a value."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = [name for name in names if any(row.get(name) not in (None, "") for row in rows)] if narrow else names
    if narrow and len(shown) > MOST_COLUMNS:
        tell(
            f"{MOST_COLUMNS} of {len(names)} fields are shown; choose with --select, or use --output json.",
            file=sys.stderr,
        )
        shown = shown[:MOST_COLUMNS]
    return [{name: text_of(row.get(name)) for name in shown} for row in rows]
