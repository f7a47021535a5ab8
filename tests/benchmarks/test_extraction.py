"""The benchmark of extractions: all of its contestants get the same rows, and its figures are what they say."""

from __future__ import annotations

import importlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from benchmarks.extraction import report
from benchmarks.extraction.contestants import CONTESTANTS, Task
from benchmarks.extraction.measure import measure, memory_of_imports
from benchmarks.extraction.scenarios import PLAIN, SYNC, Scenario, compare, known_contestants, seen_by, server

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux does"),
]


def records_of(url, scenario):
    """Read the server's pages one by one, over one connection."""
    found, next_url = [], Task(url, scenario.path, scenario.fields, Path()).url
    with requests.Session() as session:
        while next_url:
            page = session.get(next_url, timeout=60).json()["d"]
            found += page["results"]
            next_url = page.get("__next")
    return found


def typed(name, value):
    """Return what a value in Exact's JSON means."""
    if name == "Timestamp":
        return int(value)
    if isinstance(value, str) and value.startswith("/Date("):
        return datetime.fromtimestamp(int(value[6:-2]) / 1000, UTC)
    return value


@pytest.mark.parametrize("scenario", [Scenario(SYNC, 2_300), Scenario(PLAIN, 150)], ids=str)
def test_every_contestant_gets_all_rows_in_as_many_calls(scenario, tmp_path):
    names = known_contestants()
    assert {"this provider, JSONL", "this provider, Parquet", "without JSON"} <= set(names)
    results = compare(scenario, names, 1, tmp_path)
    # This provider asks when the division was moved, which resets the row versions of sync endpoints.
    more = {name for name in names if name.startswith("this provider") and scenario.path == SYNC}
    assert {name: result.calls for name, result in results.items()} == {name: 3 + (name in more) for name in names}
    for result in results.values():
        assert 0 < result.first <= result.wall
        assert result.cpu > 0
        assert 0 < result.imported <= result.peak
    shown = report.table(scenario, results)
    assert all(f"| {name} |" in shown for name in names)


def test_the_providers_rows_are_the_servers(tmp_path):
    scenario = Scenario(SYNC, 2_300)
    folder, home = tmp_path / "rows", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    with server(scenario) as url:
        measure("this provider, JSONL", Task(url, scenario.path, scenario.fields, folder), home)
        records = records_of(url, scenario)
    (file,) = folder.glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    dates = [name for name, value in records[0].items() if isinstance(typed(name, value), datetime)]
    assert {"Date", "Created", "Modified"} <= set(dates)
    for row in rows:
        row.update({name: datetime.fromisoformat(row[name]) for name in dates if row[name] is not None})
    for record in records:
        del record["__metadata"]
    assert rows == [{name: typed(name, value) for name, value in record.items()} for record in records]
    assert len({row["ID"] for row in rows}) == 2_300


def test_an_answer_is_as_late_as_it_is_asked_to_be():
    scenario = Scenario(PLAIN, 120, delay=0.05)
    with server(scenario) as url:
        started = time.monotonic()
        assert len(records_of(url, scenario)) == 120
        not_late = time.monotonic() - started - 2 * scenario.delay
        assert not_late >= 0
        seen = seen_by(url)
        assert seen.calls == {PLAIN: 2}
        assert 0 < seen.waited <= not_late
        assert seen_by(url).calls == {}


def test_a_contestant_that_loses_rows_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Scenario, "page_size", 60)
    monkeypatch.setattr("benchmarks.extraction.scenarios.count_rows", lambda folder: 119)
    with pytest.raises(RuntimeError, match="without JSON has 119 rows"):
        compare(Scenario(PLAIN, 120), ["without JSON"], 1, tmp_path)


def test_an_import_has_its_memory(tmp_path):
    little, more = memory_of_imports((), tmp_path), memory_of_imports(("http.server", "decimal", "email"), tmp_path)
    assert 0 < little < more


def test_who_needs_what_is_not_installed_does_not_take_part():
    known = known_contestants()
    for name, (needs, _) in CONTESTANTS.items():
        for package in needs:
            try:
                importlib.import_module(package)
            except ModuleNotFoundError:
                assert name not in known
