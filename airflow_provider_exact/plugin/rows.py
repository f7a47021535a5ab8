"""What the page says of each connection."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from airflow_provider_exact import known_limits, signing_in
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.client.site import REGIONS, Site, origin
from airflow_provider_exact.connection import ConnectionSettings, find_connection, known_ids
from airflow_provider_exact.plugin import access, begun
from airflow_provider_exact.signing_in import State, Status

log = logging.getLogger(__name__)

DAY = 86_400.0
MOST_DIVISIONS = 5
# How each state looks; the stylesheet knows these words.
TONES = {
    State.SIGNED_IN: "good",
    State.DUE: "good",
    State.NEVER: "quiet",
    State.NEEDED: "bad",
    State.READY_TOKEN: "quiet",
}


@dataclass(frozen=True)
class Row:
    """
    A connection as the page shows it.

    ``limits`` are lines about what is left of Exact's limits. ``error`` says why the connection can't be used or signed
    in, and is then all that is told of its state.
    """

    conn_id: str
    site: str = ""
    origin: str = ""
    division: str = ""
    label: str = ""
    tone: str = "bad"
    why: str = ""
    button: str = ""
    days_left: int | None = None
    until: str = ""
    expires_soon: bool = False
    limits: tuple[str, ...] = ()
    error: str = ""


def rows_for(user: BaseUser) -> list[Row]:
    """Return a row for each connection that this user of Airflow may see."""
    return list(_rows(user, known_ids()))


def row_for(user: BaseUser, conn_id: str) -> Row | None:
    """Return the row of a connection that can't be listed; ``None`` when there is none that the user may see."""
    return next(_rows(user, [conn_id]), None)


def _rows(user: BaseUser, conn_ids: list[str]) -> Iterator[Row]:
    for conn_id in conn_ids:
        if not access.may_see(user, conn_id):
            continue
        try:
            settings = find_connection(conn_id)
        except ExactError as error:
            yield Row(conn_id, error=str(error))
            continue
        except Exception as error:
            # Somebody else's secrets backend or a damaged connection: the others are shown all the same.
            log.exception("The connection %r could not be read", conn_id)
            yield Row(conn_id, error=f"Airflow could not read this connection ({type(error).__name__}).")
            continue
        if settings is not None:
            yield _row(settings, may_change=access.may_change(user, conn_id))


def _row(settings: ConnectionSettings, *, may_change: bool) -> Row:
    now = time.time()
    row = Row(settings.conn_id, division=str(settings.division or ""), limits=_limits(settings, now))
    try:
        row = replace(row, site=_described(settings.site), origin=_origin(settings.site))
        found = signing_in.status(settings, now=now)
        if not settings.access_token:
            begun.authorize_url(settings, "")
    except ExactError as error:
        return replace(row, error=str(error))
    row = replace(
        row,
        label=f"signed in as {found.user}" if found.state is State.SIGNED_IN and found.user else found.state.value,
        tone=TONES[found.state],
        why=_why(found) if may_change else f"{_why(found)} Signing in needs the right to edit this connection.".strip(),
    )
    if may_change and found.state is not State.READY_TOKEN:
        row = replace(row, button="Sign in" if found.state is State.NEVER else "Sign in again")
    if found.expires_at is None or found.state is State.NEEDED:
        return row
    return replace(
        row,
        days_left=max(0, int((found.expires_at - now) // DAY)),
        until=time.strftime("%Y-%m-%d", time.gmtime(found.expires_at)),
        expires_soon=found.expires_soon(now),
    )


def _limits(settings: ConnectionSettings, now: float) -> tuple[str, ...]:
    """Say what is left of the limits, of the connection's division first."""
    texts = known_limits.texts(settings.conn_id, now)
    division = str(settings.division or "")
    own = texts.pop(int(division), None) if division.isdecimal() else None
    lines = [f"{own} left"] if own else []
    lines += [f"{division}: {text} left" for division, text in itertools.islice(texts.items(), MOST_DIVISIONS)]
    if len(texts) > MOST_DIVISIONS:
        lines.append(f"and {len(texts) - MOST_DIVISIONS} more divisions")
    return tuple(lines)


def _origin(site: Site) -> str:
    parts = urlsplit(site.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _described(site: Site) -> str:
    """Say which Exact Online it is: by its country, or by its address."""
    host = origin(site.base_url)[1]
    return next((region.country for region in REGIONS.values() if region.host == host), site.base_url)


def _why(found: Status) -> str:
    """Say what the state's name leaves open."""
    whom = f" as {found.user}" if found.user else ""
    match found.state:
        case State.DUE if found.refreshing_until:
            return f"Signed in{whom}. A worker is renewing the token now."
        case State.DUE:
            return f"Signed in{whom}. The next task renews the token."
        case State.NEEDED:
            return f"Was signed in{whom}. {found.problem}"
        case State.READY_TOKEN:
            return "The connection brings its own access token, which is used instead of any sign-in."
    return found.problem or ""
