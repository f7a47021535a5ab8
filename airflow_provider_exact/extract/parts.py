"""The files of an extraction while they are written, and what is done about several rows with one key."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow_provider_exact.extract.duplicates import Keys, Mark, superseded
from airflow_provider_exact.extract.folder import sync
from airflow_provider_exact.extract.formats import Format, Marking
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.progress import Part

log = logging.getLogger(__name__)


class Parts:
    """
    Writes one file after the other.

    :param closed: What earlier tries wrote.
    """

    def __init__(self, folder: Path, plan: Plan, format: Format, closed: tuple[Part, ...]) -> None:
        self.closed = closed
        self._folder = folder
        self._plan = plan
        self._format = format
        self._open: _OpenPart | None = None
        self._keys = Keys()
        self._key_of = Marking(plan).key_of if plan.key else None
        self._unread = closed
        # So that a try that was thought to be dead does not write into files of this one.
        self._try = uuid4().hex[:8]

    @property
    def rows_open(self) -> int:
        """How many rows the file has that is being written."""
        return self._open.rows + self._open.deletions if self._open else 0

    def add(self, rows: Sequence[Any], *, deleted: bool) -> None:
        """Write the rows of a page; when that fails, the file that was being written is gone."""
        part, self._open = self._open or self._new(), None
        with part.or_abandoned():
            part.write(rows, deleted=deleted)
            if self._key_of:
                self._keys.add(map(self._key_of, rows))
        self._open = part

    def known(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows whose keys were written."""
        if self._key_of is None:
            return []
        self._read_keys()
        return [row for row in rows if self._key_of(row) in self._keys]

    def close(self) -> None:
        """End the file that is being written, if one is; when that fails, it is gone."""
        if self._open:
            part, self._open = self._open, None
            with part.or_abandoned():
                self.closed += (part.close(),)

    def go_back(self, closed: tuple[Part, ...]) -> None:
        """Have written only these."""
        self.closed = closed
        if self._open:
            part, self._open = self._open, None
            part.abandon()

    def reduce(self) -> None:
        """Leave of all rows with one key the one that counts, and at least one file."""
        self.close()
        if not self.closed:
            self._open = self._new()
            self.close()
        if self._key_of is None:
            return
        self._read_keys()
        if not (suspects := self._keys.repeated()):
            return
        void = superseded(map(self._marks, self.closed), suspects)
        parts = [self._without(part, void.get(number)) for number, part in enumerate(self.closed)]
        self.closed = tuple(part for part in parts if part.rows or part.deletions)
        log.info("Left out %d rows that were read once more or changed meanwhile", sum(map(len, void.values())))

    def _read_keys(self) -> None:
        """Learn the keys that earlier tries wrote."""
        while self._unread:
            self._keys.add(key for key, *_ in self._marks(self._unread[0]))
            self._unread = self._unread[1:]

    def _new(self) -> _OpenPart:
        return _OpenPart(self._path(len(self.closed) + 1), self._format)

    def _path(self, number: int, version: str = "") -> Path:
        return self._folder / f"{number:05d}-{self._try}{version}{self._format.suffix}"

    def _marks(self, part: Part) -> Iterator[Mark]:
        with (self._folder / part.name).open("rb") as file:
            yield from self._format.marks(file)

    def _without(self, part: Part, void: dict[int, bool] | None) -> Part:
        """Return a copy of a part that lacks these rows; the part itself stays, until it is known to be of no use."""
        if not void:
            return part
        path = self._folder / f"{uuid4().hex}{self._format.suffix}"
        with (self._folder / part.name).open("rb") as source, path.open("wb") as target:
            self._format.copy(source, target, void)
            length = target.tell()
            sync(target)
        deletions = sum(void.values())
        return Part(path.name, part.rows - len(void) + deletions, part.deletions - deletions, length)


class _OpenPart:
    def __init__(self, path: Path, format: Format) -> None:
        self._path = path
        self.rows = self.deletions = 0
        self._file = path.open("wb")
        try:
            self._writer = format.writer(self._file)
        except BaseException:
            self._file.close()
            raise

    def write(self, rows: Sequence[Any], *, deleted: bool) -> None:
        self._writer.write(rows, deleted=deleted)
        if deleted:
            self.deletions += len(rows)
        else:
            self.rows += len(rows)

    def close(self) -> Part:
        self._writer.close()
        length = self._file.tell()
        sync(self._file)
        self._file.close()
        return Part(self._path.name, self.rows, self.deletions, length)

    def abandon(self) -> None:
        # What went wrong before is what the caller has to hear of.
        for end in (self._writer.close, self._file.close, self._path.unlink):
            with contextlib.suppress(Exception):
                end()

    @contextlib.contextmanager
    def or_abandoned(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abandon()
            raise
