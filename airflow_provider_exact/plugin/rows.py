"""Rows of the page: sign-ins with their connections."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from airflow_provider_exact import known_limits, signing_in
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.client.site import REGIONS, Site, origin
from airflow_provider_exact.connection import ConnectionSettings, connections_among, known_ids
from airflow_provider_exact.plugin import access, begun
from airflow_provider_exact.signing_in import SharedSignIn, State, Status

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
class Shown:
    """Connection in a row; ``limits`` are lines about the calls that are left."""

    conn_id: str
    division: str = ""
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """
    Sign-in on the page, with the connections that share it.

    ``button_for`` is the connection that the button signs in for. ``error`` says why the connections can't be used or
    signed in for; no other state is known then.
    """

    connections: tuple[Shown, ...]
    site: str = ""
    origin: str = ""
    label: str = ""
    tone: str = "bad"
    why: str = ""
    button: str = ""
    button_for: str = ""
    days_left: int | None = None
    until: str = ""
    expires_soon: bool = False
    error: str = ""

    def has(self, conn_id: str) -> bool:
        """Whether a connection is in the row."""
        return any(shown.conn_id == conn_id for shown in self.connections)


@dataclass(frozen=True)
class Table:
    """Rows of the page, and warnings about several of them."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()


def table_for(user: BaseUser, sought: str = "") -> Table:
    """
    Return a row for each sign-in of connections that this user of Airflow may see.

    :param sought: Connection that can't be listed.
    """
    conn_ids = known_ids()
    if sought and sought not in conn_ids:
        conn_ids = [sought, *conn_ids]
    found, faults = connections_among(conn_id for conn_id in conn_ids if access.may_see(user, conn_id))
    wrong = [Row((Shown(conn_id),), error=fault) for conn_id, fault in faults.items()]
    now = time.time()
    sign_ins = signing_in.shared_sign_ins(found, now=now)
    rows = [_row(sign_in, user, now) for sign_in in sign_ins]
    return Table((*rows, *wrong), tuple(signing_in.clashes(sign_ins)))


def _row(sign_in: SharedSignIn, user: BaseUser, now: float) -> Row:
    lead = sign_in.connections[0]
    row = Row(tuple(_shown(settings, now) for settings in sign_in.connections))
    try:
        row = replace(row, site=_described(lead.site), origin=lead.site.base_url)
    except ExactError as error:
        return replace(row, error=str(error))
    found = sign_in.status
    if found is None:
        return replace(row, error=sign_in.error)
    row = replace(
        row,
        label=f"signed in as {found.user}" if found.state is State.SIGNED_IN and found.user else found.state.value,
        tone=TONES[found.state],
        why=_why(found),
    )
    if found.state is not State.READY_TOKEN:
        row = _with_button(row, sign_in.connections, found, user)
    if found.expires_at is None or found.state is State.NEEDED:
        return row
    return replace(
        row,
        days_left=max(0, int((found.expires_at - now) // DAY)),
        until=time.strftime("%Y-%m-%d", time.gmtime(found.expires_at)),
        expires_soon=found.expires_soon(now),
    )


def _with_button(row: Row, connections: Iterable[ConnectionSettings], found: Status, user: BaseUser) -> Row:
    """Add the button of the first connection that the user may sign in for, or the reason for a missing button."""
    problems = []
    for settings in connections:
        if not access.may_change(user, settings.conn_id):
            continue
        try:
            begun.authorize_url(settings, "")
        except ExactError as error:
            problems.append(str(error))
        else:
            button = "Sign in" if found.state is State.NEVER else "Sign in again"
            return replace(row, button=button, button_for=settings.conn_id)
    problem = problems[0] if problems else "Signing in needs the right to edit this connection."
    return replace(row, why=f"{row.why} {problem}".strip())


def _shown(settings: ConnectionSettings, now: float) -> Shown:
    return Shown(settings.conn_id, str(settings.division or ""), _limits(settings, now))


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
            return f"Was signed in{whom}. {found.problem}" if found.is_stored else found.problem or ""
        case State.READY_TOKEN:
            return "The connection brings its own access token, which is used instead of any sign-in."
    return found.problem or ""
