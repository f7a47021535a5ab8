"""Extractions into folders: what is there when they end, break off, are killed, and go on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.manifest import check_parts, read_manifest
from tests.extract import killed
from tests.extract.records import COLUMNS, a_plan, checkpoint, record, rows_for

# Airflow 3.1 brings this about itself when a path is joined.
pytestmark = pytest.mark.filterwarnings("ignore:in a future version of UPath:PendingDeprecationWarning")


@pytest.fixture(params=["disk", "file", "memory"])
def folder(request, tmp_path):
    """Return a folder: a path, and Airflow's paths for a disk and for what stands for an object store."""
    if request.param == "disk":
        return tmp_path / "hours"
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    url = f"file://{tmp_path}/hours" if request.param == "file" else f"memory://bucket{tmp_path}/hours"
    return ObjectStoragePath(url)


class Kept:
    """A store of progress elsewhere, which takes plain JSON only."""

    text = "null"

    def get(self):
        return json.loads(self.text)

    def set(self, value):
        self.text = json.dumps(value)

    def delete(self):
        self.text = "null"


def files(folder, **more):
    return Files(folder, **({"run_id": "run 1", "identity": "dag.task", "rows_per_file": 3} | more))


def begin(folder, plan=None, **more):
    """Open a new extraction."""
    made = files(folder, **more)
    plan = plan or a_plan()
    assert made.unfinished(plan) is None
    made.open(plan, checkpoint(0))
    return made


def go_on(folder, plan=None, **more):
    """Open the extraction that another process left; return it with where it goes on."""
    made = files(folder, **more)
    plan = plan or a_plan()
    kept = made.unfinished(plan)
    made.open(plan, kept)
    return made, kept


def add(made, at, *records, plan=None):
    made.write(rows_for(made, records, plan), checkpoint(at))


def names(folder):
    """Return the paths of all files and folders below this one."""
    if not folder.exists():
        return []
    below = list(folder.iterdir())
    return sorted(path.name for path in below) + [name for path in below if path.is_dir() for name in names(path)]


def read(path):
    with path.open("rb") as file:
        if path.name.endswith(".parquet"):
            return pq.read_table(file).to_pylist()
        return [json.loads(line) for line in file.read().splitlines()]


def found(folder):
    """Return all rows by what the manifest lists: (ID, Timestamp, deleted); nothing else is in the folder."""
    manifest = read_manifest(folder)
    check_parts(folder, manifest)
    assert names(folder) == sorted([*(part.name for part in manifest.parts), "_manifest.json"])
    rows = [row for part in manifest.parts for row in read(folder / part.name)]
    assert manifest.rows == sum(not row.get("_deleted") for row in rows)
    assert manifest.deletions == sum(bool(row.get("_deleted")) for row in rows)
    assert [part.rows + part.deletions for part in manifest.parts] == [
        len(read(folder / p.name)) for p in manifest.parts
    ]
    return sorted((row["ID"], row["Timestamp"], row.get("_deleted")) for row in rows)


def test_files_appear_when_all_is_there(folder):
    made = begin(folder)
    add(made, 1, record("a", 1), record("b", 2))
    add(made, 2, record("c", 3), record("d", 4))
    add(made, 3, record("e", 5))
    assert [path.name for path in folder.iterdir()] == ["_unfinished"]
    told = made.finish(checkpoint(3))
    first, second, manifest = names(folder)
    assert (first[16:], second[16:], manifest) == ("-00001.jsonl", "-00002.jsonl", "_manifest.json")
    assert told == {
        "manifest": str(folder / "_manifest.json"),
        "rows": 5,
        "deletions": 0,
        "parts": 2,
        "bytes": sum((folder / name).stat().st_size for name in (first, second)),
    }
    assert found(folder) == [(name, number, False) for number, name in enumerate("abcde", start=1)]


def test_the_manifest_tells_what_was_read(tmp_path):
    made = begin(tmp_path, about=lambda: {"calls": 7}, clock=lambda: 1_795_272_600.5)
    add(made, 1, record("a", 1))
    started = checkpoint(5).reached
    made.finish(checkpoint(9, started=started, reload="the division was moved"))
    told = read_manifest(tmp_path)
    assert (told.endpoint, told.source, told.division) == ("sync/Project/TimeCostTransactions",) * 2 + (1,)
    assert (told.mode, told.reload, told.format, told.compression) == (
        *("incremental", "the division was moved"),
        *("jsonl", None),
    )
    assert (told.run_id, told.identity, told.key, told.calls, told.pages) == ("run 1", "dag.task", ("ID",), 7, 9)
    assert (told.started, told.cursor) == (started, checkpoint(9).reached)
    assert told.written_at == "2026-11-21T14:50:00Z"
    assert [part.name for part in told.parts] == ["20261121T145000Z-00001.jsonl"]
    assert told.fields == (
        *({"name": c.name, "type": c.type} for c in COLUMNS),
        {"name": "_deleted", "type": "Boolean"},
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_interrupted_extraction_goes_on_where_it_was(folder, elsewhere):
    store = Kept() if elsewhere else None
    made = begin(folder, progress=store)
    add(made, 1, record("a", 1))
    made.interrupt()
    made.interrupt()
    made, kept = go_on(folder, progress=store)
    assert kept == checkpoint(1)
    add(made, 2, record("b", 2))
    made.finish(checkpoint(2))
    made.interrupt()
    assert found(folder) == [("a", 1, False), ("b", 2, False)]
    assert files(folder, progress=store).unfinished(a_plan()) is None


def test_pages_without_rows_are_not_read_again_either(folder):
    made = begin(folder)
    add(made, 1)
    add(made, 2)
    made.interrupt()
    made, kept = go_on(folder)
    assert kept == checkpoint(2)


def test_what_was_not_a_whole_file_is_dropped_with_the_process(folder):
    hangs = begin(folder)
    add(hangs, 1, record("a", 1), record("b", 2), record("c", 3))
    add(hangs, 2, record("d", 4))
    made, kept = go_on(folder)
    assert kept == checkpoint(1)
    add(made, 2, record("d", 4))
    made.finish(checkpoint(2))
    assert found(folder) == [(name, number, False) for number, name in enumerate("abcd", start=1)]
    hangs.interrupt()
    assert files(folder).unfinished(a_plan()) is None


def test_a_page_that_did_not_get_in_as_a_whole_is_not_kept(tmp_path):
    made = begin(tmp_path)
    add(made, 1, record("a", 1), record("b", 2), record("c", 3))
    add(made, 2, record("d", 4))
    rows = rows_for(made, [record("e", 5)])
    rows[0].f7 = object()
    with pytest.raises(TypeError):
        made.write(rows, checkpoint(3))
    made.interrupt()
    made, kept = go_on(tmp_path)
    assert kept == checkpoint(1)
    made.finish(checkpoint(1))
    assert found(tmp_path) == [(name, number, False) for number, name in enumerate("abc", start=1)]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_of_rows_with_one_key_the_newest_is_left_and_a_deletion_before_all(folder, format):
    made, before = begin(folder, format=format), checkpoint(0).reached
    add(made, 1, record("a", 1), record("b", 2), record("a", 9), record("a", 3))
    made.delete([("b",), ("z",)], checkpoint(2, started=before))
    made.interrupt()
    made, _ = go_on(folder, format=format)
    add(made, 3, record("a", 10), record("b", 11), record("c", 12))
    made.delete([("z",)], checkpoint(4, started=before))
    told = made.finish(checkpoint(4, started=before))
    assert found(folder) == [("a", 10, False), ("b", None, True), ("c", 12, False), ("z", None, True)]
    assert (told["rows"], told["deletions"]) == (2, 2)


def test_a_copy_that_begins_anew_has_no_deletions_of_what_it_never_had(tmp_path):
    made = begin(tmp_path)
    add(made, 1, record("a", 1), record("b", 2))
    made.interrupt()
    made, _ = go_on(tmp_path)
    add(made, 2, record("c", 3))
    made.delete([("b",), ("c",), ("z",)], checkpoint(3))
    made.finish(checkpoint(3))
    assert found(tmp_path) == [("a", 1, False), ("b", None, True), ("c", None, True)]


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(
    ("key", "by", "newest"),
    [(("ID",), "Date", "/Date(1500)/"), (("ID", "Number"), "Date", "/Date(1500)/"), (("Anything",), "Timestamp", None)],
)
def test_every_format_tells_the_newest(tmp_path, format, key, by, newest):
    plan = a_plan(key=key, by=by, mode="full")
    made = begin(tmp_path, plan, format=format)
    old = record("a", 1, Number=5, Date="/Date(1000)/", Anything=7)
    add(made, 1, old | {"Timestamp": "2", "Date": newest, "Notes": "newest"}, plan=plan)
    made.interrupt()
    made, _ = go_on(tmp_path, plan, format=format)
    add(made, 2, old, plan=plan)
    assert made.finish(checkpoint(2))["rows"] == 1
    [part] = read_manifest(tmp_path).parts
    assert b"newest" in (tmp_path / part.name).read_bytes()


def test_of_equally_new_rows_the_last_is_left(tmp_path):
    made = begin(tmp_path)
    add(made, 1, record("a", 1, Notes="first"), record("a", 1, Notes="second"))
    made.finish(checkpoint(1))
    [part] = read_manifest(tmp_path).parts
    assert [row["Notes"] for row in read(tmp_path / part.name)] == ["second"]


def test_records_without_a_key_are_all_kept(tmp_path):
    made = begin(tmp_path)
    add(made, 1, {"Timestamp": "1"}, {"Timestamp": "2"}, record("a", 3), record("a", 4))
    assert made.finish(checkpoint(1))["rows"] == 3
    plan = a_plan(key=(), by=None, mode="full")
    made = begin(tmp_path / "2", plan)
    add(made, 1, record("a", 1), record("a", 1), plan=plan)
    assert made.finish(checkpoint(1))["rows"] == 2


def test_a_full_run_replaces_the_files_of_the_one_before(folder):
    full = a_plan(mode="full")
    used = set()
    for run, name in (("run 1", "a"), ("run 2", "b")):
        made = files(folder, run_id=run, clock=lambda: 1e9)
        assert made.check_folder(full) is None
        made.open(full, checkpoint(0))
        add(made, 1, record(name, 1))
        add(made, 2, record(f"{name}{name}", 2))
        made.finish(checkpoint(2))
        assert found(folder) == [(name, 1, None), (f"{name}{name}", 2, None)]
        # Whoever reads what the old manifest lists never finds something else under its names.
        assert not used & {*names(folder)} - {"_manifest.json"}
        used |= {*names(folder)}


def test_a_run_that_is_cleared_replaces_what_it_wrote(folder):
    made = begin(folder)
    add(made, 1, record("a", 1))
    made.finish(checkpoint(1, started=checkpoint(0).reached))
    again = files(folder)
    assert again.check_folder(a_plan()).started == checkpoint(0).reached
    assert again.unfinished(a_plan()) is None
    again.open(a_plan(), checkpoint(0))
    add(again, 1, record("b", 2))
    again.finish(checkpoint(1))
    assert found(folder) == [("b", 2, False)]


def test_a_folder_of_something_else_is_refused(folder):
    begin(folder).finish(checkpoint(1))
    full, other = a_plan(mode="full"), catalogue.resolve("project/Projects")
    refused = [
        (
            files(folder, run_id="run 2"),
            a_plan(),
            "'run 1', which an incremental run does not replace.*{run}",
        ),
        (files(folder, identity="dag.other"), full, "written by dag.task"),
        (files(folder), replace(full, division=2), "of division 1, .*with the division's number in 'path'"),
        (files(folder), replace(full, endpoint=other), "holds sync/Project/TimeCostTransactions"),
    ]
    for made, plan, words in refused:
        with pytest.raises(ExactRequestError, match=rf"^path: .*{words}"):
            made.check_folder(plan)
    assert files(folder, run_id="run 2").check_folder(full) is None


def test_a_folder_may_get_another_map_index_in_another_run_but_not_within_one(folder):
    full = a_plan(mode="full")
    begin(folder, full, identity="dag.task[0]").finish(checkpoint(1))
    second = files(folder, identity="dag.task[1]")
    with pytest.raises(ExactRequestError, match=r"^path: .*what dag.task\[0\] wrote in this same run"):
        second.check_folder(full)
    begin(folder, full, identity="dag.task[1]", run_id="run 2").finish(checkpoint(1))
    assert read_manifest(folder).run_id == "run 2"
    with pytest.raises(ExactRequestError, match=r"written by dag.task\[1\]"):
        files(folder, identity="dag.task2[1]", run_id="run 3").check_folder(full)


def test_a_folder_that_was_taken_meanwhile_is_not_written_over(folder):
    made = begin(folder, identity="dag.second")
    add(made, 1, record("a", 1))
    first = begin(folder)
    add(first, 1, record("b", 2))
    first.finish(checkpoint(1))
    with pytest.raises(ExactRequestError, match=r"^path: .*written by dag.task"):
        made.finish(checkpoint(1))
    made.interrupt()
    # It need not be read again once the folder is free.
    assert files(folder, identity="dag.second").unfinished(a_plan()).phase == "done"
    assert [row["ID"] for part in read_manifest(folder).parts for row in read(folder / part.name)] == ["b"]


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ({"run_id": "run 2"}, {}),
        ({"format": "csv"}, {}),
        ({"compression": "gzip"}, {}),
        ({}, {"mode": "full"}),
        ({}, {"filter": "Timestamp gt 5L"}),
        ({}, {"only": (("Type", 1),)}),
        ({}, {"columns": COLUMNS[:-1]}),
        ({}, {"columns": (*COLUMNS[:-1], replace(COLUMNS[-1], type="String"))}),
    ],
)
def test_what_another_extraction_left_is_removed(tmp_path, more, changes):
    made = begin(tmp_path)
    add(made, 1, record("a", 1))
    made.interrupt()
    plan = a_plan(**changes)
    made = begin(tmp_path, plan, **more)
    assert len(list(tmp_path.rglob("*.jsonl"))) == 0
    add(made, 1, record("b", 2), plan=plan)
    assert made.finish(checkpoint(1))["rows"] == 1


def test_two_tasks_leave_each_other_s_unfinished_files_alone(folder):
    first, second = begin(folder, identity="dag.task 0"), begin(folder, identity="dag.task 1")
    add(first, 1, record("a", 1))
    add(second, 1, record("b", 2))
    first.interrupt()
    second.interrupt()
    _, kept = go_on(folder, identity="dag.task 0")
    assert kept == checkpoint(1)
    assert go_on(folder, identity="dag.task 1")[1] == checkpoint(1)


def test_starting_anew_drops_what_was_there(folder):
    made = begin(folder)
    add(made, 1, record("a", 1), record("b", 2), record("c", 3))
    add(made, 2, record("d", 4))
    made.open(a_plan(), checkpoint(0, reload="moved"))
    add(made, 1, record("e", 5))
    made.finish(checkpoint(1))
    assert found(folder) == [("e", 5, False)]


def test_a_damaged_or_missing_remainder_starts_anew(tmp_path):
    made = begin(tmp_path)
    add(made, 1, record("a", 1))
    made.interrupt()
    [part] = tmp_path.rglob("*.jsonl")
    [progress] = tmp_path.rglob("progress.json")
    kept = progress.read_bytes()
    for damaged in (kept[:-9], b"[]", b'{"version": 9}', kept.replace(b"records", b"elsewhere")):
        progress.write_bytes(damaged)
        assert files(tmp_path).unfinished(a_plan()) is None
    progress.write_bytes(kept)
    assert files(tmp_path).unfinished(a_plan()) == checkpoint(1)
    part.write_bytes(part.read_bytes()[:-1])
    assert files(tmp_path).unfinished(a_plan()) is None
    begin(tmp_path).finish(checkpoint(0))
    assert found(tmp_path) == []


def failing():
    raise RuntimeError("no")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_end_that_broke_off_while_names_were_given_is_brought_to_its_end(folder, elsewhere):
    store = Kept() if elsewhere else None
    made = begin(folder, about=failing, progress=store)
    add(made, 1, record("a", 1), record("b", 2), record("c", 3))
    add(made, 2, record("a", 4))
    with pytest.raises(RuntimeError):
        made.finish(checkpoint(2))
    made.interrupt()
    # An object store copies first and deletes then.
    with next(path for path in folder.iterdir() if "-00001" in path.name).open("rb") as file:
        copy = file.read()
    [unfinished] = (folder / "_unfinished").iterdir()
    [progress] = [path for path in unfinished.iterdir() if path.name == "progress.json"]
    with progress.open("rb") as file:
        name = json.loads(file.read())["parts"][0]["name"]
    with (unfinished / name).open("wb") as file:
        file.write(copy)
    made, kept = go_on(folder, progress=store)
    assert kept.phase == "done"
    with pytest.raises(ValueError, match="everything was read"):
        add(made, 3, record("x", 1))
    made.finish(kept)
    assert found(folder) == [("a", 4, False), ("b", 2, False), ("c", 3, False)]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_broken_end_left_is_removed_by_the_next_run(folder, elsewhere):
    def run(number, name, **more):
        progress = Kept() if elsewhere else None
        made = begin(folder, full, run_id=f"run {number}", progress=progress, clock=lambda: 1e9 + number, **more)
        add(made, 1, record(name, number))
        made.finish(checkpoint(1))

    full = a_plan(mode="full")
    run(1, "a")
    with pytest.raises(RuntimeError):
        run(2, "b", about=failing)
    assert found_parts(folder) == 2
    run(3, "c")
    assert found(folder) == [("c", 3, None)]


def test_files_that_the_manifest_lists_stay_until_there_are_others(tmp_path):
    kept = []

    class Recalling(Kept):
        def set(self, value):
            kept.append(value)

    full = a_plan(mode="full")
    made = begin(tmp_path, full, progress=Recalling())
    add(made, 1, record("a", 1))
    made.finish(checkpoint(1))
    # As if it had been killed behind the manifest.
    begin(tmp_path, full)
    [unfinished] = (tmp_path / "_unfinished").iterdir()
    (unfinished / "progress.json").write_text(json.dumps(kept[-1]))
    made = files(tmp_path, run_id="run 2")
    made.open(full, checkpoint(0))
    check_parts(tmp_path, read_manifest(tmp_path))
    made.finish(checkpoint(0))
    assert found(tmp_path) == []


def found_parts(folder):
    return sum(path.name.endswith(".jsonl") for path in folder.iterdir())


def test_a_file_that_somebody_removed_fails_with_the_way_out(tmp_path):
    made = begin(tmp_path)
    add(made, 1, record("a", 1), record("b", 2), record("c", 3))
    begin(tmp_path, run_id="run 2")
    with pytest.raises(ExactError, match=r"is gone: .*max_active_runs=1"):
        made.finish(checkpoint(1))


def test_a_path_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(ExactRequestError, match="path: .* can't be a folder"):
        files(path).check_folder(a_plan())


@pytest.mark.parametrize("content", ["", "[]", "{", '{"version": 2}', '{"version": 1, "endpoint": 5}'])
def test_a_manifest_of_somebody_else_is_refused(tmp_path, content):
    (tmp_path / "_manifest.json").write_text(content)
    with pytest.raises(ExactRequestError, match=r"^path: .*_manifest.json"):
        files(tmp_path).check_folder(a_plan())


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_manifest_is_checked_against_its_files(tmp_path, damage):
    made = begin(tmp_path)
    add(made, 1, record("a", 1))
    made.finish(checkpoint(1))
    manifest = read_manifest(tmp_path)
    path = tmp_path / manifest.parts[0].name
    path.unlink() if damage == "missing" else path.write_bytes(b"{")
    with pytest.raises(ExactRequestError, match=r"00001.jsonl (is missing|has 1 bytes); _manifest.json says \d+ bytes"):
        check_parts(tmp_path, manifest)


@pytest.mark.system
@pytest.mark.parametrize(("format", "mode"), [("jsonl", "incremental"), ("jsonl", "full"), ("parquet", "incremental")])
def test_whenever_a_process_is_killed_the_last_try_ends_with_the_right_rows(tmp_path, format, mode):
    command = [sys.executable, "-m", "tests.extract.killed", str(tmp_path), format, mode]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    touches = int(ended.stdout)
    assert touches > 30
    rows = {name: (timestamp, False if mode == "incremental" else None) for name, timestamp in killed.EXPECTED.items()}
    if mode == "incremental":
        # The other deletion is of a record that was never there.
        rows |= {"d": (None, True)}
    expected = sorted((name, *values) for name, values in rows.items())
    for number in range(1, touches + 1):
        assert found(tmp_path / str(number)) == expected, number
