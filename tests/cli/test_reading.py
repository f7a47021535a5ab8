"""The commands that only read: what is known of endpoints, the divisions, records and functions."""

from __future__ import annotations

import json

import pytest

from airflow_provider_exact.cli.main import parser


@pytest.fixture
def shell(server, connection, capsys):
    """Return a function that runs a command, and gives what it printed and what it said on the side."""

    def run(*words):
        capsys.readouterr()
        args = parser().parse_args(words)
        args.func(args)
        return capsys.readouterr()

    return run


@pytest.fixture
def shell_json(shell):
    def run(*words):
        out = shell(*words, "--output", "json").out
        # Airflow 3.1 writes its own log lines to standard output, too.
        return json.loads(out[min(at for at in (out.find("[\n"), out.find("{\n"), out.find("[]")) if at >= 0) :])

    return run


def test_endpoints_are_searched_by_parts_of_their_path(shell, shell_json):
    out = shell("endpoints", "crm", "accounts").out
    assert [line.split()[0] for line in out.splitlines() if "/" in line.split("|")[0]] == [
        "bulk/CRM/Accounts",
        "crm/Accounts",
        "crm/BankAccounts",
        "sync/CRM/Accounts",
    ]
    found = {row["endpoint"]: row for row in shell_json("endpoints", "crm/acc")}
    assert found["crm/Accounts"]["methods"] == ["GET", "POST", "PUT", "DELETE"]
    assert found["crm/Accounts"]["page_size"] == 60
    assert found["crm/Accounts"]["same_records"] == ["sync/CRM/Accounts", "bulk/CRM/Accounts"]
    assert len(shell_json("endpoints")) == 460


def test_one_endpoint_is_shown_with_its_fields_and_rules(shell, shell_json):
    shown = shell("endpoints", "PROJECT/timetransactions")
    rows = [[cell.strip() for cell in line.split("|")] for line in shown.out.splitlines()]
    assert ["Item", "Guid", "mandatory", "yes", "yes"] in rows
    assert ["Created", "DateTime", "", "", "yes"] in rows
    assert "methods:        GET, POST, PUT, DELETE" in shown.err
    accounts = shell_json("endpoints", "crm/Accounts")
    assert accounts["filter_needed"] is True
    assert "Code" in accounts["filter_fields"]
    fields = {field["field"]: field for field in accounts["fields"]}
    assert (fields["Code"]["filter"], fields["Remarks"]["filter"]) == ("one needed", "yes")
    assert fields["BankAccounts"]["type"] == "list of BankAccounts"
    contacts = {field["field"]: field["filter"] for field in shell_json("endpoints", "bulk/CRM/Contacts")["fields"]}
    assert (contacts["Account"], contacts["City"]) == ("yes", "")
    assert shell_json("endpoints", "read/project/HoursByDate")["parameters"] == {"checkDate": "DateTime"}
    assert "parameters:     not known" in shell("endpoints", "read/project/HourTypes").err


def test_a_search_without_a_result_names_what_is_near(shell):
    with pytest.raises(SystemExit, match="'crm/acounts'.*Did you mean crm/Accounts"):
        shell("endpoints", "crm/acounts")


def test_divisions_are_listed_and_chosen(shell, shell_json, connection):
    rows = shell_json("divisions")
    assert [row["Code"] for row in rows] == sorted(connection.divisions)
    assert set(rows[0]) == {"Code", "Description", "Country", "Currency"}
    assert [row["Country"] for row in shell_json("divisions", "--country", "BE", "--source", "hrm/Divisions")] == ["BE"]
    assert "Noorderlicht Techniek B.V." in shell("divisions", "--name", "techniek").out
    with pytest.raises(SystemExit, match="not a list of divisions"):
        shell("divisions", "--source", "crm/Accounts")


def test_records_are_read_as_a_table_of_a_few_columns(shell, connection):
    shown = shell("call", "project/Projects")
    assert "8 of" in shown.err
    assert "The first 20 are shown" in shown.err
    assert connection.calls()[-1]["query"] == "$top=20"
    chosen = shell("call", "project/Projects", "--select", "Code,BlockEntry", "--top", "2", "--order-by", "Code desc")
    assert chosen.err == ""
    rows = [sorted(cell.strip() for cell in line.split("|")) for line in chosen.out.splitlines() if "P000" in line]
    assert [[cell for cell in row if cell] for row in rows] == [["P00090", "false"], ["P00089", "false"]]


def test_records_are_read_as_json_with_their_own_types(shell_json, connection):
    options = ("--filter", "Quantity gt 1", "--select", "ID,Quantity", "--top", "3")
    rows = shell_json("call", "project/TimeTransactions", *options)
    assert len(rows) == 3
    assert all(isinstance(row["Quantity"], float | int) for row in rows)
    other = connection.divisions[1]
    one = shell_json("call", "project/TimeTransactions", "--top", "1", "--division", str(other))[0]
    assert one["Division"] == other
    [same] = shell_json("call", "project/TimeTransactions", "--key", one["ID"], "--division", str(other))
    assert same == one
    assert len(shell_json("call", "project/Projects", "--all", "--select", "ID")) == 90


def test_one_record_is_shown_a_field_a_line(shell, shell_json):
    [row] = shell_json("call", "project/Projects", "--top", "1")
    out = shell("call", "project/Projects", "--key", row["ID"]).out
    lines = [[cell.strip() for cell in line.split("|")] for line in out.splitlines()]
    assert ["Code", row["Code"]] in lines


def test_a_function_is_called_with_its_parameters(shell_json, connection):
    rows = shell_json(
        "call", "read/project/RecentCostsByNumberOfWeeks", "--parameter", "numberOfWeeks=520", "--top", "2"
    )
    assert len(rows) == 2
    assert connection.calls()[-1]["query"] == "numberOfWeeks=520&$top=2"
    assert shell_json("call", "read/project/HourTypes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("project/TimeTransaction",), "Did you mean project/TimeTransactions"),
        (("crm/AcceptQuotation",), "takes POST"),
        (("crm/Accounts",), "can only be listed with a filter"),
        (("crm/Accounts", "--key", "1", "--top", "1"), "--top can't be used with --key"),
        (("read/project/HourTypes", "--order-by", "ItemId"), "--order-by can't be used with a function"),
        (("read/project/HoursByDate", "--parameter", "checkDate"), "expected name=value"),
        (("project/Projects", "--all", "--top", "1"), "--top can't be used with --all"),
        (("project/Projects", "--conn-id", "nowhere"), "no connection 'nowhere'"),
    ],
)
def test_what_can_not_be_meant_ends_with_a_sentence(shell, connection, words, said):
    with pytest.raises(SystemExit, match=said):
        shell("call", *words)
    assert connection.calls() == []
