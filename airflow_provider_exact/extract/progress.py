"""What is kept of an extraction to files that is not finished."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from airflow_provider_exact.extract.cursor import Checkpoint, to_json
from airflow_provider_exact.extract.folder import put

log = logging.getLogger(__name__)


class ProgressStore(Protocol):
    """Keeps one dict of plain JSON for one task of one run, over all its tries."""

    def get(self) -> dict[str, Any] | None:
        """Return what is kept, ``None`` when nothing is."""

    def set(self, value: dict[str, Any]) -> None:
        """Keep this and nothing else; when it returns, the next try finds it."""

    def delete(self) -> None:
        """Keep nothing; there may be nothing already."""


class FolderProgress:
    """Keeps it in a file beside the unfinished parts."""

    def __init__(self, folder: Path) -> None:
        self.name = "progress.json"
        self._file = folder / self.name
        self._new = folder / f"{self.name}.new"

    def get(self) -> dict[str, Any] | None:
        try:
            with self._file.open("rb") as file:
                found = msgspec.json.decode(file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.DecodeError:
            log.warning("%s is damaged; starts anew", self._file)
            return None
        return found if isinstance(found, dict) else None

    def set(self, value: dict[str, Any]) -> None:
        put(self._file, value, self._new)

    def delete(self) -> None:
        self._file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Part:
    """
    One file.

    :param rows: Its records, without deletions.
    """

    name: str
    rows: int
    deletions: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """
    Progress of an unfinished extraction.

    :param plan: What it belongs to; anything else starts anew.
    :param stamp: What the names of the finished files begin with.
    :param checkpoint: Where to go on behind ``parts``.
    :param phase: ``finishing`` when nothing may change any more, and parts get their names.
    :param replaced: Files of an earlier run, to be deleted at the very end.
    """

    plan: str
    stamp: str
    checkpoint: Checkpoint
    parts: tuple[Part, ...] = ()
    phase: Literal["writing", "finishing"] = "writing"
    replaced: tuple[str, ...] = ()

    @classmethod
    def kept(cls, store: ProgressStore) -> Progress | None:
        """Return what is kept, or ``None`` if that is nothing that this version wrote."""
        found = store.get()
        try:
            return None if found is None else msgspec.convert(found, cls)
        except msgspec.ValidationError as error:
            log.warning("What is kept of the last try is not understood (%s); starts anew", error)
            return None

    def keep(self, store: ProgressStore) -> None:
        store.set(to_json(self))
