"""The query options of a list: which are allowed where, which records they leave, and in what order."""

from __future__ import annotations

import heapq
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator.errors import Refusal, syntax_error
from airflow_provider_exact.emulator.filters import Filter, compile_filter, known_property
from airflow_provider_exact.emulator.routes import PART, key_fields
from airflow_provider_exact.emulator.settings import Settings
from airflow_provider_exact.emulator.store import Shown
from airflow_provider_exact.emulator.values import WrongTypeError, as_literal, literal

OPTIONS = {"$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$skiptoken", "$inlinecount", "$format"}


@dataclass(frozen=True)
class Query:
    """The options of a list, checked against the endpoint."""

    endpoint: Endpoint
    filter: Filter | None = None
    select: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    after: tuple[Any, ...] | None = None
    with_count: bool = False
    by_id: bool = False


def parse(endpoint: Endpoint, options: dict[str, str], settings: Settings, *, is_list: bool) -> Query:
    """
    Check the query options of a call.

    :param is_list: Whether a list is asked for; a single record needs no ``$select`` or ``$filter``.
    :raises Refusal: an option is unknown, malformed, missing or not allowed here.
    """
    for name in options:
        if name.startswith("$") and name not in OPTIONS:
            raise Refusal(400, f"The query parameter '{name}' is not supported.")
    query = Query(
        endpoint,
        select=_select(endpoint, options.get("$select")),
        expand=_expand(endpoint, options.get("$expand")),
    )
    if not is_list:
        if set(options) & {"$filter", "$orderby", "$top", "$skip", "$skiptoken", "$inlinecount"}:
            raise Refusal(400, "Query options for lists cannot be applied to a single resource.")
        return query
    query = replace(
        query,
        filter=compile_filter(options["$filter"], endpoint) if "$filter" in options else None,
        order=_order(endpoint, options.get("$orderby")),
        top=_number("$top", options.get("$top")),
        skip=_number("$skip", options.get("$skip")) or 0,
        with_count=_count(options.get("$inlinecount")),
        by_id=settings.sync_by_id and endpoint.is_sync and endpoint.property("ID") is not None,
    )
    _check(query, options, settings)
    if "$skiptoken" in options:
        query = replace(query, after=_after(query, options["$skiptoken"]))
    return query


def _check(query: Query, options: dict[str, str], settings: Settings) -> None:
    endpoint = query.endpoint
    fields = query.filter.fields if query.filter else frozenset()
    listed = frozenset(endpoint.filter_fields)
    if endpoint.filter_mandatory and not fields & listed:
        raise Refusal(
            400,
            "This endpoint has mandatory filtering applied. A GET request on this endpoint must have a $filter "
            f"parameter with one of the following fields in the url: {', '.join(endpoint.filter_fields)}",
        )
    if (endpoint.is_sync or endpoint.is_bulk) and listed and (others := sorted(fields - listed)):
        raise Refusal(400, f"Filtering on these fields is not supported: {', '.join(others)}")
    star = options.get("$select", "").strip() == "*"
    if (endpoint.select_required and "$select" not in options and query.top != 1) or (
        star and endpoint.select_star is False
    ):
        raise Refusal(400, "Please add a $select or a $top=1 statement to the query string.")
    if query.expand and query.filter is not None and not settings.expand_with_filter:
        raise Refusal(400, "The $expand and $filter query options cannot be combined for this resource.")


def _select(endpoint: Endpoint, text: str | None) -> tuple[str, ...]:
    if text is None or text.strip() == "*":
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        head, _, tail = name.partition("/")
        prop = known_property(endpoint, head)
        if tail and prop.target is None:
            raise syntax_error()
    return names


def _expand(endpoint: Endpoint, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if known_property(endpoint, name).target is None:
            raise syntax_error()
    return names


def _order(endpoint: Endpoint, text: str | None) -> tuple[tuple[str, bool], ...]:
    if text is None:
        return ()
    found = []
    for part in text.split(","):
        words = part.split()
        if not 1 <= len(words) <= 2 or words[1:] not in ([], ["asc"], ["desc"]):
            raise syntax_error()
        if known_property(endpoint, words[0]).target is not None:
            raise syntax_error()
        found.append((words[0], words[1:] == ["desc"]))
    return tuple(found)


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise Refusal(400, f"Incorrect format for {name} argument '{text}'.")
    return int(text)


def _count(text: str | None) -> bool:
    if text not in {None, "allpages", "none"}:
        raise Refusal(400, f"Unknown $inlinecount option '{text}', only 'allpages' and 'none' are supported.")
    return text == "allpages"


def _sorted_by(query: Query) -> list[tuple[str, bool]]:
    """Return the fields that order a list; the key comes last, so that no two records are equal."""
    endpoint = query.endpoint
    last = ["Timestamp"] if endpoint.is_sync else [field.name for field in key_fields(endpoint)]
    if query.by_id:
        last = ["ID", *last]
    return [*query.order, *((name, False) for name in last)]


def _after(query: Query, text: str) -> tuple[Any, ...]:
    """Read a ``$skiptoken``: the values of the last record of the page before, in the list's order."""
    parts = [found[2].strip() for found in PART.finditer(text)]
    fields = _sorted_by(query)
    if len(parts) != len(fields):
        raise syntax_error()
    try:
        return tuple(
            None if part == "null" and query.order else literal(_type(query.endpoint, name), part)
            for part, (name, _) in zip(parts, fields, strict=True)
        )
    except WrongTypeError as error:
        raise syntax_error() from error


def _type(endpoint: Endpoint, name: str) -> str | None:
    prop = endpoint.property(name)
    return None if prop is None else prop.type


class _Place:
    """A value's place in an order: absent ones first, and any of it turned round for ``desc``."""

    __slots__ = ("descending", "key")

    def __init__(self, value: Any, descending: bool) -> None:
        self.descending = descending
        folded = value.casefold() if isinstance(value, str) else value
        comparable = folded if isinstance(folded, str | int | float | datetime) else str(folded)
        self.key = (value is not None, comparable if value is not None else 0)

    def __lt__(self, other: _Place) -> bool:
        return bool(other.key < self.key if self.descending else self.key < other.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True)
class Page:
    """The records of one answer; ``token`` is set when there are more, ``count`` when it was asked for."""

    records: list[Shown]
    token: str | None = None
    count: int | None = None


def apply(query: Query, records: Iterable[Shown], page_size: int | None) -> Page:
    """Filter, order and cut ``records``."""
    found = [record for record in records if query.filter is None or query.filter.test(record)]
    count = len(found) if query.with_count else None
    fields = _sorted_by(query)

    def places(values: Iterable[Any]) -> list[_Place]:
        return [_Place(value, desc) for value, (_, desc) in zip(values, fields, strict=True)]

    # One more than is shown, to know whether there is a next page.
    wanted = len(found) if page_size is None else query.skip + page_size + 1
    if not query.order and len(fields) == 1:
        # The usual case by far: by the key, which is never absent and of one type.
        by_key = operator.itemgetter(fields[0][0])
        if query.after is not None:
            last = query.after[0]
            found = [record for record in found if by_key(record) > last]
        found = heapq.nsmallest(wanted, found, key=by_key)
    else:
        found.sort(key=lambda record: places(record.get(name) for name, _ in fields))
        if query.after is not None:
            ended = places(query.after)
            found = [r for r in found if ended < places(r.get(name) for name, _ in fields)]
    found = found[query.skip :]
    if query.top is not None:
        # Whether Exact would page here is not known; the whole of one page is all that is sure.
        return Page(found[: query.top if page_size is None else min(query.top, page_size)], None, count)
    if page_size is None or len(found) <= page_size:
        return Page(found, None, count)
    cut = found[:page_size]
    token = ",".join(as_literal(_type(query.endpoint, name), cut[-1].get(name)) for name, _ in fields)
    return Page(cut, token, count)
