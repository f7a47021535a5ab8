from __future__ import annotations

import pytest

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.query import filter_text

ACCOUNTS = resolve("crm/Accounts")
WIDE = "              1068"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"Code": "1068"}, f"Code eq '{WIDE}'"),
        ({"code": WIDE}, f"Code eq '{WIDE}'"),
        ({"Code": ["1068", " 7"]}, f"(Code eq '{WIDE}' or Code eq '{'7'.rjust(18)}')"),
        ({"Code": [(">=", "1068"), ("<", "1068")]}, f"Code ge '{WIDE}' and Code lt '{WIDE}'"),
        ({"Code": ("endswith", "68"), "SearchCode": "1068"}, "endswith(Code,'68') and SearchCode eq '1068'"),
        ("code EQ '1068' and Name eq 'Code eq ''1068'''", f"code EQ '{WIDE}' and Name eq 'Code eq ''1068'''"),
        ("Code eq 'it''s'", f"Code eq '{' ' * 14}it''s'"),
        ("Code ne ''", "Code ne ''"),
        ("substringof('1068',Code)", "substringof('1068',Code)"),
    ],
)
def test_codes_of_accounts_are_as_wide_as_exact_keeps_them(given, text):
    assert filter_text(ACCOUNTS, given) == text


@pytest.mark.parametrize("path", ["logistics/Items", "financial/GLAccounts", "project/Projects"])
def test_other_codes_stay_as_they_are(path):
    assert filter_text(resolve(path), {"Code": "1068"}) == "Code eq '1068'"


@pytest.mark.parametrize("given", [{"Code": ("startswith", "10")}, "startswith( Code,'10')"])
def test_how_a_code_begins_can_not_be_asked(given):
    with pytest.raises(ExactRequestError, match="starts with spaces"):
        filter_text(ACCOUNTS, given)


def test_an_account_is_found_by_its_code(exact):
    client = exact.client()
    account = next(client.list_records("crm/Accounts", filter="Name ne ''", select="ID,Code", top=1))
    plain = account["Code"].strip()
    assert len(account["Code"]) == 18 > len(plain)
    for wanted in ({"Code": plain}, f"Code eq '{plain}'"):
        assert list(client.list_records("crm/Accounts", filter=wanted, select="ID,Code")) == [account]
    assert client.find_record("crm/Accounts", {"Code": plain}, select="Code") == account


def test_several_records_that_match_are_an_error_that_names_two(exact):
    client = exact.client()
    assert client.find_record("crm/Accounts", {"Code": "no such code"}) is None
    with pytest.raises(ExactRequestError, match="no value is given for Code"):
        client.find_record("crm/Accounts", {"Code": ""})
    with pytest.raises(ExactRequestError, match=r"more than one record has.*ID [0-9a-f-]{36} and ID [0-9a-f-]{36}"):
        client.find_record("project/Projects", {"BlockEntry": False})
    with pytest.raises(ExactRequestError, match="^match: .* has no field 'Cod'"):
        client.find_record("crm/Accounts", {"Cod": "1"})
