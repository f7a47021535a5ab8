"""Rows as text: JSON Lines and CSV."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from io import StringIO
from typing import Any, BinaryIO

import msgspec

from airflow_provider_exact.client.rows import iso_texts
from airflow_provider_exact.client.serialisation import INTEGER_BITS
from airflow_provider_exact.extract.compression import SUFFIXES, Compression, check_compression, compressing, reading
from airflow_provider_exact.extract.duplicates import Mark
from airflow_provider_exact.extract.formats import Marking, Writer, as_text, field_types
from airflow_provider_exact.extract.plan import Plan

Lines = Callable[[Sequence[Any], bool], bytes]


class _LineWriter:
    def __init__(self, file: BinaryIO, compression: Compression | None, lines: Lines, header: bytes) -> None:
        self._file = compressing(file, compression)
        self._lines = lines
        self._file.write(header)

    def write(self, rows: Sequence[Any], *, deleted: bool) -> None:
        self._file.write(self._lines(rows, deleted))

    def close(self) -> None:
        self._file.close()


_encode_lines = msgspec.json.Encoder().encode_lines
_END = re.compile(rb"}\n")


class JsonLines:
    """One JSON object a line, with every column."""

    moments = staticmethod(iso_texts)
    check = staticmethod(check_compression)

    def __init__(self, plan: Plan, compression: Compression | None) -> None:
        self.suffix = f".jsonl{SUFFIXES[compression]}"
        self._compression = compression
        self._marking = Marking(plan)
        self._with_deleted = plan.mode == "incremental"

    def writer(self, file: BinaryIO) -> Writer:
        return _LineWriter(file, self._compression, self._lines, b"")

    def _lines(self, rows: Sequence[Any], deleted: bool) -> bytes:
        lines = _encode_lines(rows)
        if not self._with_deleted:
            return lines
        # A brace before a line end is only at the end of a row, since JSON has no line ends within text.
        return _END.sub(b',"_deleted":true}\n' if deleted else b',"_deleted":false}\n', lines)

    def marks(self, file: BinaryIO) -> Iterator[Mark]:
        names = {f"f{place}": name for place, name in enumerate(self._marking.names)}
        kind = msgspec.defstruct("Marks", [(name, Any, None) for name in names], rename=names)
        decode = msgspec.json.Decoder(kind).decode
        for line in reading(file, self._compression):
            yield self._marking.mark(msgspec.structs.astuple(decode(line)))

    def copy(self, source: BinaryIO, target: BinaryIO, without: Collection[int]) -> None:
        out = compressing(target, self._compression)
        for place, line in enumerate(reading(source, self._compression)):
            if place not in without:
                out.write(line)
        out.close()


_TRUTH = {True: "true", False: "false"}
_READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(INTEGER_BITS, int),
    "Double": float,
    "Boolean": lambda text: text == "true",
}


class Csv:
    """
    Values between commas as RFC 4180 has it, in UTF-8, below a line with the names of the columns.

    What is missing is empty, as empty text is.
    """

    moments = staticmethod(iso_texts)
    check = staticmethod(check_compression)

    def __init__(self, plan: Plan, compression: Compression | None) -> None:
        self.suffix = f".csv{SUFFIXES[compression]}"
        self._compression = compression
        self._marking = Marking(plan)
        self._with_deleted = plan.mode == "incremental"
        self._types = field_types(plan)
        self._told: dict[int, Callable[[Any], str | None]] = {
            place: _TRUTH.get if column.type else as_text
            for place, column in enumerate(plan.columns)
            if column.type in ("Boolean", None)
        }

    def writer(self, file: BinaryIO) -> Writer:
        return _LineWriter(file, self._compression, self._lines, self._text([self._types]))

    def _lines(self, rows: Sequence[Any], deleted: bool) -> bytes:
        values = map(msgspec.structs.astuple, rows)
        if not self._told and not self._with_deleted:
            return self._text(values)
        columns = list(zip(*values, strict=True))
        for place, told in self._told.items():
            columns[place] = tuple(map(told, columns[place]))
        if self._with_deleted:
            columns.append((_TRUTH[deleted],) * len(rows))
        return self._text(zip(*columns, strict=True))

    def _text(self, rows: Any) -> bytes:
        text = StringIO(newline="")
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()

    def marks(self, file: BinaryIO) -> Iterator[Mark]:
        names = list(self._types)
        reads = [(names.index(name), _READ.get(self._types[name] or "", str)) for name in self._marking.names]
        for row in self._rows(file):
            yield self._marking.mark([read(row[place]) if row[place] else None for place, read in reads])

    def copy(self, source: BinaryIO, target: BinaryIO, without: Collection[int]) -> None:
        out = compressing(target, self._compression)
        out.write(self._text([self._types]))
        for place, row in enumerate(self._rows(source)):
            if place not in without:
                out.write(self._text([row]))
        out.close()

    def _rows(self, file: BinaryIO) -> Iterator[list[str]]:
        # Exact has longer texts than the module's own limit, which is one for the whole process.
        csv.field_size_limit(max(csv.field_size_limit(), sys.maxsize))
        # Within quotes the reader goes on with the next line.
        rows = csv.reader(map(bytes.decode, reading(file, self._compression)))
        next(rows)
        return rows
