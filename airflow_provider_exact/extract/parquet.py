"""Rows as Parquet, through pyarrow, which is imported when it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, BinaryIO

import msgspec

from airflow_provider_exact.client.errors import ExactResponseError
from airflow_provider_exact.extract.compression import Compression, check_name, needed
from airflow_provider_exact.extract.duplicates import Mark
from airflow_provider_exact.extract.formats import Marking, Writer, as_text, field_types
from airflow_provider_exact.extract.plan import Plan

# A group of rows is held in memory until it is this large; readers like larger ones, workers smaller ones.
GROUP_ROWS = 20_000
GROUP_BYTES = 4 * 2**20
# What Parquet files have everywhere, when nothing else is asked for.
CODECS: dict[Compression | None, str] = {None: "snappy", "gzip": "gzip", "zstd": "zstd"}
GZIP_LEVEL = 1


def _pyarrow() -> Any:
    needed("pyarrow.parquet", "parquet", "format='parquet'")
    return needed("pyarrow", "parquet", "format='parquet'")


def schema_of(plan: Plan) -> Any:
    """
    Return the Arrow schema of a plan's files: the same for every run and page, whatever the rows hold.

    ``Binary`` is base64 text, as in every other format; what has no known type is text, or JSON.
    """
    pa = _pyarrow()
    types = {
        "Byte": pa.uint8(),
        "Int16": pa.int16(),
        "Int32": pa.int32(),
        "Int64": pa.int64(),
        "Double": pa.float64(),
        "Boolean": pa.bool_(),
        "DateTime": pa.timestamp("ms", tz="UTC"),
    }
    fields = [pa.field(name, types.get(kind or "", pa.string())) for name, kind in field_types(plan).items()]
    return pa.schema(fields, {"exact_online.endpoint": plan.endpoint.path, "exact_online.division": str(plan.division)})


class Parquet:
    """Parquet with the types of the catalogue; dates are moments in UTC."""

    @staticmethod
    def moments(milliseconds: list[int | None]) -> list[int | None]:
        return milliseconds

    @staticmethod
    def check(compression: object) -> None:
        """
        Check that a compression can be used here.

        :raises ExactRequestError: there is no such compression, or pyarrow is not installed.
        """
        # Its zstd comes with pyarrow.
        check_name(compression)
        _pyarrow()

    def __init__(self, plan: Plan, compression: Compression | None) -> None:
        self.suffix = ".parquet"
        self._codec = CODECS[compression]
        self._pa = _pyarrow()
        self._plan = plan
        self._marking = Marking(plan)
        self._schema = schema_of(plan)

    def writer(self, file: BinaryIO) -> Writer:
        untyped = [place for place, column in enumerate(self._plan.columns) if column.type is None]
        return _ParquetWriter(self._schema, untyped, self._files(file))

    def _files(self, file: BinaryIO) -> Any:
        level = GZIP_LEVEL if self._codec == "gzip" else None
        return self._pa.parquet.ParquetWriter(file, self._schema, compression=self._codec, compression_level=level)

    def marks(self, file: BinaryIO) -> Iterator[Mark]:
        pa = self._pa
        for batch in self._batches(file, self._marking.names):
            # Whole numbers for dates, as they were in the rows.
            columns = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in batch]
            for values in zip(*(column.to_pylist() for column in columns), strict=True):
                yield self._marking.mark(values)

    def copy(self, source: BinaryIO, target: BinaryIO, without: Collection[int]) -> None:
        place = 0
        with self._files(target) as out:
            for batch in self._batches(source, None):
                kept = [number not in without for number in range(place, place + batch.num_rows)]
                out.write_batch(batch.filter(self._pa.array(kept)))
                place += batch.num_rows

    def _batches(self, file: BinaryIO, columns: list[str] | None) -> Iterator[Any]:
        with self._pa.parquet.ParquetFile(file) as stored:
            for group in range(stored.num_row_groups):
                found = stored.read_row_group(group, columns=columns)
                yield from (found.select(columns) if columns else found).combine_chunks().to_batches()


class _ParquetWriter:
    """Writes groups of rows, each as soon as it is large enough."""

    def __init__(self, schema: Any, untyped: Sequence[int], file: Any) -> None:
        self._pa = _pyarrow()
        self._schema = schema
        self._untyped = untyped
        self._file = file
        self._held: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, rows: Sequence[Any], *, deleted: bool) -> None:
        columns: list[Any] = list(zip(*map(msgspec.structs.astuple, rows), strict=True))
        for place in self._untyped:
            columns[place] = list(map(as_text, columns[place]))
        if len(columns) < len(self._schema):
            columns.append((deleted,) * len(rows))
        arrays = [self._array(field, values) for field, values in zip(self._schema, columns, strict=True)]
        batch = self._pa.record_batch(arrays, schema=self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write_group()

    def _array(self, field: Any, values: Sequence[Any]) -> Any:
        pa = self._pa
        try:
            return pa.array(values, field.type)
        except (pa.ArrowInvalid, OverflowError) as error:
            raise ExactResponseError(
                f"{field.name}: a value does not fit the type that this field is known to have ({error}). Name the "
                "type in 'types', such as {'Field': 'Int64'}."
            ) from None

    def _write_group(self) -> None:
        if self._held:
            self._file.write_table(self._pa.Table.from_batches(self._held, self._schema), row_group_size=self._rows)
            self._held, self._rows, self._bytes = [], 0, 0

    def close(self) -> None:
        self._write_group()
        self._file.close()
