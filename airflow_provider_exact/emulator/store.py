"""
One division's records: tables that are seeded when first used, row versions, and the log of what was deleted.

Row versions of seeded records come from a range of each table's own, so that the order in which tables are first used
changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_exact.emulator.settings import USERS

Record = dict[str, Any]
# A record as an endpoint shows it: to be read only.
Shown = Mapping[str, Any]
Key = tuple[Any, ...]

FIRST_VERSION = 20_000_000_000
VERSIONS_PER_TABLE = 10_000_000
FIRST_LIVE_VERSION = FIRST_VERSION + 1_000 * VERSIONS_PER_TABLE


def guid(*parts: object) -> str:
    """Return the Guid that these parts always give: ids are the same in every run of a seed."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def user_id(number: int) -> str:
    """Return the id of a user, who is the same person in every division."""
    return guid("user", USERS[number % len(USERS)].name)


@dataclass(slots=True)
class Row:
    """A record with its row version; ``replaced`` is the version before the last update."""

    record: Record
    version: int
    replaced: tuple[int, Record] | None = None


@dataclass(slots=True)
class Deletion:
    """An entry of ``sync/Deleted``."""

    version: int
    entity_type: int
    entity_key: str
    deleted_at: datetime
    deleted_by: str


@dataclass
class Store:
    """
    The data of one division.

    :param seed: Gives a table's first records by key; called once per table.
    """

    division: int
    seed: Callable[[Store, str], Iterable[tuple[Key, Record]]]
    table_numbers: dict[str, int]
    tables: dict[str, dict[Key, Row]] = field(default_factory=dict)
    deletions: list[Deletion] = field(default_factory=list)
    moved_at: datetime | None = None
    _version: int = FIRST_LIVE_VERSION
    _made: int = 0
    _first_version: int = FIRST_VERSION

    def table(self, path: str) -> dict[Key, Row]:
        """Return the rows of a table by key, seeded if this is their first use."""
        name = path.casefold()
        rows = self.tables.get(name)
        if rows is None:
            # Set before the seed runs: seeds look each other's tables up.
            rows = self.tables[name] = {}
            version = self._first_version + self.table_numbers.get(name, 999) * VERSIONS_PER_TABLE
            for number, (key, record) in enumerate(self.seed(self, name), start=1):
                record["Division"] = self.division
                rows[key] = Row(record, version + number)
        return rows

    def get(self, path: str, key: object) -> Record | None:
        """Return the record with this single-part key, or ``None``."""
        row = self.table(path).get((key,))
        return None if row is None else row.record

    def next_version(self) -> int:
        self._version += 1
        return self._version

    def next_number(self) -> int:
        """Return a number never given before in this division, for new ids and entry numbers."""
        self._made += 1
        return self._made

    def insert(self, path: str, key: Key, record: Record) -> None:
        record["Division"] = self.division
        self.table(path)[key] = Row(record, self.next_version())

    def update(self, path: str, key: Key, changes: Record) -> None:
        row = self.table(path)[key]
        row.replaced = (row.version, dict(row.record))
        row.record.update(changes)
        row.version = self.next_version()

    def delete(self, path: str, key: Key, *, entity_type: int | None, deleted_at: datetime, deleted_by: str) -> None:
        del self.table(path)[key]
        if entity_type is not None:
            version = self.next_version()
            self.deletions.append(Deletion(version, entity_type, str(key[0]), deleted_at, deleted_by))

    def forget_deletions(self, before: datetime) -> None:
        """Drop the entries of ``sync/Deleted`` that are older than a moment."""
        self.deletions = [deletion for deletion in self.deletions if deletion.deleted_at >= before]

    def move(self, moved_at: datetime) -> None:
        """Do what Exact does when it moves a division to another database: row versions start again, lower."""
        rows = sorted((row for table in self.tables.values() for row in table.values()), key=lambda row: row.version)
        self.moved_at = moved_at
        self._first_version = 1_000
        # Tables that nobody used yet keep a range of their own below the live ones.
        self._version = self._first_version + 1_000 * VERSIONS_PER_TABLE
        for row in rows:
            row.version = self.next_version()
            row.replaced = None
        for deletion in self.deletions:
            deletion.version = self.next_version()
