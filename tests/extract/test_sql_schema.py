import pytest
import sqlalchemy as sa

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.extract.sql_schema import split_name
from tests.extract.tables import COLUMNS, account, guid, load, plan_of, table_of

PHONE = Column("Phone", "String")


def refusal(database, plan, **options):
    """Return the words with which a plan is refused before there is any call, and see that nothing was changed."""
    before = sa.inspect(database.engine).get_table_names(database.schema)
    table = table_of(database, **options)
    with pytest.raises(ExactRequestError) as caught:
        table.cursor(plan)
    with pytest.raises(ExactRequestError):
        table.unfinished(plan)
    assert sa.inspect(database.engine).get_table_names(database.schema) == before
    return str(caught.value)


def test_a_column_that_appears_later_is_added_and_none_is_dropped(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5), account(2, "b", 5)]])
    wider = plan_of((COLUMNS[0], PHONE, Column("Some Day", "DateTime"), COLUMNS[2]))
    load(table_of(database), wider, [[{"ID": guid(1), "Phone": "06", "Timestamp": 6}]], started=100)
    found = [(row["Name"], row["Phone"], row["Some Day"], row["Timestamp"]) for row in database.rows()]
    assert found == [("a", "06", None, 6), ("b", None, None, 5)]
    load(table_of(database), plan_of(), [[account(2, "c", 7)]], started=100)
    assert [row["Name"] for row in database.rows()] == ["a", "c"]


def test_a_table_of_something_else_is_refused(database):
    database.run('CREATE TABLE {schema}"accounts" ("ID" INTEGER PRIMARY KEY, "_load" INTEGER)')
    said = refusal(database, plan_of())
    assert "exists and was not made by this operator, since it lacks _division, _deleted." in said


def test_a_view_is_refused(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5)]])
    database.run('CREATE VIEW {schema}"viewed" AS SELECT * FROM {schema}"accounts"')
    assert "primary key" in refusal(database, plan_of(), name="viewed")


def test_a_table_with_another_key_is_refused(database):
    load(table_of(database), plan_of(), [])
    said = refusal(database, plan_of(key=("Timestamp",)))
    assert "told apart by (Timestamp, _division)" in said


def test_a_table_of_another_endpoint_is_refused_and_a_twin_is_not(database):
    load(table_of(database), plan_of(), [])
    said = refusal(database, plan_of(path="crm/Contacts", division=2))
    assert "holds crm/Accounts, not crm/Contacts" in said
    assert table_of(database).cursor(plan_of(path="sync/CRM/Accounts", division=2)) is None


def test_a_column_that_can_not_hold_the_values_is_refused_with_what_to_do(database):
    load(table_of(database), plan_of(), [])
    said = refusal(database, plan_of((*COLUMNS[:1], Column("Name", "Double"), COLUMNS[2])))
    assert "the column Name of" in said
    assert "can't hold Double. Alter it to DOUBLE" in said
    assert "types={'Name': 'String'}" in said


def test_a_type_that_becomes_known_later_stays_text(database):
    columns = (COLUMNS[0], Column("Group", None), COLUMNS[2])
    load(table_of(database), plan_of(columns), [[{"ID": guid(1), "Group": guid(8), "Timestamp": 1}]])
    columns = (COLUMNS[0], Column("Group", "Guid"), COLUMNS[2])
    load(table_of(database), plan_of(columns), [[{"ID": guid(2), "Group": guid(9), "Timestamp": 1}]], started=1)
    assert [row["Group"] for row in database.rows()] == [guid(8), guid(9)]


def test_columns_that_differ_in_letter_case_only_are_refused(database):
    said = refusal(database, plan_of((*COLUMNS, Column("NAME", "String"))))
    assert "Name and NAME differ in nothing but letter case" in said


def test_a_column_with_one_of_our_names_is_refused(database):
    assert "_load and _Load" in refusal(database, plan_of((*COLUMNS, Column("_Load", "Int32"))))


def test_columns_in_another_letter_case_are_the_same_where_the_database_says_so(database):
    load(table_of(database), plan_of(), [[account(1, "a", 5)]])
    columns = (COLUMNS[0], Column("NAME", "String"), COLUMNS[2])
    load(table_of(database), plan_of(columns), [[{"ID": guid(1), "NAME": "b", "Timestamp": 6}]], started=5)
    (row,) = database.rows()
    assert row["NAME" if database.kind == "postgresql" else "Name"] == "b"


def test_names_that_are_too_long_are_refused(database):
    if database.kind == "sqlite":
        pytest.skip("SQLite has no limit")
    assert refusal(database, plan_of(), name="a" * 65).startswith("table: 'aaa")
    said = refusal(database, plan_of((*COLUMNS, Column("é" * 33, "String"))))
    assert said.startswith("select: 'ééé")


def test_an_endpoint_without_a_key_is_refused(database):
    assert "the key of crm/Accounts is not known" in refusal(database, plan_of(key=(), by=None))


def test_a_schema_that_is_not_there_is_refused(database):
    database.schema, schema = "nowhere", database.schema
    try:
        with pytest.raises(ExactRequestError, match="no schema 'nowhere'"):
            table_of(database).cursor(plan_of())
    finally:
        database.schema = schema


@pytest.mark.parametrize("name", ["Mixed Case", "select", "with-dash", 'quo"ted', "per%cent", "back`tick", "col:on"])
def test_names_are_quoted(database, name):
    columns = (COLUMNS[0], Column("order", "String"), COLUMNS[2])
    load(table_of(database, name=name), plan_of(columns[::2]), [])
    records = [{"ID": guid(1), "order": "a", "Timestamp": 1}]
    load(table_of(database, name=name), plan_of(columns), [records])
    assert [row["order"] for row in database.rows(name)] == ["a"]


@pytest.mark.parametrize("name", ["", "a.b.c", ".a", "a.", None, 5])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ExactRequestError, match=r"table: expected 'table' or 'schema\.table'"):
        split_name(name)
