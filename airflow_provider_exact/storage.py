"""Paths of files as Airflow users write them: on the worker's disk, or in an object store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from airflow_provider_exact.client.errors import ExactRequestError


def path_of(path: object) -> Path:
    """
    Return a path that can be opened.

    :param path: A path, or text: ``/data/file.pdf``, or with a scheme as Airflow's ``ObjectStoragePath`` takes it
        (``s3://aws_default@bucket/file.pdf``).
    :raises ExactRequestError: it is neither.
    """
    if isinstance(path, str) and "://" in path:
        # Only here: it takes seconds to import.
        from airflow.sdk import ObjectStoragePath

        return cast("Path", ObjectStoragePath(path))
    if isinstance(path, str) and path.strip():
        return Path(path)
    if hasattr(path, "open"):
        return cast("Path", path)
    raise ExactRequestError(f"path: expected the path of a file, not {path!r}.")


def with_text(path: object, text: str) -> object:
    """Return another path of the same kind, with the same connection."""
    if isinstance(path, str):
        return text
    if hasattr(path, "serialize"):
        # Airflow's paths, as Airflow itself fills in their templates.
        return path.deserialize({**path.serialize(), "path": text}, path.__version__)  # type: ignore[attr-defined]
    made: Callable[..., object] = type(path)
    return made(text, **getattr(path, "storage_options", {}))


def path_to_write(path: object) -> Path:
    """Return the same for a file to write; text that ends with a slash names a folder, which is made."""
    found = path_of(path)
    if isinstance(found, Path) and str(path).endswith("/"):
        found.mkdir(parents=True, exist_ok=True)
    return found
