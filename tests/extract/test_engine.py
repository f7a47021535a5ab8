"""The engine against the emulator: a copy in memory equals the truth, whatever happened in between."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from airflow_provider_exact.client.errors import ExactRateLimitError, ExactTransportError
from airflow_provider_exact.client.rows import iso_texts
from airflow_provider_exact.extract.destination import ExactTakenOverError
from airflow_provider_exact.extract.engine import Extraction
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.manifest import read_manifest
from airflow_provider_exact.extract.sources import make_plan
from airflow_provider_exact.extract.sql_table import Table

HOURS = "project/TimeTransactions"
SYNC = "sync/Project/TimeCostTransactions"
DAY = 86400
LOG = logging.getLogger("tests.extract")


class Copy:
    """Holds what was extracted, by key; what follows the last safe checkpoint is lost when a try is interrupted."""

    moments = staticmethod(iso_texts)

    def __init__(self, pages_per_part=1):
        self.rows = {}
        self.kept = None
        self.pages_per_part = pages_per_part
        self.handed = []
        self.pages = 0

    def unfinished(self, plan):
        return self.kept

    def open(self, plan, checkpoint):
        self.plan = plan
        self.names = [column.name for column in plan.columns]
        self.waiting = []
        if checkpoint.pages == 0 and checkpoint.started is None:
            self.rows = {}

    def write(self, rows, checkpoint):
        self.pages += 1
        for row in rows:
            record = {name: getattr(row, f"f{number}") for number, name in enumerate(self.names)}
            self.handed.append(record)
            self.waiting.append((tuple(record[name] for name in self.plan.key), record))
        self._safe(checkpoint)

    def delete(self, keys, checkpoint):
        self.pages += 1
        self.waiting += [(key, None) for key in keys]
        self._safe(checkpoint)

    def _safe(self, checkpoint):
        if self.pages % self.pages_per_part == 0:
            self._apply()
            self.kept = checkpoint

    def _apply(self):
        for key, record in self.waiting:
            if record is None:
                self.rows.pop(key, None)
            elif key not in self.rows or self.plan.by is None or record[self.plan.by] >= self.rows[key][self.plan.by]:
                self.rows[key] = record
        self.waiting = []

    def finish(self, checkpoint):
        self._apply()
        self.kept = None
        return {"rows": len(self.rows)}

    def interrupt(self):
        self.waiting = []


@pytest.fixture
def client(exact):
    return exact.client()


def extract(client, copy, cursor=None, endpoint=SYNC, **options):
    options = {"mode": "incremental", "select": "ID,Notes,Quantity", **options}
    plan = make_plan(endpoint, division=client.division, **options)
    return Extraction(client, plan, copy, cursor, LOG).run()


def truth(client, endpoint, select="ID,Notes,Quantity"):
    return {row["ID"]: row["Notes"] for row in client.list_records(endpoint, select=select)}


def content(copy):
    return {row["ID"]: row["Notes"] for row in copy.rows.values()}


def some_changes(client, times):
    """Create, update and delete hours; return the keys of what was deleted."""
    rows = list(client.list_records(HOURS, filter={"HourStatus": 1}, select="ID,Item,Project", top=3 * times))
    assert len(rows) == 3 * times
    for number, row in enumerate(rows[:times]):
        client.update_record(HOURS, row["ID"], {"Notes": f"changed {number}"})
        data = {"Item": row["Item"], "Project": row["Project"], "Quantity": 2, "Date": date(2026, 11, 2)}
        client.create_record(HOURS, {**data, "Notes": f"new {number}"})
    for row in rows[times : 2 * times]:
        client.delete_record(HOURS, row["ID"])
    return {row["ID"] for row in rows[times : 2 * times]}


def test_the_first_run_reads_everything_and_the_next_ones_what_changed(exact, client):
    copy = Copy()
    first = extract(client, copy)
    assert content(copy) == truth(client, SYNC)
    deleted = some_changes(client, 3)
    copy.handed = []
    second = extract(client, copy, first.cursor)
    assert len(copy.handed) == 6
    assert second.checkpoint.deletions == len(deleted) == 3
    assert content(copy) == truth(client, SYNC)
    third = extract(client, copy, second.cursor)
    assert (third.checkpoint.rows, third.checkpoint.deletions) == (0, 0)


def test_nothing_changed_costs_one_call_for_records_and_one_for_deletions(exact, client):
    cursor = extract(client, Copy()).cursor
    before = exact.emulator.count()
    extract(client, Copy(), cursor)
    assert exact.emulator.count() - before == 2


def test_whoever_ignores_deletions_pays_one_call_when_nothing_changed(exact, client):
    cursor = extract(client, Copy(), deletions=False).cursor
    before = exact.emulator.count()
    extract(client, Copy(), cursor, deletions=False)
    assert exact.emulator.count() - before == 1


def test_of_a_mixed_sync_endpoint_only_what_was_asked_for_is_read(client):
    copy = Copy()
    outcome = extract(client, copy, endpoint=HOURS)
    assert outcome.plan.source.path == SYNC
    assert content(copy) == truth(client, HOURS)


def test_replaced_versions_in_the_same_answer_do_not_win(exact, client):
    exact.emulator.settings(sync_duplicates=True)
    first = extract(client, copy := Copy())
    some_changes(client, 5)
    extract(client, copy, first.cursor)
    assert content(copy) == truth(client, HOURS) | {
        row["ID"]: row["Notes"] for row in client.list_records("project/CostTransactions", select="ID,Notes")
    }


def test_a_moved_division_is_read_again_and_said_loudly(exact, client, caplog):
    first = extract(client, copy := Copy())
    some_changes(client, 2)
    exact.emulator.move_division(client.division)
    with caplog.at_level("WARNING"):
        second = extract(client, copy, first.cursor)
    assert content(copy) == truth(client, SYNC)
    assert "Everything is read again: Exact moved division" in caplog.text
    assert "moved" in second.checkpoint.reload
    assert second.cursor.timestamp < first.cursor.timestamp
    assert extract(client, copy, second.cursor).checkpoint.rows == 0


def test_the_last_record_deleted_is_no_move(exact, client):
    first = extract(client, copy := Copy())
    row = next(client.list_records(HOURS, filter={"HourStatus": 1}, select="ID", top=1))
    client.update_record(HOURS, row["ID"], {"Notes": "the newest"})
    second = extract(client, copy, first.cursor)
    client.delete_record(HOURS, row["ID"])
    third = extract(client, copy, second.cursor)
    assert third.checkpoint.reload is None
    assert content(copy) == truth(client, SYNC)


def test_after_a_pause_longer_than_the_log_of_deletions_everything_is_read_again(exact, client):
    first = extract(client, copy := Copy())
    deleted = some_changes(client, 2)
    exact.advance(63 * DAY)
    client = exact.client()
    second = extract(client, copy, first.cursor)
    assert "63 days ago" in second.checkpoint.reload
    assert content(copy) == truth(client, SYNC)
    assert not deleted & {key for (key,) in copy.rows}


def test_a_pause_that_is_not_so_long_is_none(exact, client):
    first = extract(client, copy := Copy())
    some_changes(client, 2)
    exact.advance(57 * DAY)
    client = exact.client()
    assert extract(client, copy, first.cursor).checkpoint.reload is None
    assert content(copy) == truth(client, SYNC)


@pytest.mark.parametrize(("months", "reload"), [(1, False), (3, True)])
def test_deletions_that_were_ignored_are_made_up_for_as_long_as_they_are_told(exact, client, months, reload):
    cursor = extract(client, copy := Copy(), deletions=False).cursor
    some_changes(client, 2)
    for _ in range(months):
        exact.advance(30 * DAY)
        client = exact.client()
        cursor = extract(client, copy, cursor, deletions=False).cursor
    outcome = extract(client, copy, cursor)
    assert content(copy) == truth(client, SYNC)
    assert (outcome.checkpoint.reload is not None) == reload
    assert extract(client, copy, outcome.cursor).cursor.ignored_since is None


def test_another_field_or_filter_is_another_copy(client):
    first = extract(client, Copy())
    assert "Hours" not in first.cursor.fields
    second = extract(client, copy := Copy(), first.cursor, select="ID,Notes,Quantity,Employee")
    assert second.checkpoint.reload == "the last run did not read Employee"
    assert content(copy) == truth(client, SYNC)
    third = extract(client, Copy(), second.cursor, endpoint="project/TimeTransactions", prefer="plain")
    assert third.checkpoint.reload.startswith("the last run read sync/Project/TimeCostTransactions")
    fourth = extract(client, Copy(), third.cursor, endpoint=HOURS, prefer="plain", filter="Quantity gt 4")
    assert fourth.checkpoint.reload == "the filter is not the last run's"


def test_an_interrupted_run_goes_on_at_its_last_safe_page(exact, client):
    copy = Copy()
    exact.emulator.fault("day_limit", endpoint=SYNC, nth=3)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy)
    before = exact.emulator.count(endpoint=SYNC)
    assert copy.kept.pages == 2
    client = exact.client()
    extract(client, copy)
    pages = -(-len(copy.rows) // 1000)
    assert exact.emulator.count(endpoint=SYNC, status=200) == pages
    assert before == 3
    assert content(copy) == truth(client, SYNC)


def test_what_was_not_safe_is_read_again(exact, client):
    copy = Copy(pages_per_part=2)
    exact.emulator.fault("status", endpoint=SYNC, nth=4, times=4)
    with pytest.raises(ExactTransportError, match="503"):
        extract(client, copy)
    assert copy.kept.pages == 2
    extract(client, copy)
    assert content(copy) == truth(client, SYNC)


def test_records_that_change_between_two_tries_are_in_the_copy(exact, client):
    copy = Copy()
    exact.emulator.fault("day_limit", endpoint=SYNC, nth=3)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy)
    client = exact.client()
    some_changes(client, 4)
    outcome = extract(client, copy)
    assert content(copy) == truth(client, SYNC)
    assert extract(client, copy, outcome.cursor).checkpoint.rows == 0


@pytest.mark.parametrize("by_id", [False, True])
def test_no_change_is_lost_that_happens_while_a_list_is_read(exact, client, by_id):
    # In the order of their keys, a record can change when its page is over and others follow that changed later.
    exact.emulator.settings(sync_by_id=by_id)

    class Meanwhile(Copy):
        def write(self, rows, checkpoint):
            super().write(rows, checkpoint)
            if checkpoint.started is None and checkpoint.pages <= 2:
                for order in ("ID", "ID desc"):
                    changed = {"filter": {"HourStatus": 1}, "select": "ID", "order_by": order, "top": 20}
                    for row in list(client.list_records(HOURS, **changed)):
                        client.update_record(HOURS, row["ID"], {"Notes": f"changed beside page {checkpoint.pages}"})

    outcome = extract(client, copy := Meanwhile())
    again = extract(client, copy, outcome.cursor)
    assert again.checkpoint.reload is None
    assert content(copy) == truth(client, SYNC)


def test_deletions_in_any_order_are_all_seen(exact, client):
    exact.emulator.settings(sync_by_id=True)
    cursor = extract(client, copy := Copy()).cursor
    for _ in range(3):
        some_changes(client, 3)
        cursor = extract(client, copy, cursor).cursor
        assert content(copy) == truth(client, SYNC)


def test_a_link_that_serves_no_more_starts_the_list_anew(exact, client, caplog):
    copy = Copy()
    exact.emulator.fault("day_limit", endpoint=SYNC, nth=3)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy)
    exact.emulator.fault("status", endpoint=SYNC, status=400)
    client = exact.client()
    extract(client, copy)
    assert "starts anew" in caplog.text
    assert content(copy) == truth(client, SYNC)


def test_a_try_that_was_ousted_stops_and_leaves_the_place_to_the_other_one(exact, client, tmp_path):
    plan = make_plan(SYNC, division=client.division, select="ID,Notes", mode="incremental")

    class Ousted(Table):
        other = None

        def write(self, rows, checkpoint):
            if self.other is None:
                self.other = table()
                self.other.open(plan, self.unfinished(plan))
            super().write(rows, checkpoint)

    def table(kind=Table):
        return kind(sa.create_engine(f"sqlite:///{tmp_path}/copy.db"), "hours", run="one", batch_size=1)

    exact.emulator.fault("day_limit", endpoint=SYNC, nth=2)
    with pytest.raises(ExactRateLimitError):
        Extraction(client, plan, table(), None, LOG).run()
    client = exact.client()
    ousted = table(Ousted)
    with pytest.raises(ExactTakenOverError):
        Extraction(client, plan, ousted, None, LOG).run()
    ousted.other.finish(replace(ousted.unfinished(plan), phase="done"))


def test_without_a_sync_twin_changes_are_told_by_modified(exact, client, caplog):
    options = {"endpoint": HOURS, "prefer": "plain"}
    first = extract(client, copy := Copy(), **options)
    assert "records that are deleted at Exact stay in the copy" in caplog.text
    exact.advance(DAY)
    client = exact.client()
    deleted = some_changes(client, 3)
    copy.handed = []
    second = extract(client, copy, first.cursor, **options)
    assert len([row for row in copy.handed if row["Notes"] and row["Notes"].startswith(("new", "changed"))]) == 6
    assert content(copy).keys() - deleted == truth(client, HOURS).keys()
    copy.handed = []
    third = extract(client, copy, second.cursor, **options)
    # The overlap was read once more, and what it held was handed out before.
    assert client.usage.records > 6
    assert copy.handed == []
    assert third.cursor.modified >= second.cursor.modified > first.cursor.modified


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"filter": "Quantity gt 4"}, 1),
        ({}, 0),
        ({"filter": "Quantity gt 4", "mode": "full"}, 0),
        # It demands a filter, and gets one that every record meets.
        ({"endpoint": "logistics/Items", "select": "ID,StandardSalesPrice"}, 0),
    ],
)
def test_whoever_filters_is_told_once_that_records_stay_that_no_longer_meet_it(client, caplog, options, warned):
    extract(client, Copy(), **{"endpoint": HOURS, "prefer": "plain", **options})
    assert caplog.text.count("records that no longer meet the filter stay in the copy") == warned


def test_what_was_read_before_an_interruption_is_not_handed_out_by_the_next_run(exact, client):
    options = {"endpoint": HOURS, "prefer": "plain"}
    exact.emulator.fault("day_limit", endpoint=HOURS, nth=20)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy := Copy(), **options)
    client = exact.client()
    first = extract(client, copy, **options)
    copy.handed = []
    before = client.usage.records
    extract(client, copy, first.cursor, **options)
    assert client.usage.records > before
    assert copy.handed == []


def test_a_full_run_reads_everything_each_time(client):
    copy = Copy()
    for _ in range(2):
        outcome = extract(client, copy, mode="full", endpoint="crm/Accounts", select="ID,Name")
        assert outcome.plan.source.path == "sync/CRM/Accounts"
        assert len(copy.rows) == outcome.checkpoint.rows > 10
        assert outcome.checkpoint.deletions == 0


def test_an_empty_endpoint_is_an_empty_copy(client):
    nobody = {"endpoint": "crm/Opportunities", "filter": "Name eq 'nobody has it'", "select": "ID,Name"}
    outcome = extract(client, Copy(), mode="full", **nobody)
    assert outcome.told == {"rows": 0}
    assert outcome.checkpoint.pages == 1


@pytest.fixture(params=["files", "table"])
def destination(request, tmp_path):
    """Return a function that returns where a try of a run writes, and one that returns the keys that are there."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'hours.db'}")

    def of(run):
        if request.param == "table":
            return Table(engine, "hours", run=run, batch_size=1)
        return Files(tmp_path / "hours", run_id=run, identity="hours", rows_per_file=1000)

    def keys():
        if request.param == "table":
            with engine.connect() as connection:
                return sorted(connection.exec_driver_sql('SELECT "ID" FROM hours').scalars())
        folder = tmp_path / "hours"
        texts = [(folder / part.name).read_text() for part in read_manifest(folder).parts]
        return sorted(json.loads(line)["ID"] for text in texts for line in text.splitlines())

    yield of, keys
    engine.dispose()


@pytest.mark.parametrize("mode", ["incremental", "full"])
def test_a_division_moved_between_two_tries_is_read_again(exact, client, destination, mode, caplog):
    of, keys = destination
    if mode == "full":
        extract(client, of("one"), mode=mode)
    exact.emulator.fault("day_limit", endpoint=SYNC, nth=2)
    with pytest.raises(ExactRateLimitError):
        extract(client, of("two"), mode=mode)
    exact.emulator.move_division(client.division)
    client = exact.client()
    outcome = extract(client, of("two"), mode=mode)
    assert "moved" in outcome.checkpoint.reload
    assert "What was begun is dropped, and everything is read again: Exact moved division" in caplog.text
    assert keys() == sorted(truth(client, SYNC))


def test_a_division_moved_after_the_last_record_was_met_again_is_noticed(exact, client):
    first = extract(client, copy := Copy())
    some_changes(client, 2)
    exact.emulator.fault("day_limit", endpoint="sync/Deleted")
    with pytest.raises(ExactRateLimitError):
        extract(client, copy, first.cursor)
    assert copy.kept.is_anchored
    exact.emulator.move_division(client.division)
    client = exact.client()
    assert "moved" in extract(client, copy, first.cursor).checkpoint.reload
    assert content(copy) == truth(client, SYNC)


def test_what_goes_on_costs_one_call_more(exact, client):
    exact.emulator.fault("day_limit", endpoint=SYNC, nth=3)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy := Copy())
    before = exact.emulator.count(endpoint="system/Divisions")
    assert extract(exact.client(), copy).checkpoint.reload is None
    assert exact.emulator.count(endpoint="system/Divisions") - before == 1


@pytest.mark.parametrize("at", [SYNC, "sync/Deleted"])
def test_what_was_begun_longer_ago_than_deletions_are_told_is_read_again(exact, client, at):
    # In the order of their keys, the first pages have some that can be deleted.
    exact.emulator.settings(sync_by_id=True)
    copy, cursor = Copy(), None
    if at == "sync/Deleted":
        cursor = extract(client, copy).cursor
        some_changes(client, 3)
        exact.emulator.fault("day_limit", endpoint=at)
    else:
        exact.emulator.fault("day_limit", endpoint=at, nth=3)
    with pytest.raises(ExactRateLimitError):
        extract(client, copy, cursor)
    exact.advance(DAY)
    client = exact.client()
    hours = client.list_records(HOURS, filter={"HourStatus": 1}, select="ID")
    client.delete_record(HOURS, next(row["ID"] for row in hours if (row["ID"],) in copy.rows))
    exact.advance(63 * DAY)
    client = exact.client()
    assert "64 days ago" in extract(client, copy, cursor).checkpoint.reload
    assert content(copy) == truth(client, SYNC)


@pytest.mark.parametrize("destination", ["table"], indirect=True)
def test_an_incremental_run_by_modified_goes_on_after_a_full_one(exact, client, destination):
    of, keys = destination
    options = {"endpoint": HOURS, "prefer": "plain", "select": "ID,Notes,Modified"}
    full = extract(client, of("one"), mode="full", **options)
    # It may read its overlap again, and has no need of marks.
    assert full.cursor.recent == ()
    some_changes(client, 2)
    table = of("two")
    before = exact.emulator.count(endpoint=HOURS)
    second = extract(client, table, table.cursor(full.plan), **options)
    assert (second.checkpoint.reload, exact.emulator.count(endpoint=HOURS) - before) == (None, 1)
    assert truth(client, HOURS).keys() <= set(keys())


@pytest.mark.parametrize("destination", ["table"], indirect=True)
def test_an_incremental_run_goes_on_after_a_full_one_of_a_division_that_was_moved_before(exact, client, destination):
    of, _ = destination
    exact.emulator.move_division(client.division)
    client = exact.client()
    full = extract(client, of("one"), mode="full")
    row = next(client.list_records(HOURS, filter={"HourStatus": 1}, select="ID", top=1))
    # The record that it ended at is not met again.
    for notes in ("one", "two"):
        client.update_record(HOURS, row["ID"], {"Notes": notes})
        table = of(notes)
        assert extract(client, table, table.cursor(full.plan)).checkpoint.reload is None
