"""``/api/oauth2``: the page on which a person signs in and allows an app, and the token endpoint."""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from airflow_provider_exact.emulator import page
from airflow_provider_exact.emulator.answers import json_answer
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.faults import TOKEN_ENDPOINT
from airflow_provider_exact.emulator.limits import ErrorKey
from airflow_provider_exact.emulator.settings import USERS, App, bare_client_id
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.tokens import Grant, Pair, TokenRefusal

AUTHORISE = "/api/oauth2/auth"
TOKEN = "/api/oauth2/token"  # noqa: S105 - a path


def router(emulator: Emulator) -> APIRouter:
    """Return the routes of the OAuth endpoints."""
    routes = APIRouter()

    @routes.get(AUTHORISE)
    async def show(request: Request) -> Response:
        return _asked(emulator, dict(request.query_params)) or HTMLResponse(
            page.sign_in(emulator, dict(request.query_params))
        )

    @routes.post(AUTHORISE)
    async def decide(request: Request) -> Response:
        form = parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
        return _decided(emulator, dict(request.query_params), form)

    @routes.post(TOKEN)
    async def token(request: Request) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        pairs = parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True)
        form = dict(pairs) if kind == "application/x-www-form-urlencoded" else {}
        return _token(emulator, form, request.headers.get("authorization", ""))

    return routes


def _asked(emulator: Emulator, asked: dict[str, str]) -> Response | None:
    """Return the page that explains a wrong request, or ``None``. It never redirects to an unregistered address."""
    app = emulator.apps.get(bare_client_id(asked.get("client_id", "")))
    if app is None:
        problem = "The client_id is not that of a registered app."
    elif not app.allows(asked.get("redirect_uri", "")):
        problem = "The redirect_uri is not the one registered for this app."
    elif asked.get("response_type") != "code":
        problem = "The response_type must be 'code'."
    else:
        return None
    return HTMLResponse(page.problem(problem), 400)


def _decided(emulator: Emulator, asked: dict[str, str], form: list[tuple[str, str]]) -> Response:
    if wrong := _asked(emulator, asked):
        return wrong
    fields = dict(form)
    if fields.get("decision") != "allow":
        return _back(asked, {"error": "access_denied"})
    user = next((n for n, u in enumerate(USERS) if u.name == fields.get("user_name", "").strip().lower()), None)
    if user is None or not hmac.compare_digest(USERS[user].password.encode(), fields.get("password", "").encode()):
        return HTMLResponse(page.sign_in(emulator, asked, message="User name or password is not correct."), 401)
    granted = frozenset(int(value) for name, value in form if name == "division" and value.isdecimal())
    granted &= frozenset(emulator.divisions)
    if not granted:
        return HTMLResponse(page.sign_in(emulator, asked, message="Choose at least one division."), 400)
    emulator.journal.sign_ins += 1
    grant = Grant(emulator.apps[bare_client_id(asked["client_id"])], user, granted)
    code = emulator.tokens.make_code(grant, asked["redirect_uri"], emulator.settings, emulator.clock.now())
    return _back(asked, {"code": code})


def _back(asked: dict[str, str], answer: dict[str, str]) -> Response:
    """Redirect to the app, with the state it sent; `!` in a code travels as ``%21``."""
    if "state" in asked:
        answer["state"] = asked["state"]
    parts = urlsplit(asked["redirect_uri"])
    query = "&".join(filter(None, [parts.query, urlencode(answer, quote_via=lambda text, *_: quote(text, safe=""))]))
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 302)


def _token(emulator: Emulator, form: dict[str, str], authorization: str) -> Response:
    now, settings = emulator.clock.now(), emulator.settings
    is_refresh = form.get("grant_type") == "refresh_token"
    errors: ErrorKey | None = None
    try:
        app = _client(emulator, form, authorization)
        chain = emulator.tokens.chains.get(form.get("refresh_token", ""))
        if chain is not None:
            errors = ErrorKey(app.client_id, str(chain.grant.user), None, TOKEN_ENDPOINT)
            emulator.errors.check(errors, settings, now)
        pair = _pair(emulator, app, form)
    except Refusal as block:
        emulator.journal.refused_refreshes["blocked"] += 1
        return Response(b"", block.status)
    except TokenRefusal as refusal:
        if is_refresh:
            emulator.journal.refused_refreshes[refusal.kind] += 1
        if errors is not None:
            emulator.errors.count(errors, refusal.status, settings, now)
        return _refused(refusal)
    if is_refresh:
        emulator.journal.refreshes += 1
    return json_answer(pair.body(), headers={"Cache-Control": "no-store"})


def _client(emulator: Emulator, form: dict[str, str], authorization: str) -> App:
    """
    Return the app that calls.

    :raises TokenRefusal: id or secret is missing or wrong.
    """
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if emulator.settings.basic_client_auth and authorization.lower().startswith("basic "):
        try:
            client_id, _, secret = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = secret = ""
    app = emulator.apps.get(bare_client_id(client_id))
    if app is None or not hmac.compare_digest(app.client_secret.encode(), secret.encode()):
        raise TokenRefusal("wrong client", 400, "invalid_client", "Client authentication failed.")
    return app


def _pair(emulator: Emulator, app: App, form: dict[str, str]) -> Pair:
    now, settings, tokens = emulator.clock.now(), emulator.settings, emulator.tokens
    match form.get("grant_type"):
        case "authorization_code":
            return tokens.redeem(form.get("code", ""), app, form.get("redirect_uri", ""), settings, now)
        case "refresh_token":
            return tokens.refresh(form.get("refresh_token", ""), app, settings, now)
    raise TokenRefusal("unsupported grant", 400, "unsupported_grant_type", "grant_type is missing or not supported")


def _refused(refusal: TokenRefusal) -> Response:
    if not refusal.error:
        return Response(b"", refusal.status)
    body = {"error": refusal.error, "error_description": refusal.description}
    if refusal.refresh_token is not None:
        body["refresh_token"] = refusal.refresh_token
    headers = {"Cache-Control": "no-store"}
    if refusal.reason is not None:
        headers["Reason"] = refusal.reason
    return json_answer(body, refusal.status, headers)
