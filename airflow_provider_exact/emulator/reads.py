"""GET: lists, single records, the lines behind a record, counts and functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import quote

from starlette.responses import Response

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator import functions, me, query
from airflow_provider_exact.emulator.answers import Shaper, json_answer
from airflow_provider_exact.emulator.calls import Call
from airflow_provider_exact.emulator.errors import Refusal, syntax_error
from airflow_provider_exact.emulator.query import Page, Query
from airflow_provider_exact.emulator.routes import ME, key_fields, key_values
from airflow_provider_exact.emulator.store import Shown, Store
from airflow_provider_exact.emulator.views import DELETED, lines_of, record_key, view_of

# "Two months", which is how long Exact keeps the log of what was deleted.
DELETIONS_KEPT = timedelta(days=61)


def read(call: Call, endpoint: Endpoint) -> Response:
    """Answer a GET on anything but a function."""
    if call.route.key is not None:
        return _one(call, endpoint, call.route.key)
    return _many(call, endpoint, _records(call, endpoint))


def _records(call: Call, endpoint: Endpoint) -> Iterable[Shown]:
    path = endpoint.path.casefold()
    if path == ME:
        return [me.me(call.emulator, call.grant)]
    if path in me.DIVISION_LISTS:
        return me.divisions(call.emulator, call.grant, endpoint)
    if endpoint.is_read:
        return _functions(call).records(endpoint, {})
    store = _store(call)
    if path == DELETED:
        store.forget_deletions(call.emulator.wall() - DELETIONS_KEPT)
    return view_of(endpoint).records(store, with_replaced=call.emulator.settings.sync_duplicates)


def _store(call: Call) -> Store:
    return call.emulator.store(call.route.division or call.emulator.current_division)


def _many(call: Call, endpoint: Endpoint, records: Iterable[Shown]) -> Response:
    asked = query.parse(endpoint, call.options, call.emulator.settings, is_list=True)
    if call.route.is_count:
        page = query.apply(asked, records, None)
        return Response(str(len(page.records)), media_type="text/plain; charset=utf-8")
    page = query.apply(asked, records, endpoint.page_size)
    shaper = call.shaper(endpoint, asked)
    next_url = None if page.token is None else _next_url(call, shaper, page.token)
    return shaper.many(page, next_url, as_json=call.as_json, is_plain=asked.top is not None)


def _one(call: Call, endpoint: Endpoint, text: str) -> Response:
    key = key_values(endpoint, text)
    if endpoint.is_sync and isinstance(key[0], int):
        record = next((r for r in _records(call, endpoint) if r.get("Timestamp") == key[0]), None)
        return _shown(call, endpoint, record)
    is_stored = not (endpoint.is_read or call.route.division is None or endpoint.path.casefold() in me.DIVISION_LISTS)
    if is_stored:
        record = view_of(endpoint).find(_store(call), key)
    else:
        names = [field.name for field in key_fields(endpoint)]
        records = _records(call, endpoint)
        record = next((r for r in records if tuple(r.get(name) for name in names) == key), None)
    return _shown(call, endpoint, record)


def _shown(call: Call, endpoint: Endpoint, record: Shown | None) -> Response:
    if record is None:
        raise Refusal(404, "Resource not found for the segment.")
    if call.route.lines is not None:
        return _lines(call, endpoint, record, call.route.lines)
    if call.route.is_count:
        raise syntax_error()
    asked = query.parse(endpoint, call.options, call.emulator.settings, is_list=False)
    return call.shaper(endpoint, asked).one(record, as_json=call.as_json)


def _lines(call: Call, endpoint: Endpoint, record: Shown, name: str) -> Response:
    """Answer the address that a ``__deferred`` navigation property shows."""
    prop = endpoint.property(name)
    if prop is None or prop.target is None:
        raise Refusal(404, "Resource not found for the segment.")
    lines = lines_of(endpoint, prop)
    if lines is None:
        return json_answer({"d": {"results": []}})
    parent = record.get("ID") if endpoint.is_sync else record_key(endpoint, record)[0]
    store = _store(call)
    view = view_of(lines.endpoint)
    found = [
        view.shown(row.record, row.version)
        for row in store.table(view.tables[0]).values()
        if row.record.get(lines.parent_field) == parent
    ]
    # The header's key is filter enough, even where a list of all lines would need one.
    shaper = call.shaper(lines.endpoint, Query(lines.endpoint))
    return shaper.many(Page(found), None, as_json=call.as_json, is_plain=False)


def _next_url(call: Call, shaper: Shaper, token: str) -> str:
    """Return the absolute address of the next page; every other option stays."""
    kept = {name: value for name, value in call.options.items() if name not in {"$skiptoken", "$skip"}}
    pairs = [f"{name}={quote(value, safe='')}" for name, value in {**kept, "$skiptoken": token}.items()]
    return f"{shaper.base}/{shaper.endpoint.name}?{'&'.join(pairs)}"


def _functions(call: Call) -> functions.Functions:
    return functions.Functions(_store(call), call.employee, call.emulator.wall())


def function(call: Call, endpoint: Endpoint) -> Response:
    """Answer a GET on a function."""
    if call.route.key is not None or call.route.is_count:
        raise Refusal(404, "Resource not found for the segment.")
    given = functions.parameters(endpoint, call.options)
    options = {name: value for name, value in call.options.items() if name in {"$select", "$top", "$format"}}
    asked = query.parse(endpoint, options, call.emulator.settings, is_list=True)
    called = _functions(call)
    if not endpoint.properties:
        return json_answer({"d": called.scalar(endpoint)})
    records = called.records(endpoint, given)
    return call.shaper(endpoint, asked).many(
        Page(list(records[: asked.top])), None, as_json=call.as_json, is_plain=True
    )
