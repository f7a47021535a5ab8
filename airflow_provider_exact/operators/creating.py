"""The creations of one task instance: each record once, however often the task runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client import query
from airflow_provider_exact.client.creation import Creation, Moment
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactOutcomeError,
    ExactRequestError,
    ExactTransportError,
)
from airflow_provider_exact.created import Begun, Entry, Memory, Notes, mark_of, memory_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_exact.client.client import ExactClient

log = logging.getLogger(__name__)

# So that what is remembered of them stays below the size of a value in Airflow's store for task states.
MOST = 1000
# Exact blocks at ten refusals an hour, and what is refused five times is wrong in all of them.
MOST_REFUSED = 5
# One answer of a failing server may be about the record; more in a row are about the server.
MOST_BROKEN = 3
MOST_TOLD = 20
# An attempt has ended after this: it waits out limits for minutes, and an answer can come late.
WITHIN = 1800.0


@dataclass(frozen=True)
class Made:
    """What became of many rows: the keys of the created ones in the rows' order, and the failures by place."""

    number: int
    keys: list[Any]
    failed: dict[int, ExactError]

    def error(self, what: str) -> ExactError:
        """Return the failures as one; another try is worth it when one of them is a failing server's."""
        may_pass = any(
            isinstance(error, ExactTransportError) and not isinstance(error, ExactOutcomeError)
            for error in self.failed.values()
        )
        return (ExactTransportError if may_pass else ExactRequestError)(self.in_words(what))

    def failures(self) -> list[dict[str, Any]]:
        """Return which rows were not created and why, for other tasks to read."""
        return [{"index": place, "error": str(error)} for place, error in sorted(self.failed.items())]

    def in_words(self, what: str) -> str:
        """Return the same as a text; those behind an early stop are told as a number."""
        rows, failures = len(self.keys), self.failures()
        untried = rows - self.number - len(failures)
        lines = [
            f"{self.number} of {rows} {what} are created, {len(failures)} failed"
            + (f", {untried} were not tried. " if untried else ". ")
            + "Cleared, the task goes on with those that are not created.",
            *(f"data[{failure['index']}]: {failure['error']}" for failure in failures[:MOST_TOLD]),
        ]
        if len(failures) > MOST_TOLD:
            lines.append(f"and {len(failures) - MOST_TOLD} more")
        return "\n".join(lines)


class Creations:
    """Creates what a task has not created before."""

    def __init__(self, context: Context, client: ExactClient, *, endpoint: str, verify: query.Names = None) -> None:
        self.client = client
        self.endpoint = endpoint
        self.verify = verify
        self._memory: Memory | None = memory_of(context)
        self._notes = Notes("")

    def one(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """
        Create one record and return it; return the one that this task created before if it is still there.

        :raises ExactError: it was not created, or that can't be told.
        """
        creation = self._creation(data)
        self._recall([creation])
        entry = self._notes.entries[0]
        if entry is not None and _is_done(entry):
            record = self._still_there(creation, entry)
            if record is not None:
                if entry.mark != mark_of(creation.record):
                    log.warning(
                        "This task created %s before, of other data, and leaves it as it is. Update it; or delete it "
                        "in Exact Online and clear the task, and it is created anew.",
                        entry.key,
                    )
                log.info("An earlier try created %s", entry.key)
                return record
            log.info("This task created %s before, which is gone: creating it anew", entry.key)
            self._notes.entries[0] = None
        try:
            return self._create(0, creation)
        finally:
            self._keep()

    def all(self, rows: Sequence[Mapping[str, Any]]) -> Made:
        """
        Create many records, as far as they let themselves be created.

        What was created before, by an earlier try, is not looked at again, also where its row has other data by now.

        :raises ExactError: something that is not a row's own fault; what is created until then is remembered.
        """
        if len(rows) > MOST:
            raise ExactRequestError(
                f"data: {len(rows)} records are more than the {MOST} that one task creates. Map the task over parts of "
                "them."
            )
        failed: dict[int, ExactError] = {}
        creations: list[Creation | None] = []
        for place, row in enumerate(rows):
            try:
                creations.append(self._creation(row))
            except ExactRequestError as error:
                creations.append(None)
                failed[place] = error
        self._recall(creations)
        self._leave_changed(creations, failed)
        try:
            self._create_all(creations, failed)
        finally:
            self._keep()
        entries = self._notes.entries
        return Made(sum(map(_is_done, entries)), [_key(entry) for entry in entries], failed)

    def _leave_changed(self, creations: Sequence[Creation | None], failed: dict[int, ExactError]) -> None:
        """Warn of rows whose record was made of other data; what is wrong with these rows now is no failure."""
        changed: list[str] = []
        for place, (entry, mark) in enumerate(zip(self._notes.entries, _marks(creations), strict=True)):
            if entry is not None and _is_done(entry) and entry.mark != mark:
                changed.append(f"data[{place}] ({entry.key})")
                failed.pop(place, None)
        if changed:
            log.warning(
                "This task created records before, of other data than their rows have now, and leaves them as they "
                "are: %s%s. Update them. A new record takes a row behind those that were there.",
                ", ".join(changed[:MOST_TOLD]),
                " and others" if len(changed) > MOST_TOLD else "",
            )

    def _create_all(self, creations: list[Creation | None], failed: dict[int, ExactError]) -> None:
        refused = broken = 0
        for place, creation in enumerate(creations):
            entry = self._notes.entries[place]
            if creation is None or _is_done(entry):
                continue
            try:
                self._create(place, creation)
                broken = 0
            except ExactOutcomeError as error:
                failed[place] = error
            except ExactTransportError as error:
                failed[place] = error
                broken += 1
                if broken >= MOST_BROKEN:
                    raise
            except ExactRequestError as error:
                failed[place] = error
                refused += error.status is not None
                # A missing right or endpoint is missing for all of them.
                if refused >= MOST_REFUSED or error.status not in (None, 400):
                    log.warning("Stopping at %s refused records, before Exact Online blocks the app", refused)
                    return

    def _creation(self, data: Mapping[str, Any]) -> Creation:
        return self.client.creation(self.endpoint, data, verify=self.verify)

    def _recall(self, creations: Sequence[Creation | None]) -> None:
        given = next((creation for creation in creations if creation is not None), None)
        where = f"{self.client.site.base_url} {self.client.division} {given.endpoint.path if given else self.endpoint}"
        notes = self._memory.read() if self._memory is not None else None
        if notes is None or notes.where != where:
            notes = Notes(where)
        self._notes = notes.arranged(_marks(creations))

    def _create(self, place: int, creation: Creation) -> dict[str, Any]:
        entries = self._notes.entries
        creation = creation.apart_from([_key(entry) for entry in (*entries, *self._notes.others) if _key(entry)])
        entry, record = entries[place], None
        try:
            if entry is not None and entry.begun is not None:
                begun = entry.begun
                log.info("An earlier try may have created this record: looking for it")
                since = Moment(begun.at, begun.ahead)
                is_same = entry.mark == mark_of(creation.record)
                earlier = creation if is_same else creation.looked_for_by(begun.record)
                record = self.client.find_created(earlier, since, within=WITHIN)
            if entry is None or record is None:
                now = self.client.moment()
                entry = Entry(mark_of(creation.record), begun=Begun(now.at, now.ahead, creation.identity()))
                entries[place] = entry
                if self._memory is not None:
                    self._memory.write(self._notes)
                record = self.client.create(creation)
        except ExactError as error:
            if not error.outcome_unknown:
                entries[place] = None
            elif self._memory is not None and not isinstance(error, ExactOutcomeError):
                # The next try looks for it first.
                error.outcome_unknown = False
            raise
        entries[place] = Entry(entry.mark, creation.key_of(record))
        return record

    def _keep(self) -> None:
        if self._memory is None:
            return
        try:
            self._memory.write(self._notes)
        except ExactTransportError as error:
            # The note before the last creation is there: another try would look for it.
            log.warning("%s", error)

    def _still_there(self, creation: Creation, entry: Entry) -> dict[str, Any] | None:
        endpoint = creation.endpoint
        if entry.key is None or "GET" not in endpoint.methods:
            return {endpoint.key[0].name: entry.key} if endpoint.key else {}
        wanted = query.key_filter(endpoint, entry.key)
        return next(self.client.list_records(endpoint.path, filter=wanted, top=1), None)


def _marks(creations: Sequence[Creation | None]) -> list[str]:
    return ["" if creation is None else mark_of(creation.record) for creation in creations]


def _is_done(entry: Entry | None) -> bool:
    return entry is not None and entry.begun is None


def _key(entry: Entry | None) -> Any:
    return entry.key if entry is not None and _is_done(entry) else None
