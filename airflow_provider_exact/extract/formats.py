"""What every format of a file does, and how rows are told apart in all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, BinaryIO, Protocol

from airflow_provider_exact.client.rows import encode_json
from airflow_provider_exact.extract.duplicates import Mark
from airflow_provider_exact.extract.plan import Plan

# The column that says whether a record is gone; only incremental extractions have it.
DELETED = "_deleted"


class Writer(Protocol):
    """Writes one file."""

    def write(self, rows: Sequence[Any], *, deleted: bool) -> None:
        """Take rows; ``deleted`` ones hold a key and nothing else."""

    def close(self) -> None:
        """Write what is still held; the file itself stays open."""


class Format(Protocol):
    """How the rows of one plan stand in files; ``suffix`` ends their names."""

    suffix: str

    def writer(self, file: BinaryIO) -> Writer:
        """Return what writes a new file."""

    def marks(self, file: BinaryIO) -> Iterator[Mark]:
        """Yield what tells the rows of a file apart, in their order."""

    def copy(self, source: BinaryIO, target: BinaryIO, without: Collection[int]) -> None:
        """Write a file's rows to a new file, but for those at these places."""


def as_text(value: object) -> str | None:
    """Return a value of unknown type for a column of text: text as it is, anything else as JSON."""
    return value if value is None or isinstance(value, str) else encode_json(value).decode()


def field_types(plan: Plan) -> dict[str, str | None]:
    """Return the columns of the files with their Edm types."""
    types = {column.name: column.type for column in plan.columns}
    return types | {DELETED: "Boolean"} if plan.mode == "incremental" else types


class Marking:
    """
    What tells the rows of a plan apart.

    ``names`` are the columns that it takes, the key first. A key is the value of its one column, or a tuple.
    """

    def __init__(self, plan: Plan) -> None:
        columns = {column.name: (f"f{place}", column.type) for place, column in enumerate(plan.columns)}
        self.attributes = [columns[name][0] for name in plan.key]
        self._untyped = [columns[name][1] is None for name in plan.key]
        self._by = plan.by if plan.by in columns else None
        self._by_is_date = self._by is not None and columns[self._by][1] == "DateTime"
        self._deleted = DELETED if plan.mode == "incremental" else None
        found = [*plan.key, *(name for name in (self._by, self._deleted) if name)]
        self.names = list(dict.fromkeys(found))
        self.key_of = self._key_in_text if any(self._untyped) or not plan.key else attrgetter(*self.attributes)

    def _key_in_text(self, row: Any) -> object:
        return self._key([getattr(row, name) for name in self.attributes])

    def _key(self, values: Sequence[Any]) -> object:
        # Some formats have only text for what has no known type.
        found = [as_text(value) if untyped else value for value, untyped in zip(values, self._untyped, strict=True)]
        return None if None in found else found[0] if len(found) == 1 else tuple(found)

    def mark(self, values: Sequence[Any]) -> Mark:
        """
        Return the mark of a row; its key is ``None`` when a part of it is missing.

        :param values: Those of the columns ``names``.
        """
        by = values[self.names.index(self._by)] if self._by else None
        if self._by_is_date and isinstance(by, str):
            by = datetime.fromisoformat(by)
        return self._key(values[: len(self.attributes)]), by, bool(self._deleted and values[-1])
