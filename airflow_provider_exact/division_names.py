"""
What divisions are called, so that a log line or a check can say where something was written.

Each name is looked up once a day and kept in one Variable per connection, since every task is a process of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.tokens import variables

if TYPE_CHECKING:
    from airflow_provider_exact.client.client import ExactClient

log = logging.getLogger(__name__)

KEY = "exact_online_divisions__"
DESCRIPTION = "Names of Exact Online divisions, looked up once a day; kept by airflow-provider-exact."
DAY = 86_400.0


class Known(msgspec.Struct, frozen=True):
    """A division's name, ``None`` if the signed-in user may not read it, and when it was looked up."""

    name: str | None
    at: float


def name_of(
    conn_id: str, client: ExactClient, *, fresh: bool = False, clock: Callable[[], float] = time.time
) -> str | None:
    """
    Return the name of the client's division; ``None`` when it can't be told.

    :param fresh: Look it up, however recently that was done.
    :raises ExactError: it was to be looked up, and something other than a missing right came between.
    """
    if client.division is None:
        return None
    known = _known(conn_id)
    seen = known.get(client.division)
    if seen is not None and not fresh and clock() - DAY < seen.at:
        return seen.name
    try:
        name = client.division_name()
    except ExactRequestError as error:
        if fresh and error.status not in (403, 404):
            raise
        # Asked for each task, a right that is missing would use up Exact's patience with errors.
        log.info("The name of division %s can't be read: %s", client.division, error)
        name = None
    except ExactError as error:
        if fresh:
            raise
        log.info("The name of division %s could not be looked up: %s", client.division, error)
        return None
    _note(conn_id, known | {client.division: Known(name, clock())})
    return name


def _known(conn_id: str) -> dict[int, Known]:
    text = variables.read(KEY + conn_id) if variables.can_write() else None
    try:
        return msgspec.json.decode(text, type=dict[int, Known]) if text else {}
    except msgspec.DecodeError:
        return {}


def _note(conn_id: str, known: dict[int, Known]) -> None:
    if not variables.can_write():
        return
    try:
        variables.write(KEY + conn_id, msgspec.json.encode(known).decode(), description=DESCRIPTION)
    except variables.VariableWriteError as error:
        log.info("The names of divisions are looked up again next time: %s", error)
