"""One call below ``/api/v1/``: who asks, may they, is there budget, and what is the answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator import me, reads
from airflow_provider_exact.emulator.answers import JSON, refusal_answer, wants_json
from airflow_provider_exact.emulator.calls import Call
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.limits import ErrorKey
from airflow_provider_exact.emulator.query import Query
from airflow_provider_exact.emulator.routes import Route, find, key_values
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.store import user_id
from airflow_provider_exact.emulator.tokens import Grant
from airflow_provider_exact.emulator.writes import Writer

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>401</title></head><body><h1>Unauthorized</h1></body></html>"


async def answer(emulator: Emulator, request: Request) -> Response:
    """Answer a call below ``/api/v1/``."""
    as_json = wants_json(request.headers.get("accept", "")) or request.query_params.get("$format") == "json"
    route = find(request.scope["path"])
    if route is None:
        return refusal_answer(Refusal(404, "Resource not found for the segment."), as_json=as_json)
    body = await request.body()

    def work(grant: Grant) -> Response:
        return _dispatch(Call(emulator, request, route, grant, options(request), body, as_json))

    return guarded(emulator, request, route, work, as_json=as_json)


def guarded(
    emulator: Emulator, request: Request, route: Route, work: Callable[[Grant], Response], *, as_json: bool
) -> Response:
    """Answer a call with what ``work`` makes of it, if it has a token, access and budget, and count it."""
    now = emulator.clock.now()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    access = emulator.tokens.access(token.strip()) if scheme.lower() == "bearer" else None
    if token:
        emulator.journal.saw_bearer(token.strip())
    if access is None:
        return unauthorized(emulator)
    grant = access.chain.grant
    errors = ErrorKey(grant.app.client_id, str(grant.user), route.division, route.path.casefold())
    headers: dict[str, str] = {}
    try:
        emulator.errors.check(errors, emulator.settings, now)
        if now >= access.expires_at or (access.chain.is_dead and emulator.settings.sign_in_ends_access):
            made = unauthorized(emulator)
        else:
            headers = _admitted(emulator, route, grant, now)
            made = work(grant)
    except Refusal as refusal:
        made = refusal_answer(refusal, as_json=as_json)
    emulator.errors.count(errors, made.status_code, emulator.settings, now)
    for name, value in headers.items():
        made.headers[name] = value
    return made


def _admitted(emulator: Emulator, route: Route, grant: Grant, now: float) -> dict[str, str]:
    """Return the six headers of a call that has access to its division and budget left."""
    if route.division is not None and route.division not in grant.divisions:
        raise Refusal(403, "Forbidden", reason="NoDivisionAccess")
    if route.division is None and not emulator.settings.limit_headers_on_me:
        return {}
    return emulator.limits.spend(grant.app.client_id, route.division, emulator.settings, now)


def unauthorized(emulator: Emulator) -> Response:
    """Refuse a missing, unknown or expired bearer token: the gateway in front of Exact speaks HTML."""
    headers = {"WWW-Authenticate": "Bearer"}
    match emulator.settings.unauthorized_body:
        case "html":
            return Response(LOGIN_PAGE, 401, headers, "text/html; charset=utf-8")
        case "json":
            return refusal_answer(Refusal(401, "Unauthorized", headers=headers), as_json=True)
    return Response(b"", 401, headers)


def options(request: Request) -> dict[str, str]:
    """Return the options of an address; each may be there once."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise Refusal(400, f"Query parameter '{name}' is specified, but it should be specified exactly once.")
        found[name] = value
    return found


def _dispatch(call: Call) -> Response:
    endpoint = call.route.endpoint
    if endpoint is None:
        raise Refusal(404, "Resource not found for the segment.")
    if call.method not in endpoint.methods:
        raise Refusal(405, "Method Not Allowed", headers={"Allow": ", ".join(endpoint.methods)})
    check_scope(call.grant, endpoint, call.method)
    if call.method != "GET":
        return _write(call, endpoint)
    return reads.function(call, endpoint) if endpoint.is_function else reads.read(call, endpoint)


def check_scope(grant: Grant, endpoint: Endpoint, method: str) -> None:
    scopes = grant.app.scopes
    if scopes is None or endpoint.scope is None:
        return
    held = scopes.get(endpoint.scope)
    if held is None or (method != "GET" and held != "manage"):
        verb = "read" if method == "GET" else "manage"
        scope = endpoint.scope.replace(" ", ".")
        raise Refusal(403, f"Forbidden - Application Scope Violated. Cannot {verb} '{scope}' scope.")


def _write(call: Call, endpoint: Endpoint) -> Response:
    route, emulator, store = call.route, call.emulator, call.store
    if route.division is None or store is None or endpoint.path.casefold() in me.DIVISION_LISTS:
        raise Refusal(403, "Forbidden")
    if (route.key is None) != (call.method == "POST") or route.lines is not None:
        raise Refusal(405, "Method Not Allowed", headers={"Allow": "GET, POST" if route.key is None else "GET"})
    name = emulator.divisions[route.division].name
    settings = emulator.settings
    writer = Writer(store, user_id(call.grant.user), call.employee, emulator.wall(), settings.zone, name)
    shaper = call.shaper(endpoint, Query(endpoint))
    if call.method == "DELETE":
        writer.delete(endpoint, key_values(endpoint, route.key or ""))
        return Response(status_code=204)
    content = _json_body(call)
    if call.method == "POST":
        record = writer.create(endpoint, content)
        made = shaper.one(record, as_json=call.as_json, status=201)
        made.headers["Location"] = shaper.address(record)
        return made
    record = writer.update(endpoint, key_values(endpoint, route.key or ""), content)
    if "return=representation" in call.request.headers.get("prefer", "").replace(" ", "").lower():
        return shaper.one(record, as_json=call.as_json)
    return Response(status_code=204)


def _json_body(call: Call) -> object:
    kind = call.request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != JSON.split(";", maxsplit=1)[0]:
        raise Refusal(415, "Unsupported media type requested.")
    try:
        return json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "Error processing request stream. The request body is not valid JSON.") from error
