"""A table of a database as the place that an extraction writes to."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, get_args

from sqlalchemy.engine import Connection, Engine

from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.client.rows import datetimes
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor
from airflow_provider_exact.extract.plan import TIMESTAMP, Plan
from airflow_provider_exact.extract.sql_engine import in_transaction, tune
from airflow_provider_exact.extract.sql_rows import AT_ONCE, Deletions, Rows
from airflow_provider_exact.extract.sql_schema import create, definition
from airflow_provider_exact.extract.sql_state import Kept, State, identity
from airflow_provider_exact.extract.sql_upsert import Upsert, upsert_for

log = logging.getLogger(__name__)

BATCH_SIZE = 5000
# A killed worker costs no more than the pages of so many seconds.
SAFE_EVERY = 10.0


@dataclass(frozen=True)
class Wish:
    """
    Where a person wants the next run to go on; it is fulfilled once.

    :param mark: Tells this wish from those before.
    :param cursor: ``None`` for a full reload.
    """

    mark: str
    cursor: Cursor | None = None


@dataclass
class _Opened:
    """What is known from ``open`` on, and what was taken since the last transaction."""

    rows: Rows
    state: State
    upsert: Upsert
    load: int
    checkpoint: Checkpoint
    saved_at: float
    pending: dict[Any, Any] = field(default_factory=dict)
    deleted: dict[Any, None] = field(default_factory=dict)
    unsaved: bool = False


class Table:
    """
    One table for any number of divisions, whose rows are told apart by division and key.

    Rows are written in transactions of ``batch_size``, each with the checkpoint that belongs to it. A full load writes
    under a new number, and what has a lower one goes in the transaction that stores the cursor: readers may see rows of
    both meanwhile, but miss none. One writer at a time has a division; who opens it takes over from who did before.

    :param run: What was interrupted is gone on with in the same run only, since pages of different days make no copy;
        but for an incremental load by ``Timestamp``, where what changes meanwhile comes again behind the pages to go.
    :param deletions: What becomes of records that Exact no longer has: their rows go, get ``_deleted``, or stay.
    :param clock: Seconds that only rise.

    ``wish`` is what a person wants, set before the table is asked for its cursor.
    """

    moments = staticmethod(datetimes)

    def __init__(
        self,
        engine: Engine,
        table: str,
        *,
        run: str,
        deletions: Deletions = "delete",
        batch_size: int = BATCH_SIZE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if deletions not in get_args(Deletions):
            raise ExactRequestError(f"deletions: expected one of {', '.join(get_args(Deletions))}, not {deletions!r}.")
        if batch_size < 1:
            raise ExactRequestError(f"batch_size: at least one row goes into a transaction, not {batch_size!r}.")
        self._engine = engine
        self._name = table
        self._run = run
        self._deletions = deletions
        self._batch_size = batch_size
        self.wish: Wish | None = None
        self._clock = clock
        self._opened: _Opened | None = None
        tune(engine)

    def cursor(self, plan: Plan) -> Cursor | None:
        """
        Return where the extraction before left off, or where a person wants to go on.

        :raises ExactRequestError: the table can't take this plan.
        """
        kept = self._kept(plan)
        return kept.cursor if kept else None

    def unfinished(self, plan: Plan) -> Checkpoint | None:
        kept = self._kept(plan)
        if kept is None or kept.plan != identity(plan):
            return None
        by_version = plan.mode == "incremental" and plan.by == TIMESTAMP
        return kept.checkpoint if by_version or kept.run == self._run else None

    def open(self, plan: Plan, checkpoint: Checkpoint) -> None:
        table = definition(plan, self._engine, self._name)
        rows = Rows(plan, table)
        state = State(self._engine, self._name, plan.division, owner=uuid.uuid4().hex)
        state.create()
        create(table, self._engine)
        load = in_transaction(self._engine, partial(self._begin, rows, state, checkpoint))
        upsert = upsert_for(rows, self._engine.dialect.name)
        self._opened = _Opened(rows, state, upsert, load, checkpoint, self._clock())

    def write(self, rows: Sequence[Any], checkpoint: Checkpoint) -> None:
        opened = self._during()
        if opened.deleted:
            self._save()
        pending = opened.pending
        for key, row in opened.rows.keyed(rows):
            held = pending.get(key)
            if held is None or opened.rows.is_as_new(row, held):
                pending[key] = row
        self._reached(checkpoint)

    def delete(self, keys: Sequence[tuple[object, ...]], checkpoint: Checkpoint) -> None:
        opened = self._during()
        if opened.pending:
            self._save()
        if self._deletions != "ignore":
            opened.deleted |= dict.fromkeys(map(opened.rows.key_of, keys))
        self._reached(checkpoint)

    def finish(self, checkpoint: Checkpoint) -> dict[str, Any]:
        opened = self._during()
        opened.checkpoint = checkpoint
        swept = in_transaction(self._engine, partial(self._end, opened))
        self._opened = None
        found = {"table": self._name, "rows": checkpoint.rows, "deletions": checkpoint.deletions}
        return {**found, "swept": swept, "load": opened.load}

    def interrupt(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None or not opened.unsaved:
            return
        try:
            in_transaction(self._engine, partial(self._write, opened))
        except ExactError as error:
            # The checkpoint of the transaction before is there, so that only calls are lost.
            log.warning("What was read since the last transaction could not be stored: %s", error)

    def _kept(self, plan: Plan) -> Kept | None:
        """Return what is remembered of a table that can take this plan, or what a person wants instead."""
        definition(plan, self._engine, self._name)
        state = State(self._engine, self._name, plan.division)
        state.check_endpoint(plan)
        if not state.has_rows():
            return None
        kept = state.read()
        if self.wish is not None and (kept is None or kept.wish != self.wish.mark):
            return Kept(cursor=self.wish.cursor)
        return kept

    def _begin(self, rows: Rows, state: State, checkpoint: Checkpoint, connection: Connection) -> int:
        """Take over the division; return the number of this load."""
        kept = state.claim(connection, rows)
        goes_on = checkpoint.next_url is not None or checkpoint.phase != "records"
        load = kept.load if goes_on or checkpoint.started else kept.load + 1
        values: dict[str, object] = {"load_number": load, "checkpoint": checkpoint, "run": self._run}
        if self.wish is not None and self.wish.mark != kept.wish:
            # From here on the wish is what is remembered.
            values |= {"wish": self.wish.mark, "last_cursor": checkpoint.started}
        state.store(connection, plan=identity(rows.plan), **values)
        return load

    def _during(self) -> _Opened:
        if self._opened is None:
            raise ExactError(f"{self._name} is not open: an extraction opens it, and writes no more once it has ended.")
        return self._opened

    def _reached(self, checkpoint: Checkpoint) -> None:
        opened = self._during()
        opened.checkpoint = checkpoint
        opened.unsaved = True
        full = len(opened.pending) + len(opened.deleted) >= self._batch_size
        if full or self._clock() - opened.saved_at >= SAFE_EVERY:
            self._save()

    def _save(self) -> None:
        opened = self._during()
        try:
            in_transaction(self._engine, partial(self._write, opened))
        except BaseException:
            # What failed is not tried once more by ``interrupt``.
            self._opened = None
            raise
        opened.pending.clear()
        opened.deleted.clear()
        opened.unsaved = False
        opened.saved_at = self._clock()

    def _write(self, opened: _Opened, connection: Connection) -> None:
        # First, since it fails if another one has taken over, and holds the row until the end.
        opened.state.store(connection, checkpoint=opened.checkpoint)
        self._change(opened, connection)

    def _end(self, opened: _Opened, connection: Connection) -> int:
        opened.state.store(connection, last_cursor=opened.checkpoint.reached, checkpoint=None)
        self._change(opened, connection)
        if opened.checkpoint.started is not None:
            return 0
        return opened.rows.sweep(connection, self._deletions, opened.load)

    def _change(self, opened: _Opened, connection: Connection) -> None:
        rows = iter(opened.pending.values())
        while some := list(islice(rows, AT_ONCE)):
            opened.upsert(connection, some, opened.load)
        keys = iter(opened.deleted)
        while some := list(islice(keys, AT_ONCE)):
            opened.rows.remove(connection, self._deletions, some)
