import pytest

from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.extract.sql_table import Wish
from tests.extract.tables import COLUMNS, account, at, cursor_at, guid, load, page, plan_of, table_of


def names(database):
    """Return what the table says of each account: ``{1: "name"}``, a marked one in brackets."""
    return {
        int(str(row["ID"])[-12:], 16): f"({row['Name']})" if row["_deleted"] else row["Name"] for row in database.rows()
    }


def test_rows_arrive_with_division_load_and_no_mark(database):
    told = load(table_of(database), plan_of(), [[account(1, "Één 😀", 5)], [account(2, None, 6)]])
    first, second = database.rows()
    assert (str(first["ID"]), first["Name"], first["Timestamp"]) == (guid(1), "Één 😀", 5)
    assert (first["_division"], bool(first["_deleted"]), first["_load"]) == (1, False, 1)
    assert second["Name"] is None
    assert (told["rows"], told["swept"], told["load"]) == (2, 0, 1)


@pytest.mark.parametrize("timestamps", [(5, 6), (6, 5)])
@pytest.mark.parametrize("batch_size", [1, 100])
def test_the_newest_of_one_key_wins_in_whatever_order(database, timestamps, batch_size):
    pages = [[account(1, f"at {timestamp}", timestamp)] for timestamp in timestamps]
    load(table_of(database, batch_size=batch_size), plan_of(), pages)
    assert names(database) == {1: "at 6"}


def test_of_two_as_new_the_later_one_wins(database):
    load(table_of(database, batch_size=1), plan_of(), [[account(1, "a", 5)], [account(1, "b", 5)]])
    assert names(database) == {1: "b"}


def test_duplicates_within_a_page_are_one_row(database):
    records = [account(1, "old", 5), account(2, "other", 7), account(1, "new", 9), account(1, "older", 4)]
    records[2]["ID"] = records[2]["ID"].upper()
    load(table_of(database), plan_of(), [records])
    assert names(database) == {1: "new", 2: "other"}


def test_a_row_without_a_moment_gives_way_and_replaces_none(database):
    columns = (Column("ID", "Guid"), Column("Name", "String"), Column("Modified", "DateTime"))
    plan = plan_of(columns, by="Modified")

    def at_ms(number, name, modified):
        return {"ID": guid(number), "Name": name, "Modified": modified and f"/Date({modified})/"}

    pages = [[at_ms(1, "none", None), at_ms(2, "dated", 5)], [at_ms(1, "dated", 5), at_ms(2, "none", None)]]
    load(table_of(database, batch_size=1), plan, pages)
    assert names(database) == {1: "dated", 2: "dated"}


def test_a_key_of_several_columns_tells_rows_apart(database):
    columns = (Column("Year", "Int16"), Column("Code", "String"), Column("Amount", "Double"))
    plan = plan_of(columns, by=None, key=("Year", "Code"), mode="full")
    pages = [[{"Year": 2026, "Code": "a", "Amount": 1}, {"Year": 2026, "Code": "A", "Amount": 2}]]
    pages.append([{"Year": 2026, "Code": "a", "Amount": 3}, {"Year": 2025, "Code": "a", "Amount": 4}])
    load(table_of(database, batch_size=1), plan, pages)
    found = sorted((row["Year"], row["Code"], row["Amount"]) for row in database.rows(order="Year"))
    assert found == [(2025, "a", 4), (2026, "A", 2), (2026, "a", 3)]
    table = table_of(database)
    table.open(plan, at(0, started=1))
    table.delete([(2026, "a")], at(1, started=1, phase="deletions"))
    table.finish(at(1, started=1, phase="done"))
    assert sorted((row["Year"], row["Code"]) for row in database.rows(order="Year")) == [(2025, "a"), (2026, "A")]


@pytest.mark.parametrize(
    ("deletions", "left"), [("delete", {2: "b"}), ("mark", {1: "(a)", 2: "b"}), ("ignore", {1: "a", 2: "b"})]
)
def test_tombstones_delete_mark_or_are_ignored(database, deletions, left):
    load(table_of(database), plan_of(), [[account(1, "a", 5), account(2, "b", 6)]])
    load(table_of(database, deletions=deletions), plan_of(), [], deleted=[1, 9], started=100)
    assert names(database) == left


def test_a_tombstone_counts_whatever_was_written_before_it(database):
    load(table_of(database), plan_of(), [[account(1, "a", 500), account(2, "b", 6)]], deleted=[1])
    assert names(database) == {2: "b"}


def test_a_record_that_comes_back_is_no_longer_marked(database):
    load(table_of(database, deletions="mark"), plan_of(), [[account(1, "a", 5)]], deleted=[1])
    assert names(database) == {1: "(a)"}
    load(table_of(database, deletions="mark"), plan_of(), [[account(1, "b", 6)]], started=100)
    assert names(database) == {1: "b"}


@pytest.mark.parametrize(
    ("deletions", "left"), [("delete", {2: "B"}), ("mark", {1: "(a)", 2: "B"}), ("ignore", {1: "a", 2: "B"})]
)
def test_a_full_load_lets_go_of_what_it_did_not_bring(database, deletions, left):
    load(table_of(database), plan_of(), [[account(1, "a", 500), account(2, "b", 600)]])
    # Timestamps begin anew when Exact moves a division.
    told = load(table_of(database, deletions=deletions), plan_of(), [[account(2, "B", 6)]])
    assert names(database) == left
    assert (told["load"], told["swept"]) == (2, 0 if deletions == "ignore" else 1)


def test_a_full_load_leaves_other_divisions_alone(database):
    for division in (1, 2):
        load(table_of(database), plan_of(division=division), [[account(1, "a", 5)]])
    load(table_of(database), plan_of(division=1), [])
    assert [row["_division"] for row in database.rows()] == [2]


def test_until_a_full_load_ends_the_old_rows_are_there(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5), account(2, "b", 6)]])
    table = table_of(database, batch_size=1)
    table.open(plan_of(), at(0))
    table.write(page([account(2, "B", 7), account(3, "c", 8)]), at(8, page=1))
    assert names(database) == {1: "a", 2: "B", 3: "c"}
    table.finish(at(8, phase="done"))
    assert names(database) == {2: "B", 3: "c"}


def test_an_incremental_load_after_an_abandoned_full_one_loses_nothing(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5), account(2, "b", 6)]])
    table = table_of(database, batch_size=1)
    table.open(plan_of(), at(0))
    table.write(page([account(2, "B", 7)]), at(8, page=1))
    table.interrupt()
    load(table_of(database), plan_of(), [[account(3, "c", 8)]], started=100)
    assert names(database) == {1: "a", 2: "B", 3: "c"}
    load(table_of(database), plan_of(), [[account(3, "c", 8)]])
    assert names(database) == {3: "c"}


def test_the_cursor_is_that_of_the_last_extraction_that_ended(database):
    table = table_of(database)
    assert table.cursor(plan_of()) is None
    load(table, plan_of(), [[account(1, "a", 5)]], reached=5)
    assert table_of(database).cursor(plan_of()) == cursor_at(5)
    assert table_of(database).cursor(plan_of(division=2)) is None
    table.open(plan_of(), at(5, started=5))
    table.write(page([account(1, "b", 6)]), at(6, started=5, page=1))
    table.interrupt()
    assert table_of(database).cursor(plan_of()) == cursor_at(5)


def test_a_last_batch_that_fails_leaves_cursor_and_rows_as_they_were(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5)]], reached=5)
    table = table_of(database)
    table.open(plan_of(), at(5, started=5))
    table.write(page([account(2, "b", 6)]), at(6, started=5, page=1))
    database.run(
        'ALTER TABLE {schema}"accounts" RENAME TO {schema}"gone"'.replace(
            "TO {schema}", "TO " if database.kind == "postgresql" else "TO {schema}"
        )
    )
    with pytest.raises(ExactError, match="The database failed"):
        table.finish(at(6, started=5, phase="done"))
    database.run(
        'ALTER TABLE {schema}"gone" RENAME TO {schema}"accounts"'.replace(
            "TO {schema}", "TO " if database.kind == "postgresql" else "TO {schema}"
        )
    )
    assert names(database) == {1: "a"}
    assert table_of(database).cursor(plan_of()) == cursor_at(5)


def test_without_its_table_a_cursor_counts_no_more(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5)]])
    database.run('DROP TABLE {schema}"accounts"')
    assert table_of(database).cursor(plan_of()) is None
    assert table_of(database).unfinished(plan_of()) is None


def begun(database, plan, **options):
    """Return a table with one page stored and one that is not yet."""
    table = table_of(database, batch_size=2, **options)
    table.open(plan, at(0))
    table.write(page([account(1, "a", 1), account(2, "b", 2)], plan.columns), at(2, page=1, rows=2))
    table.write(page([account(3, "c", 3)], plan.columns), at(3, page=2, rows=3))
    return table


def test_what_was_committed_is_where_the_next_try_goes_on(database):
    begun(database, plan_of())
    assert names(database) == {1: "a", 2: "b"}
    again = table_of(database)
    checkpoint = again.unfinished(plan_of())
    assert checkpoint == at(2, page=1, rows=2)
    again.open(plan_of(), checkpoint)
    again.write(page([account(3, "c", 3)]), at(3, page=2, rows=3))
    again.finish(at(3, phase="done", rows=3))
    # All under one number: nothing of the first try was swept.
    assert names(database) == {1: "a", 2: "b", 3: "c"}
    assert table_of(database).unfinished(plan_of()) is None


def test_an_interruption_stores_what_is_in_hand_and_may_come_twice(database):
    table = begun(database, plan_of())
    table.interrupt()
    table.interrupt()
    assert names(database) == {1: "a", 2: "b", 3: "c"}
    assert table_of(database).unfinished(plan_of()) == at(3, page=2, rows=3)
    with pytest.raises(ExactError, match="not open"):
        table.write([], at(3))


def test_time_makes_a_batch_safe_as_size_does(database):
    now = iter([0.0, 5.0, 10.0, 10.0])
    table = table_of(database, clock=lambda: next(now))
    table.open(plan_of(), at(0))
    table.write(page([account(1, "a", 1)]), at(1, page=1))
    assert names(database) == {}
    table.write(page([account(2, "b", 2)]), at(2, page=2))
    assert names(database) == {1: "a", 2: "b"}


@pytest.mark.parametrize(
    ("mode", "by", "goes_on"),
    [("incremental", "Timestamp", True), ("incremental", "Modified", False), ("full", "Timestamp", False)],
)
def test_another_run_goes_on_with_an_incremental_load_by_timestamp_only(database, mode, by, goes_on):
    plan = plan_of((*COLUMNS, Column("Modified", "DateTime")), mode=mode, by=by)
    begun(database, plan)
    assert table_of(database, run="run 1").unfinished(plan) == at(2, page=1, rows=2)
    assert (table_of(database, run="run 2").unfinished(plan) is not None) == goes_on


@pytest.mark.parametrize(
    "other",
    [
        plan_of(COLUMNS[:1] + COLUMNS[2:]),
        plan_of(filter="Name eq 'a'"),
        plan_of(division=2),
        plan_of(only=(("Type", 1),)),
        plan_of(mode="full"),
    ],
)
def test_another_plan_does_not_go_on(database, other):
    begun(database, plan_of())
    assert table_of(database).unfinished(other) is None


def test_a_wish_replaces_cursor_and_checkpoint_once(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5)]], reached=5)
    begun(database, plan_of())
    wish = Wish("mark 1", cursor_at(2))
    table = table_of(database, wish=wish)
    assert (table.unfinished(plan_of()), table.cursor(plan_of())) == (None, cursor_at(2))
    table.open(plan_of(), at(2, started=2))
    # It was fulfilled by the opening, and is what counts from then on.
    assert table_of(database, wish=wish).unfinished(plan_of()) == at(2, started=2)
    table.finish(at(7, started=2, phase="done"))
    assert table_of(database, wish=wish).cursor(plan_of()) == cursor_at(7)
    assert table_of(database, wish=Wish("mark 2")).cursor(plan_of()) is None


def test_who_opens_takes_over_and_the_one_before_stops_without_a_trace(database):
    first = table_of(database, run="run 1", batch_size=2)
    first.open(plan_of(), at(0))
    first.write(page([account(1, "first", 5)]), at(5, page=1))
    second = table_of(database, run="run 2", engine=database.connect())
    second.open(plan_of(), at(0))
    with pytest.raises(ExactRequestError, match="another task or try by now"):
        first.write(page([account(2, "first", 6)]), at(6, page=2))
    second.write(page([account(3, "second", 7)]), at(7, page=1))
    second.finish(at(7, phase="done"))
    assert names(database) == {3: "second"}
    # Closed by its failure; says nothing more.
    first.interrupt()


def test_an_interruption_of_one_that_was_replaced_is_quiet(database, caplog):
    first = begun(database, plan_of())
    table_of(database, run="run 2").open(plan_of(), at(0))
    first.interrupt()
    assert "could not be stored" in caplog.text
    assert names(database) == {1: "a", 2: "b"}


@pytest.mark.parametrize(
    ("options", "words"),
    [({"deletions": "drop"}, "deletions: expected one of delete, mark"), ({"batch_size": 0}, "batch_size")],
)
def test_options_that_make_no_sense_are_refused(database, options, words):
    with pytest.raises(ExactRequestError, match=words):
        table_of(database, **options)
