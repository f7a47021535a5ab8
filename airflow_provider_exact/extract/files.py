"""
A folder of files as the destination of an extraction.

Parts are written below ``_unfinished`` and get their names when all of them are there; the manifest comes last.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.compression import Compression
from airflow_provider_exact.extract.cursor import Checkpoint, to_json
from airflow_provider_exact.extract.folder import files, put, remove_empty
from airflow_provider_exact.extract.formats import Marking, field_types
from airflow_provider_exact.extract.lines import Csv, JsonLines
from airflow_provider_exact.extract.manifest import MANIFEST, Manifest, check_owner, read_manifest
from airflow_provider_exact.extract.parquet import Parquet
from airflow_provider_exact.extract.parts import Parts
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.extract.progress import FolderProgress, Progress, ProgressStore
from airflow_provider_exact.extract.publishing import final_parts, is_there, name_parts, withdraw

log = logging.getLogger(__name__)

FORMATS: dict[str, type[JsonLines | Csv | Parquet]] = {"jsonl": JsonLines, "csv": Csv, "parquet": Parquet}
UNFINISHED = "_unfinished"


class Files:
    """
    Writes one extraction into a folder.

    :param folder: A ``pathlib.Path`` or Airflow's ``ObjectStoragePath``.
    :param rows_per_file: A file ends with the page that reaches this; only whole files outlive a killed process.
    :param identity: Who writes (``dag.task[map index]``): no other task may write into the same folder, and within one
        run no other map index.
    :param progress: Where to keep what the next try has to know; by default in the folder.
    :param about: Asked at the end for what else the manifest is to tell, such as ``calls``.
    :raises ExactRequestError: an argument is wrong, or a package that it needs is not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        format: Literal["jsonl", "csv", "parquet"] = "jsonl",
        compression: Compression | None = None,
        rows_per_file: int = 500_000,
        run_id: str,
        identity: str,
        progress: ProgressStore | None = None,
        about: Callable[[], Mapping[str, Any]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if format not in FORMATS:
            raise ExactRequestError(f"format: expected one of {', '.join(FORMATS)}, not {format!r}.")
        if not isinstance(rows_per_file, int) or rows_per_file < 1:
            raise ExactRequestError(f"rows_per_file: expected a whole number above 0, not {rows_per_file!r}.")
        self.folder = folder
        self.format = format
        self.compression = compression
        self.rows_per_file = rows_per_file
        self.run_id = run_id
        self.identity = identity
        self._kind = FORMATS[format]
        self._kind.check(compression)
        self.moments = self._kind.moments
        self._about = about
        self._clock = clock
        self._unfinished = folder / UNFINISHED / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._in_folder = FolderProgress(self._unfinished)
        self._store = progress or self._in_folder
        self._is_open = False

    def check_folder(self, plan: Plan) -> Manifest | None:
        """
        Return the manifest if this very run has written here before: it is to start again from ``started``.

        :raises ExactRequestError: the folder belongs to something else.
        """
        if self.folder.is_file():
            raise ExactRequestError(f"path: {self.folder} can't be a folder, since a file is there.")
        found = read_manifest(self.folder)
        if found is not None:
            check_owner(found, self.folder, self.identity, self.run_id, plan)
            if found.run_id == self.run_id:
                return found
            if plan.mode == "incremental":
                raise ExactRequestError(
                    f"path: {self.folder} holds the files of the run {found.run_id!r}, which an incremental run does "
                    "not replace. Give each run a folder of its own: put '{run}' into 'path'."
                )
        return None

    def unfinished(self, plan: Plan) -> Checkpoint | None:
        kept = self._kept(plan)
        return kept.checkpoint if kept else None

    def open(self, plan: Plan, checkpoint: Checkpoint) -> None:
        if self._is_open:
            self._go_back()
        self._unfinished.mkdir(parents=True, exist_ok=True)
        kept = self._kept(plan)
        if kept is None or kept.checkpoint != checkpoint:
            manifest = read_manifest(self.folder)
            for store in (self._store, self._in_folder):
                withdraw(Progress.kept(store), self.folder, manifest)
                store.delete()
            kept = Progress(plan=self._belonging(plan), stamp=self._stamp(manifest), checkpoint=checkpoint)
        self._clear({part.name for part in kept.parts} | {self._in_folder.name})
        self._plan = plan
        self._progress = kept
        self._checkpoint = checkpoint
        self._parts = Parts(self._unfinished, plan, self._kind(plan, self.compression), kept.parts)
        # A deletion: the columns of the key, and nothing in the others.
        names = {f"f{place}": column.name for place, column in enumerate(plan.columns)}
        self._deletion = msgspec.defstruct("Deletion", [(name, Any, None) for name in names], rename=names)
        self._is_open = True

    def write(self, rows: Sequence[Any], checkpoint: Checkpoint) -> None:
        self._add(rows, checkpoint, deleted=False)

    def delete(self, keys: Sequence[tuple[object, ...]], checkpoint: Checkpoint) -> None:
        if keys and self._plan.mode == "full":
            raise ValueError("files of a full extraction have no place for deletions")
        names = Marking(self._plan).attributes
        rows = [self._deletion(**dict(zip(names, key, strict=True))) for key in keys]
        if checkpoint.started is None:
            # Who reads these files drops all that was there before; what is left is what was read here just now.
            rows = self._parts.known(rows)
        self._add(rows, checkpoint, deleted=True)

    def finish(self, checkpoint: Checkpoint) -> dict[str, Any]:
        if self._progress.phase == "writing":
            self._parts.close()
            self._keep(self._progress_at(replace(checkpoint, phase="done")))
            self._parts.reduce()
            # Looked at again, since somebody else may have written here meanwhile.
            self.check_folder(self._plan)
            earlier = read_manifest(self.folder)
            replaced = tuple(part.name for part in earlier.parts) if earlier else ()
            ending = replace(self._progress, parts=self._parts.closed, phase="finishing", replaced=replaced)
            # In the folder in any case: another run, which does not see what this one keeps, removes what it left.
            ending.keep(self._in_folder)
            self._keep(ending)
        name_parts(self._progress, self._unfinished, self.folder)
        manifest = self._manifest()
        put(self.folder / MANIFEST, to_json(manifest) | dict(self._about()), self._unfinished / f"{MANIFEST}.new")
        for name in set(self._progress.replaced) - {part.name for part in manifest.parts}:
            (self.folder / name).unlink(missing_ok=True)
        self._clear({self._in_folder.name})
        self._in_folder.delete()
        self._store.delete()
        self._is_open = False
        remove_empty(self._unfinished)
        remove_empty(self._unfinished.parent)
        return {
            "manifest": str(self.folder / MANIFEST),
            "rows": manifest.rows,
            "deletions": manifest.deletions,
            "parts": len(manifest.parts),
            "bytes": sum(part.bytes for part in manifest.parts),
        }

    def interrupt(self) -> None:
        if not self._is_open or self._progress.phase == "finishing":
            return
        try:
            self._parts.close()
            if self._progress.checkpoint != self._checkpoint:
                self._keep(self._progress_at(self._checkpoint))
        except Exception:
            # What interrupts the extraction is what has to be told.
            log.warning("What was read since the last file can't be kept", exc_info=True)
            self._go_back()

    def _add(self, rows: Sequence[Any], checkpoint: Checkpoint, *, deleted: bool) -> None:
        if self._progress.phase == "finishing":
            raise ValueError("everything was read, and only finish is left to be called")
        try:
            if rows:
                self._parts.add(rows, deleted=deleted)
            self._checkpoint = checkpoint
            if self._parts.rows_open >= self.rows_per_file:
                self._parts.close()
                self._keep(self._progress_at(checkpoint))
        except BaseException:
            self._go_back()
            raise

    def _go_back(self) -> None:
        """Forget what was written since the last time that it was kept."""
        self._parts.go_back(self._progress.parts)
        self._checkpoint = self._progress.checkpoint

    def _progress_at(self, checkpoint: Checkpoint) -> Progress:
        return replace(self._progress, checkpoint=checkpoint, parts=self._parts.closed)

    def _keep(self, progress: Progress) -> None:
        progress.keep(self._store)
        self._progress = progress
        self._checkpoint = progress.checkpoint

    def _kept(self, plan: Plan) -> Progress | None:
        kept = Progress.kept(self._store)
        if kept is None or kept.plan != self._belonging(plan):
            return None
        if not is_there(kept, self._unfinished, self.folder):
            log.warning("Files of the last try are missing in %s; starts anew", self._unfinished)
            return None
        return kept

    def _belonging(self, plan: Plan) -> str:
        """Return what is the same for all tries of one extraction, and for nothing else."""
        whole = msgspec.json.encode(
            [
                (self.run_id, self.identity, self.format, self.compression),
                (plan.division, plan.endpoint.path, plan.source.path, plan.mode, plan.filter, plan.only),
                (plan.columns, plan.key, plan.by, plan.deletions),
            ]
        )
        return hashlib.sha256(whole).hexdigest()

    def _stamp(self, earlier: Manifest | None) -> str:
        """Return what the files' names begin with: the moment, but never that of the files that are there."""
        taken = {part.name.partition("-")[0] for part in earlier.parts} if earlier else set()
        seconds = int(self._clock())
        while (stamp := datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")) in taken:
            seconds += 1
        return stamp

    def _clear(self, but: set[str]) -> None:
        for file in files(self._unfinished):
            if file.name not in but:
                file.unlink(missing_ok=True)

    def _manifest(self) -> Manifest:
        plan, progress = self._plan, self._progress
        parts, reached = final_parts(progress), progress.checkpoint
        return Manifest(
            endpoint=plan.endpoint.path,
            source=plan.source.path,
            division=plan.division,
            mode=plan.mode,
            reload=reached.reload,
            identity=self.identity,
            run_id=self.run_id,
            format=self.format,
            compression=self.compression,
            fields=tuple({"name": name, "type": kind} for name, kind in field_types(plan).items()),
            key=plan.key,
            rows=sum(part.rows for part in parts),
            deletions=sum(part.deletions for part in parts),
            parts=parts,
            started=reached.started,
            cursor=reached.reached,
            pages=reached.pages,
            written_at=datetime.fromtimestamp(int(self._clock()), UTC).isoformat().replace("+00:00", "Z"),
        )
