"""Text files made smaller while they are written, and read again."""

from __future__ import annotations

import gzip
import importlib
from io import BufferedReader
from typing import Any, BinaryIO, Literal, cast

from airflow_provider_exact.client.errors import ExactRequestError

Compression = Literal["gzip", "zstd"]

SUFFIXES: dict[Compression | None, str] = {None: "", "gzip": ".gz", "zstd": ".zst"}
# Three times as fast as gzip's usual 6, for a sixth more bytes; zstd's usual 3 is better than both.
GZIP_LEVEL = 1
ZSTD_LEVEL = 3


def needed(package: str, extra: str, argument: str) -> Any:
    """
    Import a package that not everybody installs.

    :param argument: What asked for it, for the message.
    :raises ExactRequestError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ExactRequestError(
            f"{argument} needs {package.partition('.')[0]}, which is not installed: "
            f"pip install 'airflow-provider-exact[{extra}]'."
        ) from error


def _zstandard() -> Any:
    return needed("zstandard", "zstd", "compression='zstd'")


def check_name(compression: object) -> None:
    """
    Check the name of a compression.

    :raises ExactRequestError: there is no such compression.
    """
    if compression not in SUFFIXES:
        raise ExactRequestError(f"compression: expected None, 'gzip' or 'zstd', not {compression!r}.")


def check_compression(compression: object) -> None:
    """
    Check that a compression can be used here.

    :raises ExactRequestError: there is no such compression, or what it needs is not installed.
    """
    check_name(compression)
    if compression == "zstd":
        _zstandard()


def compressing(file: BinaryIO, compression: Compression | None) -> BinaryIO:
    """Return what to write to instead of ``file``; closing it leaves ``file`` open."""
    match compression:
        case "gzip":
            # Without name and time, so that the same rows are the same bytes.
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=file, mtime=0)
            return cast("BinaryIO", packed)
        case "zstd":
            compressor = _zstandard().ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
            return cast("BinaryIO", compressor.stream_writer(file, closefd=False))
    return cast("BinaryIO", _LeftOpen(file))


def reading(file: BinaryIO, compression: Compression | None) -> BinaryIO:
    """Return the lines that were written."""
    match compression:
        case "gzip":
            return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
        case "zstd":
            return BufferedReader(_zstandard().ZstdDecompressor().stream_reader(file, closefd=False))
    return file


class _LeftOpen:
    """A file that somebody else closes."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write

    def close(self) -> None:
        pass
