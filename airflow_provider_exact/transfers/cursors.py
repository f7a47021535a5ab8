"""
Cursors between the runs of a task: where each keeps its own, and what a person did to it.

A cursor belongs to a task (``dag_id.task_id``) and an asset (site, division, endpoint): two tasks that extract one
endpoint each have one, and so has each mapped task over divisions. A task is not meant to extract one endpoint of one
division several times, such as mapped over filters: those would share one.

Airflow 3.3 keeps it in the state store of the asset. That takes nothing before the asset is active, which for an asset
of an alias is about a minute after the first run; nor more than 65,535 bytes. Then, and on older versions, a Variable
keeps it, ``exact_online_cursor__<dag>.<task>__<host>__<division>__<endpoint>``.

There is one truth: each time it is stored, the cursor's ``revision`` rises by one; both places are looked at, and the
higher revision counts. Each write goes to the state store if that takes it, else to the Variable, and then clears the
other place. So a cursor moves to the state store by itself; and a task that is killed in between leaves two, of which
the newer counts. Airflow empties the state store of an asset that no Dag names any more and that no alias has; the next
run then reads everything.

Files have their truth here. A database has it in a table of its own, written with the rows; there this is a copy to
look at, but for what a person sets or resets: that has a mark (``by_hand``), and counts until the database took it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_provider_exact.assets import parts_of
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.extract.cursor import Cursor, of_json, to_json
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.transfers.shelves import AssetShelf, Shelf, VariableShelf, has_asset_store

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

KEY = "exact_online_cursor__"
# What Airflow allows a Variable; its state stores allow more.
LONGEST_KEY = 250


@dataclass(frozen=True, kw_only=True)
class KeptCursor:
    """
    What is kept of a task's extraction of an asset.

    :param cursor: ``None`` after a reset: the next run reads everything.
    :param destination: Where the records went, for a person to read.
    :param updated_at: Seconds since the epoch.
    :param revision: How often it was stored.
    :param by_hand: A mark of its own each time that a person set or reset it; ``None`` when a task stored it.
    :param before: What a person replaced.
    """

    dag_id: str
    task_id: str
    asset: str
    cursor: Cursor | None
    destination: str = ""
    updated_at: float = 0.0
    revision: int = 1
    by_hand: str | None = None
    before: Cursor | None = None

    def by_a_person(self, cursor: Cursor | None, *, now: float) -> KeptCursor:
        """Return this with another cursor, or none, as a person wants it."""
        return replace(
            self,
            cursor=cursor,
            before=self.cursor or self.before,
            updated_at=now,
            revision=self.revision + 1,
            by_hand=uuid4().hex,
        )


@dataclass
class CursorStore:
    """
    Keeps the cursor of one task and asset.

    :param shelves: Where to look, and where to put it, the best place first.
    """

    dag_id: str
    task_id: str
    asset: str
    shelves: Sequence[Shelf]
    destination: str = ""
    clock: Callable[[], float] = time.time
    _seen: str | None = field(default=None, repr=False)

    def get(self) -> KeptCursor | None:
        """
        Return what is kept; ``None`` before the first run.

        :raises ExactTransportError: Airflow did not say.
        :raises ExactRequestError: it is damaged.
        """
        kept, _ = self._look()
        self._seen = kept.by_hand if kept else None
        return kept

    def set(self, cursor: Cursor) -> None:
        """
        Keep a cursor when everything up to it is safely written; what a person did since :meth:`get` stays.

        :raises ExactTransportError: Airflow did not take it.
        """
        kept, holders = self._look()
        if kept is not None and kept.by_hand not in (None, self._seen):
            log.warning("Somebody set or reset the cursor while this task ran; that stays, and the next run obeys it.")
            return
        revision = kept.revision + 1 if kept else 1
        self.put(
            KeptCursor(
                dag_id=self.dag_id,
                task_id=self.task_id,
                asset=self.asset,
                cursor=cursor,
                destination=self.destination,
                updated_at=self.clock(),
                revision=revision,
            ),
            holders,
        )

    def copy(self, cursor: Cursor) -> None:
        """Do the same for a destination that keeps its own cursor: a failure only costs the view of it."""
        try:
            self.set(cursor)
        except ExactError as error:
            log.warning("The cursor is safe in the database, but Airflow shows an older one: %s", error)

    def delete(self) -> None:
        """Forget the cursor: the next run reads everything."""
        for shelf in self._look()[1]:
            shelf.delete()

    def put(self, kept: KeptCursor, holders: Sequence[Shelf] | None = None) -> str:
        """
        Store this, and return where.

        :param holders: The places that hold something now.
        """
        holders = self._look()[1] if holders is None else holders
        taker = next(shelf for shelf in self.shelves if shelf.write(to_json(kept)))
        for shelf in holders:
            if shelf is not taker:
                shelf.delete()
        return taker.where

    def _look(self) -> tuple[KeptCursor | None, list[Shelf]]:
        """Return what counts, and the places that hold something."""
        found: list[tuple[Shelf, dict[str, object]]] = []
        for shelf in self.shelves:
            if (value := shelf.read(surely=not found)) is not None:
                found.append((shelf, value))
        kept = [of_json(KeptCursor, value, f"The {shelf.where}") for shelf, value in found]
        return max(kept, key=lambda one: one.revision, default=None), [shelf for shelf, _ in found]


def cursor_store(context: Context, asset: str, *, destination: str) -> CursorStore | None:
    """
    Return the store of a running task; ``None`` where there is none, as in a bare call of ``execute``.

    :param asset: The URI of what the task extracts.
    :param destination: Where to, for a person to read; without secrets.
    """
    if "ti" not in context or not variables.can_write():
        return None
    dag_id, task_id = context["ti"].dag_id, context["ti"].task_id
    shelves: list[Shelf] = [variable_shelf(dag_id, task_id, asset)]
    if has_asset_store():
        shelves.insert(0, AssetShelf(asset, asset_key(dag_id, task_id)))
    return CursorStore(dag_id, task_id, asset, shelves, destination)


def variable_shelf(dag_id: str, task_id: str, asset: str) -> VariableShelf:
    """Return the Variable of a task and asset."""
    host, division, path = parts_of(asset)
    what = re.sub(r"[^\w.-]", "_", f"{host}__{division}__{path.replace('/', '.')}", flags=re.ASCII)
    description = f"Where {dag_id}.{task_id} goes on in {path} of division {division}; see 'exact-online cursor'."
    return VariableShelf(_key(dag_id, task_id, f"__{what}"), description)


def asset_key(dag_id: str, task_id: str) -> str:
    """Return the key of a task in the state store of an asset."""
    return _key(dag_id, task_id)


def _key(dag_id: str, task_id: str, rest: str = "") -> str:
    whole = f"{dag_id}.{task_id}"
    readable = re.sub(r"[^\w.-]", "_", whole, flags=re.ASCII)
    # With a dot in the Dag's name, another Dag's task may read the same.
    is_clear = readable == whole and "." not in dag_id
    if is_clear and len(KEY + whole + rest) <= LONGEST_KEY:
        return KEY + whole + rest
    mark = "_" + hashlib.sha256(f"{dag_id}\0{task_id}{rest}".encode()).hexdigest()[:16]
    return KEY + (readable + rest)[: LONGEST_KEY - len(KEY + mark)] + mark
