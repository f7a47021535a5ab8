"""The page's routes. Each asks Airflow's auth manager, since Airflow itself guards no plugin's route."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_connection
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from airflow_provider_exact import signing_in
from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.connection import ConnectionSettings, find_connection
from airflow_provider_exact.plugin import access, begun, rows
from airflow_provider_exact.plugin.addresses import CALLBACK, airflow_sign_in, base_url
from airflow_provider_exact.plugin.begun import BegunSignIn
from airflow_provider_exact.plugin.guard import Guard, redirect_query
from airflow_provider_exact.plugin.pages import message, page
from airflow_provider_exact.signing_in import RedirectQuery

log = logging.getLogger(__name__)
router = APIRouter()

# Entries in Airflow's audit log.
BEGUN, SIGNED_IN, REFUSED = "exact_online_sign_in", "exact_online_signed_in", "exact_online_sign_in_refused"
MAY_NOT = "Signing in for a connection needs the right to edit it. Ask whoever manages this Airflow."
FROM_ELSEWHERE = (
    "Another web site sent this request, so nothing was done. Open this page in Airflow and press the button here."
)
NOT_UNDER_WAY = (
    "This answer belongs to no sign-in that is under way in this browser. It was begun more than {minutes} minutes ago "
    "or in another browser, was finished already, or another one was begun since; or somebody made you follow this "
    "address. Nothing was changed."
)
FOR_THE_COMMAND = (
    "If you began it with 'exact-online login', paste the whole address of this page there, within a minute: nothing "
    "was done with it yet."
)
NOT_KNOWN_HERE = (
    "Airflow does not know you at this address. Either your session has ended, or you began at another address of this "
    "Airflow than {base_url}, where Exact sends people back to. Open the page there and begin again."
)


@router.get("/")
def index(user: GetUserDep, connection: str = "") -> Response:
    """Show how connections stand; ``connection`` is one that can't be listed."""
    sought = connection.strip()
    table = rows.table_for(user, sought)
    return page(
        "connections",
        leads_to=[row.origin for row in table.rows if row.button],
        table=table,
        sought=sought,
        found=any(row.has(sought) for row in table.rows),
        redirect_uri=begun.usual_redirect_uri(),
    )


def from_this_page(request: Request) -> None:
    """
    Refuse a request that another site made a browser send.

    :raises HTTPException: the browser names another site.
    """
    site, sender = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        is_ours = site in {"same-origin", "none"}
    else:
        # Behind a proxy, the request's own host may be an inner one.
        own = {urlsplit(base_url()).netloc, request.headers.get("Host", "")}
        try:
            is_ours = sender is None or urlsplit(sender).netloc in own - {""}
        except ValueError:
            is_ours = False
    if not is_ours:
        raise StarletteHTTPException(403, FROM_ELSEWHERE)


@router.post(
    "/sign-in/{connection_id:path}",
    dependencies=[
        Depends(from_this_page),
        Depends(requires_access_connection(method="PUT")),
        Depends(action_logging(BEGUN)),
    ],
)
def sign_in(connection_id: str, user: GetUserDep) -> Response:
    """Send a person to Exact's login page."""
    begun_now = BegunSignIn(connection_id, user.get_id())
    try:
        settings = _settings(connection_id)
        response = RedirectResponse(begun.authorize_url(settings, begun_now.state), 303)
    except ExactError as error:
        return message("Signing in is not possible yet", str(error), status=400)
    begun_now.remember(response)
    return response


@router.get(CALLBACK)
async def callback(request: Request, user: GetUserDep) -> Response:
    """Take the code that Exact sends a person back with; anything but the answer to a sign-in begun here is refused."""
    sign_in = BegunSignIn.in_cookie(request)
    query = redirect_query(request)
    if sign_in is None or not query.answers(sign_in.state):
        return _not_ours(request, NOT_UNDER_WAY.format(minutes=begun.MINUTES), status=400)
    # Waits for Exact and for the lease.
    response = await run_in_threadpool(_finish, sign_in, user, query)
    await _note(user, sign_in.conn_id, SIGNED_IN if response.status_code == 200 else REFUSED)
    begun.forget(response)
    return response


def _finish(sign_in: BegunSignIn, user: BaseUser, query: RedirectQuery) -> Response:
    if sign_in.user_id != user.get_id():
        text = "Another user of Airflow began this sign-in. Begin again as the user that you are now."
        return message("Not signed in", text, status=403)
    if not access.may_change(user, sign_in.conn_id):
        return message("Not signed in", MAY_NOT, status=403)
    try:
        settings = _settings(sign_in.conn_id)
        signed_in = signing_in.finish(settings, query.code(), signing_in.redirect_uri(settings))
    except ExactError as error:
        log.warning("Signing in for the connection %r failed: %s", sign_in.conn_id, error)
        return message("The sign-in was not finished", str(error), status=400)
    try:
        table = rows.table_for(user)
    except Exception:
        # The tokens are stored, whatever fails now.
        log.exception("The connections could not be listed after a sign-in")
        table = rows.Table(())
    sharing = (shown.conn_id for row in table.rows if row.has(settings.conn_id) for shown in row.connections)
    return page(
        "signed_in",
        conn_id=settings.conn_id,
        shared_with=[conn_id for conn_id in sharing if conn_id != settings.conn_id],
        warnings=table.warnings,
        signed_in=signed_in,
        default=str(settings.division or ""),
    )


def _not_ours(request: Request, text: str, *, status: int) -> Response:
    """Say why an answer of Exact's is not taken here, and where one that was begun elsewhere belongs."""
    if redirect_query(request).has_code:
        text = f"{text} {FOR_THE_COMMAND}"
    return message("Not signed in", text, status=status)


def _settings(conn_id: str) -> ConnectionSettings:
    settings = find_connection(conn_id)
    if settings is None:
        raise ExactRequestError(
            f"There is no connection {conn_id!r} of type exact_online. Add it under Admin, Connections, or in your "
            "secrets backend."
        )
    if settings.access_token:
        raise ExactRequestError(
            f"The connection {conn_id!r} brings its own access token, which is used instead of any sign-in. Take it "
            "out first."
        )
    return settings


async def _note(user: BaseUser, conn_id: str, event: str) -> None:
    """Write the sign-in into Airflow's audit log, as Airflow's own routes do, but without the request and its code."""
    scope = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": b"",
        "path_params": {"connection_id": conn_id},
    }
    with create_session() as session:
        await action_logging(event)(Request(scope), session, user)


def _refused(request: Request, error: Exception) -> Response:
    """Turn a refusal of Airflow or FastAPI into a page."""
    status = error.status_code if isinstance(error, StarletteHTTPException) else 500
    if request.method == "GET" and status in {401, 403}:
        # On both pages that only means that nobody, or nobody whom Airflow still knows, is there.
        if not request.url.path.endswith(CALLBACK):
            return RedirectResponse(airflow_sign_in(), 303)
        return _not_ours(request, NOT_KNOWN_HERE.format(base_url=base_url()), status=status)
    if status == 401:
        return message("Not signed in to Airflow", "Your session has ended. Open the page again.", status=status)
    if status == 403 and isinstance(error, StarletteHTTPException) and error.detail == FROM_ELSEWHERE:
        return message("Not signed in", FROM_ELSEWHERE, status=status)
    if status == 403:
        return message("You may not sign in for this connection", MAY_NOT, status=status)
    return message("There is nothing here", "The address is wrong, or not for a browser.", status=status)


def create_app() -> FastAPI:
    app = FastAPI(title="Exact Online", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.add_middleware(Guard)
    app.add_exception_handler(StarletteHTTPException, _refused)
    return app
