"""What a value is in the database, and after it has come back."""

from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import UserDefinedType

from airflow_provider_exact.client.catalogue import load as catalogue
from airflow_provider_exact.client.errors import ExactError, ExactResponseError
from airflow_provider_exact.client.rows import Column, columns_of
from airflow_provider_exact.extract.sql_rows import Rows
from airflow_provider_exact.extract.sql_schema import create, definition
from airflow_provider_exact.extract.sql_types import column_type, holds
from airflow_provider_exact.extract.sql_upsert import _anywhere
from tests.extract.tables import COLUMNS, account, at, guid, load, page, plan_of, table_of

TYPES = ("String", "Guid", "DateTime", "Byte", "Int16", "Int32", "Int64", "Double", "Boolean", "Binary", None)
EVERY = (Column("ID", "Guid"), *(Column(f"A {name}", name) for name in TYPES))
# What Exact sends, and what the table then holds.
VALUES = {
    "String": [
        ("Ünïcode 😀 'quoted' \"too\" \\ %s :name {x}", None),
        ("", None),
        ("  padded  ", None),
        ("line\r\nbreak\ttab", None),
        ("x" * 100_000, None),
        ("back\\u0000slash", None),
    ],
    "Guid": [("1ba9affb-3d7c-4f12-9b3c-0a1b2c3d4e5f", None)],
    "DateTime": [
        ("/Date(1351209600123)/", datetime(2012, 10, 26, 0, 0, 0, 123000)),
        ("/Date(1351209600000)/", datetime(2012, 10, 26)),
        ("/Date(-2208988800001)/", datetime(1899, 12, 31, 23, 59, 59, 999000)),
        ("/Date(253402300799999)/", datetime(9999, 12, 31, 23, 59, 59, 999000)),
        ("/Date(-62135596800000)/", datetime(1, 1, 1)),
    ],
    "Byte": [(0, None), (255, None)],
    "Int16": [(-32768, None), (32767, None)],
    "Int32": [(-(2**31), None), (2**31 - 1, None)],
    "Int64": [
        ("123456789012345678", 123456789012345678),
        ("-9223372036854775808", -(2**63)),
        (str(2**63 - 1), 2**63 - 1),
    ],
    "Double": [
        (0.1 + 0.2, None),
        (-1.5e-300, None),
        (12345678901234.56, None),
        (1, 1.0),
        (1.7976931348623157e308, None),
    ],
    "Boolean": [(True, None), (False, None)],
    "Binary": [("AAH/gA==", b"\x00\x01\xff\x80"), ("", b"")],
    None: [
        ("text", None),
        ("/Date(0)/", "1970-01-01T00:00:00Z"),
        (5, "5"),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'),
        (True, "true"),
    ],
}


@pytest.mark.parametrize("type_", TYPES)
def test_every_value_survives(database, type_):
    given = [*VALUES[type_], (None, None)]
    field = f"A {type_}"
    records = [{"ID": guid(number), field: sent} for number, (sent, _) in enumerate(given)]
    plan = plan_of(EVERY, by=None, mode="full")
    for _ in range(2):
        # The second time as an update.
        load(table_of(database), plan, [records])
        found = [row[field] for row in database.rows()]
        assert [str(value) if type_ == "Guid" and value else value for value in found] == [
            expected if expected is not None else sent for sent, expected in given
        ]


def test_keys_that_differ_in_case_accents_or_spaces_are_different_records(database):
    codes = ["A", "a", "A ", "  A", "Á", "", " "]
    columns = (Column("Code", "String"), Column("Name", "String"))
    plan = plan_of(columns, by=None, key=("Code",), mode="full")
    for _ in range(2):
        load(table_of(database), plan, [[{"Code": code, "Name": code} for code in codes]])
        assert sorted(row["Code"] for row in database.rows(order="Code")) == sorted(codes)


@pytest.mark.parametrize(
    ("is_mariadb", "version", "collation"),
    [
        (True, (10, 11, 6), "utf8mb4_nopad_bin"),
        (False, (8, 4, 2), "utf8mb4_0900_bin"),
        (False, (5, 7, 44), "utf8mb4_bin"),
        (False, None, "utf8mb4_bin"),
    ],
)
def test_mysql_compares_keys_with_what_it_has(is_mariadb, version, collation):
    dialect = mysql.dialect(is_mariadb=is_mariadb)
    dialect.server_version_info = version
    text = column_type("String", is_key=True).compile(dialect)
    assert text == f"VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation}"


def test_a_text_with_nul_arrives_without_it_where_a_database_takes_none(database):
    load(table_of(database), plan_of(), [[account(1, "a\0b \\u0000", 1), account(2, "\0", 1)]])
    nul = "" if database.kind == "postgresql" else "\0"
    assert [row["Name"] for row in database.rows()] == [f"a{nul}b \\u0000", nul]


def test_a_value_that_does_not_fit_is_refused_and_nothing_of_it_stored(database):
    columns = (Column("ID", "Guid"), Column("Number", "Int16"))
    table = table_of(database)
    table.open(plan_of(columns, by=None), at(0))
    table.write(page([{"ID": guid(1), "Number": 40_000}], columns), at(1, page=1))
    if database.kind == "sqlite":
        # Its types are advice.
        table.finish(at(1, phase="done"))
        assert database.rows()[0]["Number"] == 40_000
        return
    with pytest.raises(ExactResponseError, match="can't hold a value that Exact sent.*types"):
        table.finish(at(1, phase="done"))
    assert database.rows() == []


def test_what_is_no_base64_is_named(database):
    columns = (Column("ID", "Guid"), Column("Picture", "Binary"))
    table = table_of(database)
    table.open(plan_of(columns, by=None), at(0))
    with pytest.raises(ExactResponseError, match="Picture: the answer is not base64"):
        table.write(page([{"ID": guid(1), "Picture": "~~"}], columns), at(1, page=1))


def test_a_record_without_its_key_is_named(database):
    table = table_of(database)
    table.open(plan_of(), at(0))
    with pytest.raises(ExactResponseError, match="a record has no ID"):
        table.write(page([{"Name": "nobody"}]), at(1, page=1))


def test_the_error_of_a_database_tells_no_values(database):
    table = table_of(database)
    table.open(plan_of(), at(0))
    table.write(page([account(1, "a secret of this company", 5)]), at(1, page=1))
    database.run('DROP TABLE {schema}"accounts"')
    with pytest.raises(ExactError) as caught:
        table.finish(at(1, phase="done"))
    assert "accounts" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["crm/accounts", "logistics/items", "sync/crm/accounts", "sync/project/timecosttransactions"]
)
def test_the_widest_endpoints_have_a_place(database, path):
    endpoint = catalogue()[path]
    columns = columns_of(endpoint)
    plan = plan_of(columns, by=None, mode="full", path=endpoint.path)
    record = {column.name: "x" * 300 for column in columns if column.type == "String"}
    record |= {column.name: guid(7) for column in columns if column.type == "Guid"} | {"ID": guid(1)}
    load(table_of(database), plan, [[record]])
    (row,) = database.rows()
    assert {name: str(row[name]) for name in record} == record


def test_every_database_can_do_without_an_upsert_of_its_own(database):
    plan = plan_of((*EVERY, Column("Timestamp", "Int64")))
    table = definition(plan, database.engine, database.name("accounts"))
    create(table, database.engine)
    rows = Rows(plan, table)
    upsert = _anywhere(rows)

    def store(number, timestamp, load_number):
        found = page([{"ID": guid(1), "A Int32": number, "Timestamp": timestamp}], plan.columns)
        assert len(list(rows.keyed(found))) == 1
        with database.engine.begin() as connection:
            upsert(connection, found, load_number)
        return [(row["A Int32"], row["_load"]) for row in database.rows()]

    assert store(1, 5, 1) == [(1, 1)]
    assert store(2, 6, 1) == [(2, 1)]
    assert store(3, 5, 1) == [(2, 1)]
    assert store(4, 6, 1) == [(4, 1)]
    assert store(5, 1, 2) == [(5, 2)]


def test_a_new_column_holds_its_own_type_and_none_that_it_would_cut(database):
    fits = {
        "Byte": {"Byte", "Int16"},
        "Int16": {"Byte", "Int16"},
        "Int32": {"Byte", "Int16", "Int32"},
        "Int64": {"Byte", "Int16", "Int32", "Int64"},
        "String": {"String", "Guid", None},
        None: {"String", "Guid", None},
    }
    if database.kind == "sqlite":
        whole = {"Byte", "Int16", "Int32", "Int64"}
        fits |= dict.fromkeys(whole, whole)
    table = definition(plan_of(EVERY, by=None), database.engine, database.name("accounts"))
    create(table, database.engine)
    for found in sa.inspect(database.engine).get_columns("accounts", database.schema)[2:-2]:
        type_ = next(name for name in TYPES if found["name"] == f"A {name}")
        taken = {name for name in TYPES if holds(found["type"], name, database.engine.dialect.name)}
        wanted = fits.get(type_, {type_})
        if type_ == "Guid" and database.kind != "postgresql":
            # A column of 36 characters.
            taken -= {"String", None}
        assert (found["name"], taken) == (found["name"], wanted)


def test_a_type_that_is_not_known_holds_nothing():
    class Odd(UserDefinedType):
        pass

    assert not any(holds(Odd(), name, "postgresql") for name in TYPES)
    assert [holds(column_type(name), name, "other") for name in TYPES] == [True] * len(TYPES)
    assert COLUMNS[0].type == "Guid"
