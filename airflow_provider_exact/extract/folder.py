"""Folders on a disk and in an object store, by what ``pathlib.Path`` and Airflow's ``ObjectStoragePath`` share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import UnsupportedOperation
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from airflow_provider_exact.client.files import move


def put(path: Path, value: object, meanwhile: Path) -> None:
    """
    Write JSON to a file that never holds a half of it.

    :param meanwhile: Its name until all of it is there.
    """
    with meanwhile.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value)))
        sync(file)
    move(meanwhile, path)


def sync(file: BinaryIO) -> None:
    """Have a file of this machine on its disk; an object store has it when it is closed."""
    try:
        number = file.fileno()
    except (UnsupportedOperation, AttributeError):
        return
    file.flush()
    os.fsync(number)


def size(path: Path) -> int | None:
    """Return how many bytes a file has, ``None`` if there is no such file."""
    try:
        return int(path.stat().st_size)
    except (FileNotFoundError, NotADirectoryError):
        return None


def files(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, nothing if there is no such folder."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from folder.iterdir()


def remove_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it; most object stores have none to remove."""
    store = cast("Any", folder)
    with contextlib.suppress(OSError, NotImplementedError):
        # The paths' own method removes what is in it, too.
        store.fs.rmdir(store.path) if hasattr(store, "fs") else folder.rmdir()
