"""
An extraction from its first call to its end: what is new, what was deleted, and where the next one goes on.

Rules of Exact behind it: a sync endpoint's ``Timestamp`` rises with each change and starts again when the division is
moved to another database; deletions are told for two months; no order is promised, so a cursor is good only when every
page has been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from airflow_provider_exact.client import query
from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.pagination import Page
from airflow_provider_exact.client.rows import RowReader, columns_of
from airflow_provider_exact.client.serialisation import EPOCH
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor, Rise
from airflow_provider_exact.extract.destination import Destination, ExactTakenOverError
from airflow_provider_exact.extract.plan import MODIFIED, TIMESTAMP, Plan
from airflow_provider_exact.extract.progress_log import Log, ProgressLog
from airflow_provider_exact.extract.sources import EVERYTHING

DELETED = "sync/Deleted"
DAY = 86400.0
# The shortest two months, for which deletions are told.
DELETIONS_KNOWN = 59 * DAY
# Milliseconds that a run by ``Modified`` starts early: its zone is not certain, by up to two hours.
OVERLAP = 3 * 3600 * 1000
REMEMBERED = OVERLAP + 3600 * 1000
# As many records of the overlap are remembered; Airflow's store takes 64 kB.
MOST_RECENT = 3000


@dataclass(frozen=True)
class Outcome:
    """
    What an extraction did.

    :param cursor: Where the next one goes on.
    :param told: What the destination says of it, in plain JSON.
    """

    plan: Plan
    cursor: Cursor
    checkpoint: Checkpoint
    told: dict[str, Any]


class Extraction:
    """
    Reads what a plan says into a destination.

    :param cursor: Where the last run ended; ``None`` reads everything.
    """

    def __init__(
        self, client: ExactClient, plan: Plan, destination: Destination, cursor: Cursor | None, log: Log
    ) -> None:
        self.client = client
        self.plan = plan
        self.destination = destination
        self.cursor = cursor
        self.log = log

    def run(self) -> Outcome:
        """
        Extract; what was interrupted goes on.

        :raises ExactError: what is safe by then is kept for the next try.
        """
        plan = self.plan
        self.log.info("Reading %s", plan.why)
        if plan.mode == "incremental" and plan.deletions is None:
            self.log.warning("%s: records that are deleted at Exact stay in the copy", plan.source.path)
        if plan.mode == "incremental" and plan.filter not in (None, EVERYTHING):
            self.log.warning("%s: records that no longer meet the filter stay in the copy", plan.source.path)
        kept = self.destination.unfinished(plan)
        if kept is not None and plan.mode == "incremental" and not kept.reload and kept.started != self.cursor:
            self.log.warning("The cursor was changed since the interrupted try began, so this starts anew")
            kept = None
        if kept is None:
            checkpoint = self._beginning()
        elif reason := self._outlived(kept):
            self.log.warning("What was begun is dropped, and everything is read again: %s", reason)
            kept, checkpoint = None, self._from_scratch(reason)
        else:
            self.log.info("Going on after %s pages and %s rows of an interrupted try", kept.pages, kept.rows)
            checkpoint = kept
        try:
            self.destination.open(plan, checkpoint)
            try:
                checkpoint = self._records(checkpoint)
            except ExactTakenOverError:
                raise
            except ExactRequestError as error:
                if kept is None or kept.next_url is None:
                    raise
                self.log.warning("The link to go on at serves no more, so this starts anew: %s", error)
                checkpoint = self._records(self._anew(kept.reload))
            if reason := self._moved(checkpoint):
                self.log.warning("Everything is read again: %s", reason)
                checkpoint = self._records(self._anew(reason))
            checkpoint = self._deletions(checkpoint)
            told = self.destination.finish(checkpoint)
        except BaseException:
            self.destination.interrupt()
            raise
        return Outcome(plan, checkpoint.reached, checkpoint, told)

    # Where to begin

    def _beginning(self) -> Checkpoint:
        if self.plan.mode == "full" or self.cursor is None:
            return self._from_scratch(None)
        if reason := self._unfit(self.cursor):
            self.log.warning("Everything is read again: %s", reason)
            return self._from_scratch(reason)
        ignored = None if self.plan.deletions is not None else self.cursor.ignored_since or self.cursor.read_at
        return Checkpoint(started=self.cursor, reached=replace(self.cursor, recent=(), ignored_since=ignored))

    def _anew(self, reload: str | None) -> Checkpoint:
        checkpoint = self._from_scratch(reload)
        self.destination.open(self.plan, checkpoint)
        return checkpoint

    def _from_scratch(self, reload: str | None) -> Checkpoint:
        plan = self.plan
        moved = self._moved_at() if plan.source.is_sync else None
        reached = Cursor(source=plan.source.path, fields=self._fields, filter=plan.filter, moved=moved)
        return Checkpoint(reached=reached, reload=reload)

    def _unfit(self, cursor: Cursor) -> str | None:
        """Return why this cursor is not one to go on from."""
        plan = self.plan
        if cursor.source != plan.source.path:
            return f"the last run read {cursor.source}, this one reads {plan.source.path}"
        if added := [name for name in self._fields if name not in cursor.fields]:
            return f"the last run did not read {', '.join(added)}"
        if cursor.filter != plan.filter:
            return "the filter is not the last run's"
        if cursor.ignored_since is not None:
            return self._too_long("the last look at deletions was", cursor.ignored_since)
        return self._too_long("the last run was", cursor.read_at)

    def _outlived(self, kept: Checkpoint) -> str | None:
        """Return why what was begun is not to be gone on with: its pages would not fit to those that follow."""
        if kept.phase == "done":
            return None
        if kept.started and (reason := self._unfit(kept.started)):
            return reason
        if kept.began_at and (reason := self._too_long("this began", kept.began_at)):
            return reason
        return self._moved_since(kept.reached.moved) if self.plan.source.is_sync else None

    def _too_long(self, what: str, at: float) -> str | None:
        """Return why deletions since this moment can't be told any more."""
        age = self._now() - at
        if self.plan.deletions is None or age <= DELETIONS_KNOWN:
            return None
        return f"{what} {age / DAY:.0f} days ago, and Exact tells deletions for two months"

    @cached_property
    def _fields(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.plan.columns)

    def _moved(self, checkpoint: Checkpoint) -> str | None:
        """Return when the division was moved, if that happened since the cursor was stored."""
        started = checkpoint.started
        if started is None or started.timestamp is None or checkpoint.is_anchored:
            return None
        # The record that the last run ended at was changed or deleted since, or the timestamps are other ones.
        return self._moved_since(started.moved)

    def _moved_since(self, noted: str | None) -> str | None:
        """Return that Exact moved the division after this date, if it did."""
        moved = self._moved_at()
        if moved == noted:
            return None
        return f"Exact moved division {self.plan.division} to another database at {moved}, which resets all timestamps"

    def _moved_at(self) -> str | None:
        moved: str | None = self.client.division_field("DivisionMoveDate", division=self.plan.division)
        return moved

    def _now(self) -> float:
        """Return this moment by Exact's clock, as far as that is known."""
        moment = self.client.moment()
        return moment.at + (moment.ahead or 0.0)

    # Records

    def _records(self, checkpoint: Checkpoint) -> Checkpoint:
        if checkpoint.phase != "records":
            return checkpoint
        plan = self.plan
        filter = query.all_of(plan.filter, self._since(checkpoint.started))
        progress = ProgressLog(self.client, plan, filter, self.log)
        reader = RowReader(plan.columns, self.destination.moments)
        news = _News(plan, reader, checkpoint)
        for page in self._pages(plan.source.path, reader, filter, checkpoint):
            now, is_last = self._now(), page.next_url is None
            began_at = checkpoint.began_at or now
            rows = news.of(page.records)
            checkpoint = replace(
                checkpoint,
                phase="deletions" if is_last else "records",
                reached=news.reached(read_at=now if is_last else 0.0, lasted=now - began_at),
                is_anchored=news.is_anchored,
                rise=Rise() if is_last else news.rise,
                began_at=began_at,
                next_url=page.next_url,
                pages=checkpoint.pages + 1,
                rows=checkpoint.rows + len(rows),
            )
            self.destination.write(rows, checkpoint)
            progress.page(len(rows), checkpoint)
        if news.is_too_much:
            self.log.warning("So many records changed lately that the next run may hand some of them out once more")
        return checkpoint

    def _since(self, started: Cursor | None) -> str | None:
        if self.plan.by == TIMESTAMP:
            # One less, so that the last record comes along as long as nothing has reset the timestamps.
            return f"{TIMESTAMP} gt {(started.timestamp or 2) - 1 if started else 1}L"
        if started is None or started.modified is None:
            return None
        moment = datetime.fromtimestamp((started.modified - OVERLAP) / 1000, UTC)
        return f"{MODIFIED} ge {query.literal(MODIFIED, moment, 'DateTime')}"

    def _pages(self, path: str, reader: RowReader, filter: str | None, checkpoint: Checkpoint) -> Iterator[Page]:
        return self.client.list_rows(
            path, reader, filter=filter, division=self.plan.division, start=checkpoint.next_url
        )

    # Deletions

    def _deletions(self, checkpoint: Checkpoint) -> Checkpoint:
        number, reached = self.plan.deletions, checkpoint.reached
        if number is None or checkpoint.phase == "done":
            return replace(checkpoint, phase="done")
        # From the beginning after a full load: its pages do not all show the same moment.
        before = (checkpoint.started.deleted if checkpoint.started else None) or 0
        since = max(before, 1)
        reader = RowReader(columns_of(resolve(DELETED), [TIMESTAMP, "EntityKey"]), lambda milliseconds: milliseconds)
        version, key = attrgetter(reader.attribute(TIMESTAMP)), attrgetter(reader.attribute("EntityKey"))
        filter = f"{TIMESTAMP} gt {since}L and EntityType eq {number}"
        for page in self._pages(DELETED, reader, filter, checkpoint):
            rise = checkpoint.rise
            if versions := [version(row) or 0 for row in page.records]:
                rise = rise.after((min(versions), ""), (max(versions), ""))
            if rise.sure is not None:
                reached = replace(reached, deleted=max(before, rise.sure[0]))
            checkpoint = replace(
                checkpoint,
                rise=rise,
                phase="done" if page.next_url is None else "deletions",
                reached=reached,
                next_url=page.next_url,
                pages=checkpoint.pages + 1,
                deletions=checkpoint.deletions + len(page.records),
            )
            self.destination.delete([(key(row),) for row in page.records], checkpoint)
        return checkpoint


class _News:
    """What of each page is new, and how far the cursor has come."""

    def __init__(self, plan: Plan, reader: RowReader, checkpoint: Checkpoint) -> None:
        self._started = checkpoint.started
        self._reached = checkpoint.reached
        self._by = attrgetter(reader.attribute(plan.by)) if plan.by else None
        self._is_sync = plan.by == TIMESTAMP
        self._only = [(attrgetter(reader.attribute(name)), value) for name, value in plan.only]
        self._key = [attrgetter(reader.attribute(name)) for name in plan.key]
        self._known = set(self._started.recent) if self._started else set()
        # The moments of those that an earlier try met are not known; this is near enough.
        self._recent: dict[str, int] = dict.fromkeys(checkpoint.reached.recent, checkpoint.reached.modified or 0)
        # After a full run, the overlap is read once more and written once more.
        self._remembers = plan.mode == "incremental"
        self.rise = checkpoint.rise
        self.is_anchored = checkpoint.is_anchored
        self.is_too_much = False

    def of(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows of a page that the destination does not have yet."""
        found = list(rows)
        if self._is_sync:
            found = self._by_timestamp(found)
        elif self._by is not None:
            found = self._by_modified(found)
        for value_of, value in self._only:
            found = [row for row in found if value_of(row) == value]
        return found

    def reached(self, *, read_at: float, lasted: float) -> Cursor:
        """
        Return the cursor as it would be, if nothing followed.

        :param lasted: Seconds since the first page: what changed in them may be missing on pages that came before.
        """
        reached, started = replace(self._reached, recent=tuple(self._recent), read_at=read_at), self._started
        if self.rise.sure is not None:
            timestamp, anchor = self.rise.sure
            if started is None or timestamp >= (started.timestamp or 0):
                reached = replace(reached, timestamp=timestamp, anchor=anchor)
        if reached.modified is not None:
            before = (started.modified if started else None) or 0
            reached = replace(reached, modified=max(before, reached.modified - round(lasted * 1000)))
        return reached

    def _by_timestamp(self, rows: list[Any]) -> list[Any]:
        by = self._by
        if by is None or not rows:
            return rows

        def version(row: Any) -> int:
            return by(row) or 0

        # Of the keys only these two are put into words: there are a thousand rows in a page.
        oldest, newest = min(rows, key=version), max(rows, key=version)
        self.rise = self.rise.after(*((version(row), self._key_text(row)) for row in (oldest, newest)))
        started = self._started
        if started is None or started.timestamp is None:
            return rows
        for row in rows:
            if version(row) == started.timestamp and self._key_text(row) == started.anchor:
                self.is_anchored = True
        return [row for row in rows if version(row) > started.timestamp]

    def _by_modified(self, rows: list[Any]) -> list[Any]:
        found = []
        for row in rows:
            modified = milliseconds(self._by(row)) if self._by else None
            if modified is None:
                found.append(row)
                continue
            if modified > (self._reached.modified or 0):
                self._reached = replace(self._reached, modified=modified)
            if not self._remembers:
                found.append(row)
                continue
            mark = blake2b(f"{self._key_text(row)} {modified}".encode(), digest_size=6).hexdigest()
            if mark not in self._known:
                found.append(row)
            self._recent[mark] = modified
        earliest = (self._reached.modified or 0) - REMEMBERED
        self._recent = {mark: modified for mark, modified in self._recent.items() if modified >= earliest}
        if len(self._recent) > MOST_RECENT:
            self.is_too_much = True
            self._recent = {}
        return found

    def _key_text(self, row: Any) -> str:
        return ",".join(str(part(row)) for part in self._key)


def milliseconds(moment: object) -> int | None:
    """Return a moment in epoch milliseconds, however a destination wants its moments."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        return round((moment - EPOCH).total_seconds() * 1000)
    return moment if isinstance(moment, int) else None
