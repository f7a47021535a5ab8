"""Cursors on the command line: what a person sees, sets and resets is what the next run finds."""

from __future__ import annotations

import json

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_exact.cli.main import parser
from airflow_provider_exact.extract.cursor import Cursor, to_json
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.transfers.cursors import CursorStore, asset_key, variable_shelf
from airflow_provider_exact.transfers.shelves import has_asset_store

SITE = "exactonline://start.exactonline.nl"
ACCOUNTS = f"{SITE}/3100001/crm/Accounts"
BY_TIMESTAMP = Cursor(
    source="sync/CRM/Accounts", fields=("ID",), timestamp=500, anchor="a", deleted=40, moved="2025-01-01", read_at=1e9
)
BY_MODIFIED = Cursor(source="crm/Leads", fields=("ID",), modified=1_700_000_000_000, recent=tuple("abcdefgh"))


def store_of(task_id="accounts", asset=ACCOUNTS):
    shelf = variable_shelf("sync", task_id, asset)
    return CursorStore("sync", task_id, asset, [shelf], "s3://bucket/accounts", clock=lambda: 1_800_000_000)


@pytest.fixture
def cursors(server):
    """Keep three cursors as tasks do, in Variables."""
    kept = {
        "accounts": BY_TIMESTAMP,
        "accounts_too": BY_TIMESTAMP,
        "leads": BY_MODIFIED,
    }
    uris = {"leads": f"{SITE}/3100002/crm/Leads"}
    stores = {name: store_of(name, uris.get(name, ACCOUNTS)) for name in kept}
    for name, store in stores.items():
        store.set(kept[name])
    return stores


@pytest.fixture
def asset_store(server):
    """Return a function that moves a cursor to the state store of its asset, as a task does when it is active."""
    if not has_asset_store():
        pytest.skip("Airflow before 3.3 has no state stores")
    from airflow._shared.state import AssetScope
    from airflow.models.asset import AssetActive, AssetModel
    from airflow.state import get_state_backend
    from airflow.utils.session import create_session

    with create_session() as session:
        for model in (AssetActive, AssetModel):
            session.query(model).delete()
        asset = AssetModel(name=ACCOUNTS, uri=ACCOUNTS)
        session.add(asset)
        session.flush()
        session.add(AssetActive.for_asset(asset))
        scope = AssetScope(asset_id=asset.id)
    key = asset_key("sync", "accounts")
    backend = get_state_backend()

    class Store:
        def move(self, store):
            backend.set(scope, key, json.dumps(to_json(store.get())))
            store.delete()

        def get(self):
            text = backend.get(scope, key)
            return text and json.loads(text)

    return Store()


@pytest.fixture
def run(capsys):
    """Run a command and return what it prints."""

    def command(*words):
        capsys.readouterr()
        args = parser().parse_args(["cursor", *words])
        args.func(args)
        return capsys.readouterr().out

    return command


def rows(run, *words):
    out = run(*words, "--output", "json")
    # Airflow 3.1 writes its own log lines to standard output, too.
    return json.loads(out[min(out.index(mark) for mark in "[{" if f"\n{mark}" in f"\n{out}") :])


def test_the_list_shows_who_reads_what_and_where_it_goes_on(cursors, run):
    listed = rows(run, "list")
    assert [row["task"] for row in listed] == ["sync.accounts", "sync.accounts_too", "sync.leads"]
    assert listed[0] == {
        "task": "sync.accounts",
        "division": 3100001,
        "endpoint": "crm/Accounts",
        "site": "start.exactonline.nl",
        "goes_on_at": "Timestamp 500, deletions 40",
        "destination": "s3://bucket/accounts",
        "changed": "2027-01-15T08:00:00Z",
        "by": "task",
    }
    assert listed[2]["goes_on_at"] == "Modified 2023-11-14T22:13:20Z"
    assert [row["task"] for row in rows(run, "list", "3100002")] == ["sync.leads"]
    table = run("list")
    assert "goes_on_at" in table


def test_an_empty_list_says_when_there_will_be_one(server, run):
    assert "has succeeded for the first time" in run("list")
    assert rows(run, "list") == []


def test_one_cursor_is_shown_in_full(cursors, run):
    shown = rows(run, "show", "sync.leads")
    assert shown["cursor"] == to_json(BY_MODIFIED)
    assert shown["asset"] == f"{SITE}/3100002/crm/Leads"
    assert shown["kept_in"].startswith("Variable exact_online_cursor__sync.leads__")
    table = run("show", "sync.leads")
    assert "a, b, c, d, e, … (8 in all)" in table


@pytest.mark.parametrize(
    ("words", "task"),
    [
        (["sync.accounts"], "sync.accounts"),
        (["SYNC.accounts_"], "sync.accounts_too"),
        (["sync.l"], "sync.leads"),
        (["crm/leads"], "sync.leads"),
        (["sync", "3100002"], "sync.leads"),
    ],
)
def test_a_cursor_is_found_by_what_tells_it_from_others(cursors, run, words, task):
    assert rows(run, "show", *words)["task"] == task


def test_an_ambiguous_name_lists_those_that_match(cursors, run):
    with pytest.raises(SystemExit) as refused:
        run("reset", "sync.acc")
    assert str(refused.value).splitlines() == [
        "exact-online: 2 cursors match; say which:",
        "  sync.accounts 3100001 crm/Accounts",
        "  sync.accounts_too 3100001 crm/Accounts",
    ]


@pytest.mark.parametrize("words", [["list", "other"], ["show", "other"], ["reset", "sync.accounts", "999"]])
def test_a_name_that_nothing_matches_is_told(cursors, run, words):
    with pytest.raises(SystemExit, match="No cursor matches"):
        run(*words)


def test_a_reset_makes_the_next_run_read_everything_and_can_be_undone(cursors, run):
    said = run("reset", "sync.accounts")
    assert "The next run of sync.accounts 3100001 crm/Accounts reads everything." in said
    kept = store_of().get()
    assert (kept.cursor, kept.before) == (None, BY_TIMESTAMP)
    assert kept.by_hand
    assert store_of("accounts_too").get().cursor == BY_TIMESTAMP
    assert "was reset already" in run("reset", "sync.accounts")
    assert rows(run, "list", "sync.accounts")[0]["goes_on_at"] == "the beginning"
    undo = said.partition("To undo that: exact-online cursor ")[2].split()
    run(*undo)
    undone = store_of().get()
    assert (undone.cursor.timestamp, undone.cursor.deleted, undone.cursor.fields) == (500, 40, ("ID",))
    assert undone.by_hand != kept.by_hand


def test_a_row_version_is_set(cursors, run):
    run("set", "sync.accounts", "--timestamp", "123")
    assert to_json(store_of().get().cursor) == to_json(BY_TIMESTAMP) | {"timestamp": 123, "anchor": None}
    run("set", "sync.accounts", "--deleted", "7")
    assert store_of().get().cursor.deleted == 7


@pytest.mark.parametrize(
    ("text", "modified"),
    [
        ("2026-01-01", 1_767_225_600_000),
        ("2026-01-01T12:00", 1_767_268_800_000),
        ("2026-01-01T01:00+01:00", 1_767_225_600_000),
    ],
)
def test_a_moment_is_set(cursors, run, text, modified):
    said = run("set", "sync.leads", "--modified", text)
    cursor = cursors["leads"].get().cursor
    assert (cursor.modified, cursor.recent) == (modified, ())
    assert "goes on at Modified 2026-01-01T" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sync.accounts"], "--timestamp, --deleted or --modified"),
        (["sync.accounts", "--modified", "2026-01-01"], "goes by Timestamp"),
        (["sync.accounts", "--timestamp", "1e3"], "a row version such as"),
        (["sync.leads", "--timestamp", "5"], "give --modified"),
        (["sync.accounts", "--timestamp", str(2**63)], "--timestamp: .*, up to 9223372036854775807, not"),
        (["sync.accounts", "--deleted", "9" * 5000], "--deleted: expected a row version"),
        (["sync.leads", "--modified", "yesterday"], "such as 2026-01-31"),
        (["sync.leads", "--modified", "0001-01-01"], "--modified: expected a moment from 1900"),
        (["sync.leads", "--modified", "9999-12-31T23:00-05:00"], "--modified: expected a moment from 1900"),
    ],
)
def test_a_place_that_can_not_be_is_refused_and_changes_nothing(cursors, run, words, sentence):
    with pytest.raises(SystemExit, match=sentence):
        run("set", *words)
    assert all(store.get().by_hand is None for store in cursors.values())


def test_a_damaged_cursor_does_not_hide_the_others(cursors, run, capsys):
    variables.write("exact_online_cursor__broken", "[]", description="")
    assert len(rows(run, "list")) == 3
    args = parser().parse_args(["cursor", "list"])
    args.func(args)
    assert "'exact_online_cursor__broken' holds no cursor" in capsys.readouterr().err


def test_a_cursor_in_an_assets_state_store_is_changed_there(cursors, asset_store, run):
    asset_store.move(cursors["accounts"])
    assert rows(run, "show", "sync.accounts")["kept_in"] == f"state store of the asset {ACCOUNTS}"
    assert "Kept in the state store" in run("set", "sync.accounts", "--timestamp", "9")
    assert asset_store.get()["cursor"]["timestamp"] == 9
    assert asset_store.get()["revision"] == 2
    assert cursors["accounts"].get() is None


def test_a_change_moves_a_cursor_to_the_state_store_once_it_takes_it(cursors, asset_store, run):
    run("reset", "sync.accounts")
    assert asset_store.get()["cursor"] is None
    assert cursors["accounts"].get() is None


@pytest.mark.skipif(airflow_version < "3.2", reason="Airflow 3.1 takes no commands from providers")
def test_airflow_has_the_same_commands(cursors, capsys):
    from airflow.cli.cli_parser import get_parser

    args = get_parser().parse_args(["exact-online", "cursor", "list", "--output", "json"])
    args.func(args)
    listed = json.loads(capsys.readouterr().out)
    assert [row["task"] for row in listed] == ["sync.accounts", "sync.accounts_too", "sync.leads"]
