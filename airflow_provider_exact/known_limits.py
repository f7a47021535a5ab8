"""
What was last seen of Exact's limits, per connection and division, for other processes and for people to look at.

Limits and errors are kept in one Variable each per connection, written without a lock: a memory, not an account.
Nothing here ever fails a task.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from airflow_provider_exact.client.budget import Seen, merged
from airflow_provider_exact.client.error_budget import HOUR
from airflow_provider_exact.client.rate_limit import DAY
from airflow_provider_exact.tokens import variables

log = logging.getLogger(__name__)

T = TypeVar("T")

KEY = "exact_online_limits__"
ERRORS_KEY = "exact_online_errors__"
DESCRIPTION = "Exact Online's rate limits as tasks last saw them; kept by airflow-provider-exact."
ERRORS_DESCRIPTION = (
    "When calls to Exact Online were refused within the last hour, by division and endpoint; kept by "
    "airflow-provider-exact. Delete it to forget them: Exact does not."
)
# Somebody else's write at the same moment may win; errors are worth a second try.
WRITES = 3


def note(conn_id: str, seen: Mapping[int, Seen], *, clock: Callable[[], float] = time.time) -> None:
    """
    Remember limits.

    :param seen: By division.
    """
    if seen and variables.can_write():
        content = {
            division: sight for division, sight in merged(known(conn_id), seen).items() if sight.at > clock() - DAY
        }
        _write(KEY + conn_id, content, DESCRIPTION)


def known(conn_id: str) -> dict[int, Seen]:
    """Return the limits last seen, by division."""
    return _read(KEY + conn_id, dict[int, Seen]) or {}


def texts(conn_id: str, now: float) -> dict[int, str]:
    """Return what is left of the limits in words, by division, where anything is known."""
    return {division: text for division, seen in sorted(known(conn_id).items()) if (text := seen.text(now))}


def note_errors(conn_id: str, errors: Mapping[str, Sequence[float]], *, clock: Callable[[], float] = time.time) -> None:
    """
    Remember errors.

    :param errors: Their moments, by division and endpoint.
    """
    if not variables.can_write():
        return
    for _ in range(WRITES):
        content = known_errors(conn_id)
        if all(set(moments) <= set(content.get(subject, ())) for subject, moments in errors.items()):
            return
        for subject, moments in errors.items():
            content[subject] = sorted({*content.get(subject, ()), *moments})
        recent = {
            subject: [moment for moment in moments if moment > clock() - HOUR] for subject, moments in content.items()
        }
        _write(
            ERRORS_KEY + conn_id,
            {subject: moments for subject, moments in recent.items() if moments},
            ERRORS_DESCRIPTION,
        )


def known_errors(conn_id: str) -> dict[str, list[float]]:
    """Return the moments of errors, by division and endpoint."""
    return _read(ERRORS_KEY + conn_id, dict[str, list[float]]) or {}


class KnownInAirflow:
    """What a connection's ``Account`` hears of other processes, and tells them."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id

    def limits(self) -> dict[int, Seen]:
        return known(self.conn_id) if variables.can_write() else {}

    def tell_limits(self, limits: Mapping[int, Seen]) -> None:
        note(self.conn_id, limits)

    def errors(self) -> dict[str, list[float]]:
        return known_errors(self.conn_id) if variables.can_write() else {}

    def tell_errors(self, errors: Mapping[str, Sequence[float]]) -> None:
        note_errors(self.conn_id, errors)


def _read(key: str, kind: type[T]) -> T | None:
    try:
        text = variables.read(key)
        return msgspec.json.decode(text, type=kind) if text else None
    except msgspec.DecodeError:
        return None
    except Exception as error:  # noqa: BLE001 - of many kinds, by version and place
        log.debug("What is known of the limits could not be read: %s", type(error).__name__)
        return None


def _write(key: str, content: object, description: str) -> None:
    try:
        variables.write(key, msgspec.json.encode(content).decode(), description=description)
    except variables.VariableWriteError as error:
        log.warning("What is known of the limits is not shared: %s", error)
