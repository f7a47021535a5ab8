import random

import msgspec
import pytest

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.errors import ExactRequestError, ExactResponseError
from airflow_provider_exact.client.rows import (
    Column,
    RowReader,
    columns_of,
    datetimes,
    epoch_milliseconds,
    iso_texts,
)
from airflow_provider_exact.client.serialisation import iso
from airflow_provider_exact.client.transport import Request, Response

REQUEST = Request("GET", "https://exact.test/api/v1/1/project/TimeTransactions", subject="GET project/TimeTransactions")
COLUMNS = (Column("ID", "Guid"), Column("Quantity", "Double"), Column("Date", "DateTime"), Column("Number", "Int64"))
NEXT = "https://exact.test/next"


def read(content, columns=COLUMNS):
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return RowReader(columns, iso_texts).read(Response(200, body=body), REQUEST)


def lines(page):
    return [msgspec.json.decode(line) for line in msgspec.json.Encoder().encode_lines(page.records).splitlines()]


ROW = {"__metadata": {"uri": "…"}, "Date": "/Date(1351209600000)/", "Quantity": 1, "Number": "5", "More": [1]}


def test_rows_have_their_columns_in_order_and_nothing_else():
    page = read({"d": {"results": [ROW, {"ID": "a"}], "__next": NEXT}})
    assert page.next_url == NEXT
    assert lines(page) == [
        {"ID": None, "Quantity": 1.0, "Date": "2012-10-26T00:00:00Z", "Number": 5},
        {"ID": "a", "Quantity": None, "Date": None, "Number": None},
    ]
    assert list(lines(page)[0]) == ["ID", "Quantity", "Date", "Number"]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ({"d": [ROW]}, 1),
        ({"d": []}, 0),
        ({"d": {"results": []}}, 0),
        ({"d": {"results": [ROW], "__next": ""}}, 1),
        (b"", 0),
        (b"  ", 0),
    ],
)
def test_each_shape_of_an_answer_is_read(content, rows):
    page = read(content)
    assert (len(page.records), page.next_url) == (rows, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"Quantity": "many"}, "Quantity"),
        ({"Number": 1.5}, "Number"),
        ({"ID": {"a": 1}}, "ID"),
        ({"Date": "yesterday"}, "Date: 'yesterday' is no date"),
        ({"Date": "/Date(999999999999999)/"}, "Date: a date after the year 9999"),
    ],
)
def test_a_value_of_another_type_is_named_with_the_way_out(row, words):
    with pytest.raises(ExactResponseError, match=r"GET project/TimeTransactions: .*name the type in 'types'") as raised:
        read({"d": [row]})
    assert words in str(raised.value)


def test_what_has_no_known_type_is_read_as_it_is():
    page = read({"d": [{"A": "x", "B": 1.5}, {"A": {"c": [1]}, "B": None}]}, (Column("A"), Column("B")))
    assert lines(page) == [{"A": "x", "B": 1.5}, {"A": {"c": [1]}, "B": None}]


def test_a_date_without_a_known_type_is_iso_8601_text():
    page = read({"d": [{"A": "/Date(0)/"}, {"A": "see /Date(0)/"}, {"A": "/Date(0)/."}, {"A": 5}]}, (Column("A"),))
    assert [row["A"] for row in lines(page)] == ["1970-01-01T00:00:00Z", "see /Date(0)/", "/Date(0)/.", 5]


def test_moments_are_told_as_in_records():
    chance = random.Random(7)
    moments = [chance.randrange(-(10**13), 10**13) for _ in range(20_000)] + [0, -1, 1, 999, 1000, -86_400_000]
    texts = [f"/Date({moment})/" for moment in moments]
    assert epoch_milliseconds([*texts, None]) == [*moments, None]
    assert iso_texts([*moments, None]) == [*map(iso, texts), None]
    assert [round(moment.timestamp() * 1000) for moment in datetimes(moments)] == moments


def test_an_offset_behind_a_date_does_not_move_it():
    assert epoch_milliseconds(["/Date(5+0100)/", None]) == [5, None]


def test_all_fields_of_the_reference_are_columns_unless_some_are_chosen():
    endpoint = catalogue.resolve("project/TimeTransactions")
    every = columns_of(endpoint)
    assert Column("Quantity", "Double") in every
    assert not {"Price", "SkipValidation"} & {column.name for column in every}
    assert columns_of(endpoint, "*") == every
    assert columns_of(endpoint, "quantity,ID") == (Column("Quantity", "Double"), Column("ID", "Guid"))
    assert columns_of(endpoint, "ID", {"id": "String"}) == (Column("ID", "String"),)


@pytest.mark.parametrize(
    ("path", "arguments", "words"),
    [
        ("project/TimeTransactions", {"select": "Quantiti"}, "Did you mean Quantity"),
        ("project/TimeTransactions", {"types": {"Quantity": "Number"}}, "Quantity can't be 'Number'"),
        ("project/TimeTransactions", {"types": {"Quantiti": "Double"}}, "types: .*Did you mean Quantity"),
        ("salesinvoice/SalesInvoices", {"select": "SalesInvoiceLines"}, "extract that endpoint"),
        ("newservice/NewThings", {}, "name those that you want"),
    ],
)
def test_columns_that_can_not_be_are_refused(path, arguments, words):
    with pytest.raises(ExactRequestError, match=words):
        columns_of(catalogue.resolve(path), **arguments)
