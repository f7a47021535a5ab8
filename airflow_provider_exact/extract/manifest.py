"""The file beside the parts that says what they are; a folder is complete when it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.cursor import Cursor
from airflow_provider_exact.extract.folder import size
from airflow_provider_exact.extract.plan import Mode, Plan
from airflow_provider_exact.extract.progress import Part

MANIFEST = "_manifest.json"
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """
    What one run wrote into a folder.

    :param version: Of the manifest's own make-up.
    :param endpoint: What was asked for; ``source`` is what was read for it.
    :param identity: Who writes here; no other task may.
    :param reload: Why an incremental run read everything; ``None`` if it did not.
    :param fields: Names and Edm types (``None`` where unknown) of the columns, in their order.
    :param key: The columns that tell records apart.
    :param rows: Records, without deletions.
    :param started: The cursor before this run, ``cursor`` the one after it.
    :param pages: Pages read, of records and deletions.
    :param written_at: When it was complete, in ISO 8601.
    :param calls: Made for it, as far as somebody counted.
    """

    version: int = VERSION
    endpoint: str
    source: str
    division: int
    mode: Mode
    reload: str | None = None
    identity: str
    run_id: str
    format: str
    compression: str | None = None
    fields: tuple[dict[str, str | None], ...]
    key: tuple[str, ...]
    rows: int
    deletions: int
    parts: tuple[Part, ...]
    started: Cursor | None = None
    cursor: Cursor
    pages: int
    written_at: str
    calls: int | None = None


def read_manifest(folder: Path) -> Manifest | None:
    """
    Return a folder's manifest, ``None`` if it has none.

    :raises ExactRequestError: it is damaged, or of a newer version of this provider.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            found: dict[str, Any] = msgspec.json.decode(file.read(), type=dict[str, Any])
        if found.get("version") != VERSION:
            raise ExactRequestError(
                f"path: {path} has version {found.get('version')}, and this provider knows {VERSION}."
            )
        return msgspec.convert(found, Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.MsgspecError as error:
        raise ExactRequestError(
            f"path: {path} is not what this provider writes ({error}). Move it away, or choose another folder."
        ) from error


def check_owner(manifest: Manifest, folder: Path, identity: str, run_id: str, plan: Plan) -> None:
    """
    Check that a folder belongs to this task.

    :raises ExactRequestError: a folder belongs to another task, endpoint or division, or within one run to another
        mapped instance.
    """
    theirs = (_task_of(manifest.identity), manifest.endpoint, manifest.division)
    if theirs != (_task_of(identity), plan.endpoint.path, plan.division):
        raise ExactRequestError(
            f"path: {folder} holds {manifest.endpoint} of division {manifest.division}, written by "
            f"{manifest.identity}. Give each task, endpoint and division a folder of its own, with the division's "
            "number in 'path'."
        )
    # From run to run a division may have another place in the list; in one run that is another extraction.
    if manifest.run_id == run_id and manifest.identity != identity:
        raise ExactRequestError(
            f"path: {folder} holds what {manifest.identity} wrote in this same run. Give each mapped instance a folder "
            "of its own. If it is the list that changed since, remove the folder's "
            f"{MANIFEST} and files, and clear the task."
        )


def _task_of(identity: str) -> str:
    """Return a task without its map index: ``dag.task`` of ``dag.task[3]``."""
    return re.sub(r"\[\d+\]$", "", identity)


def check_parts(folder: Path, manifest: Manifest) -> None:
    """
    Check that the files of a manifest are there in full.

    :raises ExactRequestError: a file that the manifest names is missing, or has not as many bytes as it should.
    """
    for part in manifest.parts:
        if (found := size(folder / part.name)) != part.bytes:
            said = "is missing" if found is None else f"has {found} bytes"
            raise ExactRequestError(f"path: {folder / part.name} {said}; {MANIFEST} says {part.bytes} bytes.")
