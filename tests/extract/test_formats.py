"""What stands in the files: each format, each compression, every kind of value."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from airflow_provider_exact.client.errors import ExactRequestError, ExactResponseError
from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.manifest import check_parts, read_manifest
from tests.extract.records import a_plan, checkpoint, record, rows_for

FORMATS = ("jsonl", "csv", "parquet")
COMPRESSIONS = (None, "gzip", "zstd")
MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
FULL = a_plan(mode="full")
HARD = record(
    "a",
    2**62 + 1,
    Date=f"/Date({int(MIDNIGHT.timestamp() * 1000)})/",
    Notes='"Zoë", 100 % ✓\r\nsecond\rthird}\n{"_deleted":true}\n',
    Hours=7.25,
    Number=-(2**31),
    Closed=True,
    Anything={"a": [1, "}\n"]},
)
EMPTY = {"ID": "b"}
PLAIN = record("c", 3, Date="/Date(1500)/", Notes="x", Hours="2", Number="0", Closed=False, Anything="plain")


def write(folder, records, plan=FULL, **more):
    made = Files(folder, run_id="r", identity="i", **more)
    made.open(plan, checkpoint(0))
    if records:
        made.write(rows_for(made, records, plan), checkpoint(1))
    made.finish(checkpoint(1))
    manifest = read_manifest(folder)
    check_parts(folder, manifest)
    return [(folder / part.name) for part in manifest.parts]


def unpacked(path):
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content).decode()
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(content).decode()
    return content.decode()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_json_lines_hold_every_value_as_it_is(tmp_path, compression):
    [path] = write(tmp_path, [HARD, EMPTY, PLAIN], compression=compression)
    assert path.name.partition(".")[2] == {None: "jsonl", "gzip": "jsonl.gz", "zstd": "jsonl.zst"}[compression]
    hard, empty, plain = map(json.loads, unpacked(path).split("\n")[:-1])
    assert hard == HARD | {"Timestamp": 2**62 + 1, "Date": "2026-01-05T00:00:00Z"}
    assert empty == dict.fromkeys(HARD) | EMPTY
    assert plain == PLAIN | {"Timestamp": 3, "Date": "1970-01-01T00:00:01.500Z", "Hours": 2.0, "Number": 0}
    assert list(hard) == list(empty) == [column.name for column in FULL.columns]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_csv_holds_every_value_as_text(tmp_path, compression):
    [path] = write(tmp_path, [HARD, EMPTY, PLAIN], format="csv", compression=compression)
    assert path.name.partition(".")[2] == {None: "csv", "gzip": "csv.gz", "zstd": "csv.zst"}[compression]
    names, hard, empty, plain = csv.reader(StringIO(unpacked(path), newline=""))
    assert names == [column.name for column in FULL.columns]
    assert hard == [
        *(str(2**62 + 1), "a", "2026-01-05T00:00:00Z", HARD["Notes"], "7.25", str(-(2**31)), "true"),
        '{"a":[1,"}\\n"]}',
    ]
    assert empty == ["", "b", "", "", "", "", "", ""]
    assert plain == ["3", "c", "1970-01-01T00:00:01.500Z", "x", "2.0", "0", "false", "plain"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_parquet_holds_every_value_by_its_type(tmp_path, compression):
    [path] = write(tmp_path, [HARD, EMPTY, PLAIN], format="parquet", compression=compression)
    assert path.suffix == ".parquet"
    codec = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert codec == {None: "SNAPPY", "gzip": "GZIP", "zstd": "ZSTD"}[compression]
    hard, empty, plain = pq.read_table(path).to_pylist()
    assert hard == HARD | {"Timestamp": 2**62 + 1, "Date": MIDNIGHT, "Anything": '{"a":[1,"}\\n"]}'}
    assert empty == dict.fromkeys(HARD) | EMPTY
    assert plain == PLAIN | {
        "Timestamp": 3,
        "Date": datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC),
        "Hours": 2.0,
        "Number": 0,
    }


def test_the_schema_of_parquet_is_that_of_the_types_whatever_is_in_it(tmp_path):
    columns = tuple(
        Column(f"A{kind}", kind)
        for kind in ("Byte", "Int16", "Int32", "Int64", "Double", "Boolean", "DateTime", "Guid", "Binary", None)
    )
    plan = a_plan(columns=(*columns, Column("Timestamp", "Int64")), key=("AGuid",))
    full = {"AByte": 255, "AInt16": -1, "AInt32": 1, "AInt64": "1", "ADouble": 1, "ABoolean": True}
    full |= {"ADateTime": "/Date(0)/", "AGuid": "g", "ABinary": "eA==", "ANone": 1.5, "Timestamp": "1"}
    schemas = [
        pq.read_schema(write(tmp_path / str(number), records, plan, format="parquet")[0])
        for number, records in enumerate(([full], [{"AGuid": "g"}], []))
    ]
    assert schemas[0].equals(schemas[1], check_metadata=True)
    assert schemas[0].equals(schemas[2], check_metadata=True)
    text, moment = pa.string(), pa.timestamp("ms", tz="UTC")
    assert schemas[0].types == [
        *(pa.uint8(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), moment, text, text, text),
        *(pa.int64(), pa.bool_()),
    ]
    assert schemas[0].names[-2:] == ["Timestamp", "_deleted"]
    assert schemas[0].metadata[b"exact_online.endpoint"] == b"sync/Project/TimeCostTransactions"
    assert schemas[0].metadata[b"exact_online.division"] == b"1"


def test_parquet_gathers_pages_into_groups_of_rows(tmp_path):
    made = Files(tmp_path, format="parquet", run_id="r", identity="i")
    made.open(FULL, checkpoint(0))
    rows = rows_for(made, [record(f"{number}", number) for number in range(1000)])
    for page in range(45):
        made.write(rows, checkpoint(page))
    made.interrupt()
    [path] = tmp_path.rglob("*.parquet")
    stored = pq.ParquetFile(path).metadata
    assert [stored.row_group(number).num_rows for number in range(stored.num_row_groups)] == [20_000, 20_000, 5_000]


def test_a_number_that_its_type_can_not_hold_is_named_with_the_way_out(tmp_path):
    made = Files(tmp_path, format="parquet", run_id="r", identity="i")
    made.open(FULL, checkpoint(0))
    rows = rows_for(made, [record("a", 1, Number=2**31)])
    with pytest.raises(ExactResponseError, match=r"^Number: .*Name the type in 'types'"):
        made.write(rows, checkpoint(1))
    made.interrupt()
    assert made.unfinished(FULL) is None


@pytest.mark.parametrize("format", FORMATS)
def test_only_incremental_extractions_say_what_is_deleted(tmp_path, format):
    made = Files(tmp_path, format=format, run_id="r", identity="i")
    plan = a_plan()
    made.open(plan, checkpoint(0))
    made.write(rows_for(made, [HARD]), checkpoint(1))
    end = checkpoint(2, started=checkpoint(0).reached)
    made.delete([("gone",)], end)
    made.finish(end)
    manifest = read_manifest(tmp_path)
    assert manifest.fields[-1] == {"name": "_deleted", "type": "Boolean"}
    path = tmp_path / manifest.parts[0].name
    if format == "parquet":
        rows = pq.read_table(path).to_pylist()
    elif format == "csv":
        truth = {"true": True, "false": False}
        read = csv.DictReader(StringIO(path.read_bytes().decode(), newline=""))
        rows = [{name: truth.get(value, value) or None for name, value in row.items()} for row in read]
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert not rows[0]["_deleted"]
    assert rows[0]["Notes"] == HARD["Notes"]
    assert rows[1] == dict.fromkeys(HARD) | {"ID": "gone", "_deleted": True}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_empty_result_is_one_valid_file(tmp_path, format, compression):
    [path] = write(tmp_path, [], format=format, compression=compression)
    if format == "parquet":
        assert pq.read_table(path).num_rows == 0
    else:
        header = ",".join(column.name for column in FULL.columns) + "\r\n"
        assert unpacked(path) == (header if format == "csv" else "")


@pytest.mark.parametrize("format", FORMATS)
def test_a_text_as_long_as_a_book_is_read_back(tmp_path, format):
    made = Files(tmp_path, format=format, run_id="r", identity="i")
    made.open(FULL, checkpoint(0))
    rows = rows_for(made, [record("a", 1, Notes="é" * 300_000), record("a", 2, Notes="short"), record("b", 3)])
    made.write(rows, checkpoint(1))
    told = made.finish(checkpoint(1))
    assert told["rows"] == 2
    assert told["bytes"] < 30_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"format": "xml"}, "format: expected one of jsonl, csv, parquet, not 'xml'"),
        ({"compression": "bzip2"}, "compression: expected None, 'gzip' or 'zstd', not 'bzip2'"),
        ({"compression": "bzip2", "format": "parquet"}, "compression: expected None, 'gzip' or 'zstd', not 'bzip2'"),
        ({"rows_per_file": 0}, "rows_per_file: expected a whole number above 0, not 0"),
    ],
)
def test_what_can_not_be_written_is_refused(tmp_path, arguments, words):
    with pytest.raises(ExactRequestError, match=words):
        Files(tmp_path, run_id="r", identity="i", **arguments)


@pytest.mark.system
@pytest.mark.parametrize(
    ("package", "arguments", "words"),
    [
        ("pyarrow", "format='parquet'", r"format='parquet' needs pyarrow.*'airflow-provider-exact\[parquet\]'"),
        ("zstandard", "compression='zstd'", r"compression='zstd' needs zstandard.*'airflow-provider-exact\[zstd\]'"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, arguments, words):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pathlib import Path\n"
        "from airflow_provider_exact.extract.files import Files\n"
        f"Files(Path('x'), run_id='r', identity='i')\n"
        "assert not {'pyarrow', 'zstandard', 'airflow'} & {n for n, found in sys.modules.items() if found}\n"
        f"Files(Path('x'), run_id='r', identity='i', {arguments})\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(rf"ExactRequestError: {words}", ended.stderr)


def test_parquet_with_zstd_needs_nothing_but_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    [path] = write(tmp_path, [HARD], format="parquet", compression="zstd")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_same_rows_are_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, [HARD], compression="gzip")[0] for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert gzip.GzipFile(fileobj=BytesIO(first.read_bytes())).read().count(b"\n") == 1
