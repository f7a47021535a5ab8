"""
What a task instance has created, remembered where another try of it finds it.

Airflow 3.3 has a store for that; before, a Variable serves. Both outlive retries, deferrals and a cleared task.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from airflow_provider_exact.client.errors import ExactTransportError
from airflow_provider_exact.tokens import variables

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

KEY = "exact_online_created"
VARIABLE = "exact_online_created__"
# As long as Airflow's own store of task states.
KEPT_FOR = 30 * 86_400.0


class Begun(msgspec.Struct):
    """
    A creation whose end was not noted.

    :param at: When it was sent, by this machine's clock; ``ahead`` is how far the server's was ahead.
    :param record: What to look for it by.
    """

    at: float
    ahead: float | None
    record: dict[str, Any]


class Entry(msgspec.Struct, array_like=True):
    """One record: the mark of the data it was made of, and its key, or what is needed to find out."""

    mark: str
    key: Any = None
    begun: Begun | None = None


class Notes(msgspec.Struct):
    """
    What is remembered: records in the order of the task's data, and others that this data has no longer.

    :param where: The site, division and endpoint that all of it is about.
    """

    where: str
    entries: list[Entry | None] = []
    others: list[Entry] = []

    def arranged(self, marks: list[str]) -> Notes:
        """
        Return the notes in the order of other data.

        A record is recognised by its data, wherever that stands; one whose data changed, by its place.
        """
        left = dict(enumerate([*self.entries, *self.others]))
        found: dict[int, Entry] = {}

        def take(place: int, source: int | None) -> None:
            if source is not None and (entry := left.pop(source, None)) is not None:
                found[place] = entry

        def is_of(source: int, mark: str) -> bool:
            entry = left.get(source)
            return entry is not None and entry.mark == mark

        for place, mark in enumerate(marks):
            take(place, place if is_of(place, mark) else None)
        for place, mark in enumerate(marks):
            if place not in found:
                take(place, next((source for source in left if is_of(source, mark)), None))
        for place in range(min(len(marks), len(self.entries))):
            if place not in found:
                take(place, place)
        entries = [found.get(place) for place in range(len(marks))]
        return Notes(self.where, entries, [entry for entry in left.values() if entry is not None])


class Memory(Protocol):
    """Keeps the notes of one task instance."""

    def read(self) -> Notes | None: ...

    def write(self, notes: Notes) -> None:
        """
        Keep the notes.

        :raises ExactTransportError: Airflow did not keep them.
        """


def memory_of(context: Context) -> Memory | None:
    """Return the memory of a running task; ``None`` where there is none, as in a bare call of ``execute``."""
    store = context.get("task_state_store")
    if store is not None:
        return TaskStateMemory(store)
    if "ti" not in context or not variables.can_write():
        return None
    ti = context["ti"]
    return VariableMemory((ti.dag_id, ti.task_id, getattr(ti, "map_index", -1)), ti.run_id)


def mark_of(record: Mapping[str, Any]) -> str:
    """Return what tells data that was sent from other data; of files, only that they are there."""
    return _digest(msgspec.json.encode(record, order="sorted", enc_hook=lambda value: type(value).__name__))[:10]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TaskStateMemory:
    """In Airflow's store for the states of tasks."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self) -> Notes | None:
        kept = self._store.get(KEY)
        return None if kept is None else msgspec.convert(kept, Notes, str_keys=True)

    def write(self, notes: Notes) -> None:
        try:
            self._store.set(KEY, msgspec.to_builtins(notes, str_keys=True))
        except Exception as error:  # its kind depends on what of Airflow failed
            raise ExactTransportError(
                f"Airflow did not keep what this task is about to create ({type(error).__name__}). Check its API "
                "server and database."
            ) from error


class VariableMemory:
    """
    In a Variable of the task instance.

    Another one of the task lists those of its runs, so that a later run can delete the old ones.

    :param task: Dag, task and map index.
    """

    def __init__(self, task: tuple[str, str, int], run_id: str, *, clock: Callable[[], float] = time.time) -> None:
        self.key = VARIABLE + _digest(msgspec.json.encode([*task, run_id]))[:32]
        self.list_key = VARIABLE + _digest(msgspec.json.encode(task))[:32] + "_runs"
        self._description = f"What task {task[1]} of run {run_id} of {task[0]} created in Exact Online; kept 30 days."
        self._clock = clock
        self._is_listed = False

    def read(self) -> Notes | None:
        text = variables.read_surely(self.key)
        self._is_listed = text is not None
        return msgspec.json.decode(text, type=Notes) if text else None

    def write(self, notes: Notes) -> None:
        text = msgspec.json.encode(notes).decode()
        variables.write_surely(self.key, text, description=self._description)
        if not self._is_listed:
            self._is_listed = True
            self._list()

    def _list(self) -> None:
        """List this run, and forget those of long ago; a list that is lost costs Variables that stay, no more."""
        now = self._clock()
        text = variables.read(self.list_key)
        runs: dict[str, float] = {}
        with suppress(msgspec.DecodeError):
            runs = msgspec.json.decode(text, type=dict[str, float]) if text else {}
        old = [key for key, at in runs.items() if at < now - KEPT_FOR]
        for key in old:
            variables.delete(key)
        kept = {key: at for key, at in runs.items() if key not in old} | {self.key: now}
        try:
            variables.write(self.list_key, msgspec.json.encode(kept).decode(), description=self._description)
        except variables.VariableWriteError as error:
            log.warning("What this task created is remembered for ever: %s", error)
