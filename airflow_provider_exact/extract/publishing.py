"""How finished files get their names, and how those of an extraction that nobody goes on with are removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.client.files import move
from airflow_provider_exact.extract.folder import size
from airflow_provider_exact.extract.manifest import Manifest
from airflow_provider_exact.extract.progress import Part, Progress


def final_parts(progress: Progress) -> tuple[Part, ...]:
    """Return the parts under the names that they get, or have already."""
    named = []
    for number, part in enumerate(progress.parts, start=1):
        suffix = part.name[part.name.index(".") :]
        named.append(replace(part, name=f"{progress.stamp}-{number:05d}{suffix}"))
    return tuple(named)


def is_there(progress: Progress, unfinished: Path, folder: Path) -> bool:
    """Whether all files are where they should be, of which some may have got their names."""
    return all(
        size(unfinished / part.name) == part.bytes
        or (progress.phase == "finishing" and size(folder / named.name) == part.bytes)
        for part, named in zip(progress.parts, final_parts(progress), strict=True)
    )


def name_parts(progress: Progress, unfinished: Path, folder: Path) -> None:
    """
    Give the files their names; what has its name already is left alone.

    :raises ExactError: a file is gone.
    """
    for part, named in zip(progress.parts, final_parts(progress), strict=True):
        if size(unfinished / part.name) is not None:
            move(unfinished / part.name, folder / named.name)
        elif size(folder / named.name) != part.bytes:
            raise ExactError(
                f"{unfinished / part.name} is gone: something else removed it, such as another run of the same task "
                "at the same time. Give each run a folder of its own ('path'), or set max_active_runs=1."
            )


def withdraw(progress: Progress | None, folder: Path, manifest: Manifest | None) -> None:
    """Remove named files that belong to no manifest, because a run ended while it gave out names."""
    if progress and progress.phase == "finishing":
        listed = {part.name for part in manifest.parts} if manifest else set()
        for name in {part.name for part in final_parts(progress)} | set(progress.replaced):
            if name not in listed:
                (folder / name).unlink(missing_ok=True)
