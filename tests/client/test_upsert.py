"""Create or update against the emulator: what is there is found first, whatever happened to earlier answers."""

from __future__ import annotations

import pytest

from airflow_provider_exact.client.errors import ExactRequestError, ExactTransportError
from airflow_provider_exact.client.upsert import check_distinct, match_in

ACCOUNT = {"Code": "4711", "Name": "Wadloper", "City": "Assen"}


@pytest.fixture
def client(exact):
    return exact.client()


def accounts(client):
    return list(client.list_records("crm/Accounts", filter={"Code": "4711"}, select="ID,Code,Name,City"))


def test_a_record_is_created_once_and_then_updated(client, exact):
    first = client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    again = client.upsert_record("CRM/accounts", {**ACCOUNT, "City": "Emmen"}, ["code"])
    assert (first.outcome, again.outcome) == ("created", "updated")
    assert first.key == again.key == {"ID": first.record["ID"]}
    [there] = accounts(client)
    assert (there["ID"], there["City"], there["Code"]) == (first.record["ID"], "Emmen", "4711".rjust(18))
    assert exact.emulator.count(method="POST", endpoint="crm/Accounts") == 1


def test_nothing_is_sent_when_all_fields_were_matched_on(client, exact):
    client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    same = client.upsert_record("crm/Accounts", ACCOUNT, "Code,Name,City")
    assert (same.outcome, set(same.record)) == ("updated", {"ID", "Code", "Name", "City"})
    assert exact.emulator.count(method="PUT") == 0


def test_two_that_match_are_an_error_that_names_both(client):
    one = client.create_record("crm/Accounts", ACCOUNT)
    two = client.create_record("crm/Accounts", ACCOUNT)
    with pytest.raises(ExactRequestError, match="more than one record") as error:
        client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    assert one["ID"] in str(error.value)
    assert two["ID"] in str(error.value)


def test_a_creation_whose_answer_is_lost_is_found_at_once(client, exact):
    exact.emulator.fault("reset_after", method="POST", endpoint="crm/Accounts")
    made = client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    assert made.was_created
    [there] = accounts(client)
    assert there["ID"] == made.key["ID"]


def test_a_creation_that_failed_for_good_may_be_tried_again(client, exact):
    exact.emulator.fault("status", method="POST", endpoint="crm/Accounts", status=500, times=3)
    with pytest.raises(ExactTransportError, match="not there") as error:
        client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    assert not error.value.outcome_unknown
    assert client.upsert_record("crm/Accounts", ACCOUNT, "Code").was_created
    assert len(accounts(client)) == 1


def test_a_creation_of_which_nothing_is_known_may_be_tried_again(client, exact):
    exact.emulator.fault("reset_after", method="POST", endpoint="crm/Accounts")
    exact.emulator.fault("status", method="GET", endpoint="crm/Accounts", nth=2, times=4, status=503)
    with pytest.raises(ExactTransportError) as error:
        client.upsert_record("crm/Accounts", ACCOUNT, "Code")
    assert not error.value.outcome_unknown
    assert client.upsert_record("crm/Accounts", ACCOUNT, "Code").outcome == "updated"
    assert len(accounts(client)) == 1


@pytest.mark.parametrize(
    ("endpoint", "data", "match", "words"),
    [
        ("crm/Accounts", {"Name": "x"}, "Code", "match: data has no value for Code"),
        ("crm/Accounts", {"Code": "", "Name": "x"}, "Code", "match: data has no value for Code"),
        ("crm/Accounts", {"Code": "1", "Name": "x"}, "Cod", "match: crm/Accounts has no field 'Cod'. Did you mean"),
        ("crm/Accounts", {"Code": "1", "Nam": "x"}, "Code", "data: crm/Accounts has no field 'Nam'"),
        ("crm/Accounts", {"Code": "1"}, "", "match: name the fields"),
        ("crm/Accounts", {"Remarks": "1"}, "Remarks", "filter: crm/Accounts can only be listed"),
        ("crm/Accounts", {}, "Code", "data: expected a dict"),
        ("sync/CRM/Accounts", {"Code": "1"}, "Code", "does not take POST"),
    ],
)
def test_what_can_not_be_looked_up_is_refused_before_the_call(client, exact, endpoint, data, match, words):
    with pytest.raises(ExactRequestError, match=words):
        client.upsert_record(endpoint, data, match)
    assert exact.emulator.calls() == []


def test_records_of_one_list_must_differ_in_what_they_are_known_by():
    check_distinct("crm/Accounts", [{"Code": "1"}, {"Code": "2"}], "Code")
    with pytest.raises(ExactRequestError, match=r"data\[0\] and data\[2\] have the same"):
        check_distinct("crm/Accounts", [{"Code": "1"}, {"Code": "2"}, {"code": " 1"}], "Code")
    with pytest.raises(ExactRequestError, match=r"data\[1\]: match: data has no value for Code"):
        check_distinct("crm/Accounts", [{"Code": "1"}, {"Name": "x"}], "Code")


def test_an_endpoint_that_exact_may_have_added_is_matched_as_it_is_written():
    assert match_in("crm/AccountsV2", {"Code": "1", "X": 2}, "Code") == {"Code": "1"}
