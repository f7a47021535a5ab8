"""
Files on their way to Exact and back, piece by piece: memory does not grow with them.

A ``Path`` in here may be anything with the same methods, such as Airflow's ``ObjectStoragePath``.
"""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import msgspec

from airflow_provider_exact.client.errors import ExactRequestError

# A multiple of 3, so that each piece but the last fills its base64.
PIECE = 192 * 1024


class Source:
    """Bytes to send: in memory, or in a file that is read anew for each attempt."""

    # No dataclass, which msgspec would write out field by field.
    def __init__(self, content: bytes | Path) -> None:
        self.content = content

    @classmethod
    def of(cls, content: object, argument: str) -> Source:
        """
        Return bytes, or the file that a path names.

        :param argument: What the caller calls it, for the message.
        :raises ExactRequestError: it is neither, or there is no such file, or nothing is in it.
        """
        if isinstance(content, bytes | bytearray | memoryview):
            source = cls(bytes(content))
        elif isinstance(content, str) or not hasattr(content, "open"):
            raise ExactRequestError(f"{argument}: expected bytes or a path, not {type(content).__name__}.")
        else:
            source = cls(cast("Path", content))
        try:
            size = source.size
        except OSError as error:
            raise ExactRequestError(f"{argument}: {content} can't be read ({error.strerror or error}).") from error
        if not size:
            raise ExactRequestError(f"{argument}: {source} is empty.")
        return source

    @property
    def name(self) -> str | None:
        """The file's own name."""
        return None if isinstance(self.content, bytes) else self.content.name

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else int(self.content.stat().st_size)

    def open(self) -> BinaryIO:
        """Open it for reading, from its start."""
        return BytesIO(self.content) if isinstance(self.content, bytes) else cast("BinaryIO", self.content.open("rb"))

    def pieces(self, size: int) -> Iterator[bytes]:
        """
        Yield the bytes, each piece but the last a multiple of 3 long.

        :param size: How many there were when the length was announced.
        :raises ExactRequestError: there are more or fewer by now, or they can't be read.
        """
        left, held = size, b""
        try:
            with self.open() as file:
                while left and (read := file.read(min(left, PIECE))):
                    left -= len(read)
                    held += read
                    whole = len(held) - (len(held) % 3 if left else 0)
                    yield held[:whole]
                    held = held[whole:]
                has_more = file.read(1)
        except OSError as error:
            # Left to itself it would be taken for a failure of the network.
            raise ExactRequestError(f"{self} can't be read to its end ({error.strerror or error}).") from error
        if left or has_more:
            raise ExactRequestError(f"{self} changed while it was sent. Send it when nobody writes to it.")

    def __str__(self) -> str:
        return "the content" if isinstance(self.content, bytes) else str(self.content)


@dataclass(frozen=True)
class FileBody:
    """
    A request's body with files in it.

    :param parts: What is sent one after the other; a file stands beside the size that it was announced with.
    :param as_base64: Whether files stand in JSON, rather than as they are.
    """

    parts: tuple[bytes | tuple[Source, int], ...] = field(repr=False)
    as_base64: bool = True

    def __len__(self) -> int:
        return sum(len(part) if isinstance(part, bytes) else self._length(part[1]) for part in self.parts)

    def _length(self, size: int) -> int:
        return (size + 2) // 3 * 4 if self.as_base64 else size

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                for piece in part[0].pieces(part[1]):
                    yield b64encode(piece) if self.as_base64 else piece


def json_body(record: Mapping[str, Any]) -> bytes | FileBody:
    """Return a record as JSON; a ``Source`` in it becomes base64 while it is sent."""
    mark = uuid4().hex
    sources: list[Source] = []

    def marked(value: object) -> str:
        if not isinstance(value, Source):
            raise NotImplementedError
        sources.append(value)
        return mark

    text = msgspec.json.Encoder(decimal_format="number", enc_hook=marked).encode(record)
    if not sources:
        return text
    first, *others = text.split(mark.encode())
    parts: list[bytes | tuple[Source, int]] = [first]
    for source, after in zip(sources, others, strict=True):
        parts += [(source, source.size), after]
    return FileBody(tuple(parts))


@contextlib.contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that gets its name, and replaces what has it, when all of it is there; otherwise nothing is."""
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        with part.open("wb") as file:
            yield file
        move(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def move(source: Path, target: Path) -> None:
    """Give a file another name and replace what has it; an object store copies and deletes."""
    # Paths of object stores can't replace, and local ones can't move before Python 3.14.
    (getattr(source, "move", None) or source.replace)(target)


def safe_name(name: object, otherwise: str) -> str:
    """Return a file's name that a server chose without anything that leads out of the folder."""
    last = str(name or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in last if letter.isprintable()).strip()
    return kept if kept.strip(".") else otherwise
