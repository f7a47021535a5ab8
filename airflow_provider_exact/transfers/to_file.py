"""Operator that extracts an endpoint's records into files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.query import whole_number
from airflow_provider_exact.operators.base import check_required, given, is_final
from airflow_provider_exact.transfers.base import ExactOnlineTransfer, run_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_exact.extract.cursor import Cursor
    from airflow_provider_exact.extract.engine import Outcome
    from airflow_provider_exact.extract.files import Files
    from airflow_provider_exact.extract.plan import Plan
    from airflow_provider_exact.lineage import Output
    from airflow_provider_exact.transfers.cursors import CursorStore

FORMATS = ("jsonl", "csv", "parquet")
COMPRESSIONS = ("gzip", "zstd")
ROWS_PER_FILE = 500_000


class ExactOnlineToFileOperator(ExactOnlineTransfer):
    """
    Write an endpoint's records to files in a folder, page by page; return where and how many, never the records.

    The files get their names when all of them are complete, and ``_manifest.json`` comes last. A full run replaces the
    files of the run before. An incremental run needs a folder of its own, such as
    ``s3://aws_default@lake/exact/{endpoint}/{division}/{run}``: it holds what changed, and rows with
    ``_deleted`` true of which only the key is left.

    :param path: The folder, on the worker's disk or as ``ObjectStoragePath`` takes it; ``{division}``,
        ``{endpoint}`` and ``{run}`` are filled in, the last with the Dag run's id in letters that fit everywhere.
    :param format: ``jsonl``, ``csv`` or ``parquet`` (extra ``parquet``).
    :param compression: ``gzip`` or ``zstd`` (extra ``zstd``); without it, none, or what suits Parquet.
    :param deletions: ``mark``: an incremental run has a row with ``_deleted`` for each; ``ignore``: it has none.
    :param rows_per_file: A file ends with the page that reaches this; a killed task goes on behind its last whole file.
    """

    deletion_modes = ("mark", "ignore")
    template_fields: Sequence[str] = (
        *ExactOnlineTransfer.template_fields,
        "path",
        "format",
        "compression",
        "rows_per_file",
    )

    def __init__(
        self,
        *,
        path: Any,
        deletions: str = "mark",
        format: str = "jsonl",
        compression: str | None = None,
        rows_per_file: int | str = ROWS_PER_FILE,
        **kwargs: Any,
    ) -> None:
        super().__init__(deletions=deletions, **kwargs)
        self.path = path
        self.format = format
        self.compression = compression
        self.rows_per_file = rows_per_file
        self._folder = ""
        check_required(path=path)
        if is_final(format) and format not in FORMATS:
            raise ExactRequestError(f"format: expected one of {', '.join(FORMATS)}, not {format!r}.")
        if is_final(compression) and compression not in (None, *COMPRESSIONS):
            raise ExactRequestError(f"compression: expected one of {', '.join(COMPRESSIONS)}, not {compression!r}.")
        if is_final(rows_per_file):
            whole_number("rows_per_file", rows_per_file)

    @property
    def destination_text(self) -> str:
        return self._folder

    def prepare(self, context: Context, plan: Plan) -> Files:
        from airflow_provider_exact.extract.files import Files
        from airflow_provider_exact.storage import path_of
        from airflow_provider_exact.transfers.progress import task_progress

        check_required(path=given(self.path))
        folder = path_of(filled_in(self.path, plan, run_of(context)))
        self._folder = str(folder)
        return Files(
            folder,
            format=self.format,  # type: ignore[arg-type]  # checked there
            compression=given(self.compression),  # type: ignore[arg-type]
            rows_per_file=whole_number("rows_per_file", self.rows_per_file) or ROWS_PER_FILE,
            run_id=run_of(context),
            identity=identity_of(self, context),
            progress=task_progress(context),
            about=lambda: {"calls": int(self.used()["calls"])},
        )

    def begin(self, destination: Files, plan: Plan, store: CursorStore | None) -> Cursor | None:
        before = destination.check_folder(plan)
        if store is None and plan.mode == "incremental":
            self.log.warning("There is nowhere to keep a cursor here, so that everything is read")
        kept = store.get() if store else None
        if kept is not None and kept.by_hand is not None:
            return kept.cursor
        if before is not None and plan.mode == "incremental":
            self.log.info("This run has written %s before, and goes on from where it did then", self._folder)
            return before.started
        return kept.cursor if kept else None

    def keep(self, outcome: Outcome, store: CursorStore | None) -> None:
        if store is not None:
            store.set(outcome.cursor)

    def whereabouts(self, outcome: Outcome) -> dict[str, str]:
        return {"manifest": outcome.told["manifest"]}

    def written_to(self, outcome: Outcome) -> Output:
        from airflow_provider_exact.client.rows import Column
        from airflow_provider_exact.lineage import DELETED, folder_output

        added = [Column(DELETED, "Boolean")] if outcome.plan.mode == "incremental" else []
        return folder_output(self._folder, added)


def filled_in(path: object, plan: Plan, run_id: str) -> object:
    """Return a path with the places for division, endpoint and run filled in."""
    from airflow_provider_exact.storage import with_text

    if not isinstance(path, str) and not hasattr(path, "open"):
        return path
    run = re.sub(r"[^\w.-]+", "_", run_id, flags=re.ASCII)
    known = {"{division}": str(plan.division), "{endpoint}": plan.endpoint.path, "{run}": run}
    found = re.sub("|".join(map(re.escape, known)), lambda place: known[place[0]], str(path))
    return path if found == str(path) else with_text(path, found)


def identity_of(task: ExactOnlineTransfer, context: Context) -> str:
    """Return which task this is, with its place among mapped ones."""
    if "ti" not in context:
        return task.task_id
    ti = context["ti"]
    place = f"[{ti.map_index}]" if ti.map_index is not None and ti.map_index >= 0 else ""
    return f"{ti.dag_id}.{ti.task_id}{place}"
