"""Where the next run goes on, and where an interrupted one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from airflow_provider_exact.client.errors import ExactRequestError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """
    What an incremental extraction has read so far; it is stored when everything read is safely written.

    :param source: The endpoint that was listed; ``fields`` and ``filter`` belong to it. Another plan starts anew.
    :param timestamp: The highest ``Timestamp`` read, for sync endpoints; see ``Rise``.
    :param anchor: The key of the record that has it: while Exact still answers with it, the division was not moved.
    :param deleted: The highest ``Timestamp`` read of ``sync/Deleted``.
    :param modified: The latest ``Modified`` read, in epoch milliseconds, for endpoints without a sync twin.
    :param recent: Marks of the records that the next run will read once more because it starts a little earlier.
    :param moved: The ``DivisionMoveDate`` that the timestamps belong to.
    :param read_at: When this was read, in seconds since the epoch by Exact's clock.
    :param ignored_since: From when on no deletions were asked for; ``None`` when they were.
    """

    source: str
    fields: tuple[str, ...]
    filter: str | None = None
    timestamp: int | None = None
    anchor: str | None = None
    deleted: int | None = None
    modified: int | None = None
    recent: tuple[str, ...] = ()
    moved: str | None = None
    read_at: float = 0.0
    ignored_since: float | None = None


@dataclass(frozen=True)
class Rise:
    """
    How far a list by ``Timestamp`` has come, each with the key of its record; no order of it is promised.

    In a list that rises from page to page, a record that changes while it is read comes again behind the rest. In any
    other, its page may be over: then nothing above the first page's highest is sure to have been seen.
    """

    first: tuple[int, str] | None = None
    highest: tuple[int, str] | None = None
    is_steady: bool = True

    def after(self, oldest: tuple[int, str], newest: tuple[int, str]) -> Rise:
        """Return this with one page more, which holds at least these two or one that is both."""
        if self.highest is None:
            return Rise(newest, newest)
        is_steady = self.is_steady and oldest >= self.highest
        return Rise(self.first, max(newest, self.highest), is_steady)

    @property
    def sure(self) -> tuple[int, str] | None:
        """Up to where everything was seen."""
        return self.highest if self.is_steady else self.first


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """
    How far one extraction has come; everything before it is with the destination.

    :param started: The cursor that this extraction started from; ``None`` for a full one.
    :param reached: The cursor that it would leave behind, if it ended here.
    :param phase: What is being read: ``records``, then ``deletions``; ``done`` when all was read, and only ``finish``
        is left to be called.
    :param next_url: The page to go on at; ``None`` at the beginning of a phase.
    :param rows: Records handed to the destination, without tombstones.
    :param reload: Why an incremental extraction reads everything; ``None`` when it does not.
    :param is_anchored: Whether the record that the cursor ended at was met again.
    :param rise: Of the phase that is being read.
    :param began_at: When the first page was asked for, in seconds since the epoch by Exact's clock.
    """

    started: Cursor | None = None
    reached: Cursor
    phase: Literal["records", "deletions", "done"] = "records"
    next_url: str | None = None
    pages: int = 0
    rows: int = 0
    deletions: int = 0
    reload: str | None = None
    is_anchored: bool = False
    rise: Rise = Rise()
    began_at: float = 0.0


def to_json(value: object) -> dict[str, Any]:
    """Return a cursor or checkpoint as plain JSON values."""
    # By way of text: as builtins, tuples stay tuples, which Airflow's stores do not take.
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return found


def of_json(kind: type[T], value: object, where: str) -> T:
    """
    Return the cursor or checkpoint that was kept.

    :raises ExactRequestError: it is damaged; ``where`` tells a person what to mend.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ExactRequestError(f"{where}: what is kept there is no {kind.__name__.lower()} ({error}).") from error
