"""
From which endpoint an extraction reads: the one that was asked for, or a twin of it that needs fewer calls.

A sync or bulk endpoint has 1,000 records a page where the plain one has 60, and it is the calls a day that run out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from airflow_provider_exact.client import query
from airflow_provider_exact.client.catalogue import Endpoint, resolve
from airflow_provider_exact.client.entity_types import ENTITY_TYPES
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.listing_rules import check_listing, fields_in
from airflow_provider_exact.client.rows import Column, columns_of
from airflow_provider_exact.client.twins import twins_of
from airflow_provider_exact.client.validation import check_method
from airflow_provider_exact.extract.plan import MODIFIED, TIMESTAMP, Mode, Plan

Kind = Literal["sync", "bulk", "plain"]
KINDS: tuple[Kind, ...] = ("sync", "bulk", "plain")

# A filter for endpoints that demand one.
EVERYTHING = f"{MODIFIED} ge datetime'1900-01-01T00:00:00'"
# What tells the records apart that one sync endpoint shows of several endpoints.
_ONLY: dict[str, tuple[str, object]] = {
    "project/TimeTransactions": ("Type", 1),
    "project/CostTransactions": ("Type", 2),
}
# What a twin calls otherwise.
_RENAMED = {"Activity": "WBS", "ActivityDescription": "WBSDescription"}


def make_plan(
    endpoint: str,
    *,
    division: int,
    select: query.Names = None,
    filter: query.Filter = None,
    types: Mapping[str, str] | None = None,
    mode: Mode = "full",
    prefer: Kind | None = None,
    deletions: bool = True,
) -> Plan:
    """
    Decide what to read, without a call.

    :param select: The fields wanted; without it, all that the chosen endpoint has. The key, and what tells of changes,
        come along.
    :param types: Edm types by field, for what the catalogue does not know or has wrong.
    :param prefer: Read from this kind of endpoint or fail.
    :param deletions: Whether an incremental extraction is to tell which records were deleted.
    :raises ExactRequestError: an argument can't be right, or nothing serves; the message says why.
    """
    asked = resolve(endpoint)
    if mode not in ("full", "incremental"):
        raise ExactRequestError(f"mode: expected 'full' or 'incremental', not {mode!r}.")
    if prefer is not None and prefer not in KINDS:
        raise ExactRequestError(f"prefer: expected one of {', '.join(KINDS)}, not {prefer!r}.")
    if not isinstance(types, Mapping | None):
        raise ExactRequestError(f"types: expected a dict of Edm types by field, {{'Name': 'String'}}, not {types!r}.")
    check_method(asked, "GET")
    if asked.is_function and (asked.parameters is None or asked.parameters):
        raise ExactRequestError(
            f"endpoint: {asked.path} is a function, which answers a question rather than lists records; call it with "
            "ExactOnlineFunctionOperator."
        )
    unfit: list[str] = []
    for source in _candidates(asked, prefer):
        try:
            plan = _plan(asked, source, division, select, filter, types, mode)
        except ExactRequestError as error:
            if source == asked and not unfit:
                raise
            unfit.append(str(error) if source == asked else f"{source.path} does not serve: {error}")
        else:
            why = _why(source, select, unfit, prefer)
            return replace(plan, why=why, deletions=plan.deletions if deletions else None)
    raise ExactRequestError(" ".join(f"{text.rstrip('.')}." for text in reversed(unfit)))


def _candidates(asked: Endpoint, prefer: Kind | None) -> list[Endpoint]:
    """Return the endpoints that could be read, the cheapest first."""
    twins = twins_of(asked)
    own = "sync" if asked.is_sync else "bulk" if asked.is_bulk else "plain"
    if own != "plain":
        kinds: dict[str, Endpoint | None] = {own: asked}
    else:
        kinds = {"sync": twins.sync, "bulk": twins.bulk, "plain": asked}
    if prefer is None:
        return [found for found in kinds.values() if found is not None]
    if (found := kinds.get(prefer)) is None:
        there = " and ".join(kind for kind, endpoint in kinds.items() if endpoint is not None)
        raise ExactRequestError(f"prefer: {asked.path} has no {prefer} endpoint, only {there}.")
    return [found]


def _plan(
    asked: Endpoint,
    source: Endpoint,
    division: int,
    select: query.Names,
    filter: query.Filter,
    types: Mapping[str, str] | None,
    mode: Mode,
) -> Plan:
    key = _key(asked, source)
    by = TIMESTAMP if source.is_sync else MODIFIED if source.property(MODIFIED) else None
    if mode == "incremental" and not (by and key):
        raise ExactRequestError(
            f"mode: {source.path} has no {'key' if by else 'Modified'}, without which changes can't be told; extract "
            "it with mode='full'."
        )
    only = _only(asked, source)
    follows = by if source.is_sync or mode == "incremental" else None
    needed = [*key, *(name for name, _ in only), *([follows] if follows else [])]
    columns = _columns(asked, source, select, types, needed)
    # Who reads everything and has this anyway leaves behind where an incremental run can go on.
    rises = by if key and by in {column.name for column in columns} else None
    text = query.filter_text(source, filter)
    allowed = source.filter_fields
    if source.filter_mandatory and MODIFIED in allowed and not {*fields_in(text or "")} & {*allowed}:
        text = query.all_of(text, EVERYTHING)
    # What a cursor will add to the filter has to be allowed, too.
    follow = f"{TIMESTAMP} gt 1L" if source.is_sync else EVERYTHING if follows else None
    check_listing(source, filter=query.all_of(text, follow), select="*", top=None)
    has_log = source.is_sync and mode == "incremental" and key != (TIMESTAMP,)
    deletions = ENTITY_TYPES.get(source.name.casefold()) if has_log else None
    return Plan(division, asked, source, columns, key, mode, rises, text, only, deletions)


def _key(asked: Endpoint, source: Endpoint) -> tuple[str, ...]:
    """
    Return the fields that tell the records of a source apart.

    :raises ExactRequestError: it shows something else than the records that were asked for.
    """
    own = tuple(part.name for part in asked.key)
    if source == asked and not source.is_sync:
        return own
    if source == asked:
        own = next((tuple(part.name for part in twin.key) for twin in twins_of(source).plain), ("ID",))
    if own != ("ID",) and source.property("LineNumber"):
        if source == asked:
            return ("ID",)
        # PurchaseOrders, SalesInvoices and the like: their sync endpoint has a record for each line.
        raise ExactRequestError("it lists lines, not whole records.")
    if all(source.property(name) for name in own) and own:
        return own
    return ("ID",) if source.property("ID") else (TIMESTAMP,)


def _only(asked: Endpoint, source: Endpoint) -> tuple[tuple[str, object], ...]:
    plain = twins_of(asked).plain
    if source == asked or len(plain) < 2:
        return ()
    if asked.path not in _ONLY:
        others = " and ".join(twin.path for twin in plain if twin != asked)
        raise ExactRequestError(f"it also lists {others}, and nothing tells them apart.")
    return (_ONLY[asked.path],)


def _columns(
    asked: Endpoint, source: Endpoint, select: query.Names, types: Mapping[str, str] | None, needed: list[str]
) -> tuple[Column, ...]:
    chosen = query.names(select)
    if source != asked and (lacking := [name for name in chosen if name != "*" and not source.property(name)]):
        others = [f"{name} is called {_RENAMED[name]} there" for name in lacking if name in _RENAMED]
        raise ExactRequestError("; ".join([f"it has no {', '.join(lacking)}", *others]) + ".")
    if not chosen or "*" in chosen:
        chosen = [column.name for column in columns_of(source)]
    names = list({name.casefold(): name for name in (*needed, *chosen)}.values())
    return columns_of(source, names, types)


def _why(source: Endpoint, select: query.Names, unfit: list[str], prefer: str | None) -> str:
    size = f"{source.page_size:,} records a page" if source.page_size else "all records at once"
    reason = "as prefer= asks" if prefer else "; ".join(unfit).rstrip(".")
    if not reason:
        reason = "it has all the fields asked for" if query.names(select) else "the fewest calls"
    return f"{source.path}, {size}: {reason}"
