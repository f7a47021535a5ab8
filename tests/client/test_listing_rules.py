"""What Exact is known to refuse is refused before the call, and only that."""

from __future__ import annotations

import pytest

from airflow_provider_exact.client.catalogue import load, resolve
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.listing_rules import check_listing, fields_in


def check(path, filter=None, select=None, top=None):
    check_listing(resolve(path), filter=filter, select=select, top=top)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Code eq 'x' and Name ne 'City eq 1'", ["Code", "Name"]),
        ("substringof('Foo bar',Name) eq true", ["Name"]),
        ("(startswith (Name, 'it''s') or not endswith(City,'x'))", ["Name", "City"]),
        ("Modified gt datetime'2026-01-01T00:00:00' and ID eq guid'aa-bb'", ["Modified", "ID"]),
        ("Timestamp gt 123L and Amount lt 1.5e3", ["Timestamp", "Amount"]),
        ("Account/Name eq 'x' and Name eq 'y' and Name eq 'z'", ["Account", "Name"]),
        ("12 lt Number", ["Number"]),
        ("", []),
    ],
)
def test_the_fields_of_a_filter_are_told_from_its_values_and_functions(text, fields):
    assert fields_in(text) == fields


def test_a_quote_that_is_not_closed_is_refused():
    with pytest.raises(ExactRequestError, match="quote"):
        fields_in("Name eq 'it's'")


MANDATORY = sorted(endpoint.path for endpoint in load().values() if endpoint.filter_mandatory)


def test_the_endpoints_with_a_mandatory_filter_are_the_known_ones():
    assert len(MANDATORY) == 14


@pytest.mark.parametrize("path", MANDATORY)
def test_a_mandatory_filter_is_asked_for_with_its_fields(path):
    endpoint = resolve(path)
    with pytest.raises(ExactRequestError, match=f"filter: {path} can only be listed with a filter on one of") as error:
        check(path, filter="NoSuchField eq 1", select="ID")
    assert any(name in str(error.value) for name in endpoint.filter_fields)
    check(path, filter=f"{endpoint.filter_fields[0].upper()} eq 'x'", select="ID")


def test_a_mandatory_filter_names_the_endpoint_that_needs_none():
    with pytest.raises(ExactRequestError, match=r"list sync/CRM/Accounts, which needs none, or bulk/CRM/Accounts"):
        check("crm/Accounts")
    with pytest.raises(ExactRequestError, match=r"32 more \(exact-online endpoints crm/Accounts shows them\)"):
        check("crm/Accounts")


@pytest.mark.parametrize(
    ("path", "filter", "words"),
    [
        ("bulk/CRM/Contacts", "City eq 'x' and Account eq guid'y'", "can't be filtered on City, only on ID, Account"),
        ("bulk/CRM/Accounts", "Code eq 'x' and Remarks eq 'y'", "can't be filtered on Remarks"),
        ("sync/CRM/Accounts", "Code eq 'x'", "on Code, only on Timestamp. crm/Accounts can be filtered on more"),
        ("sync/Deleted", "EntityType eq 2 and Division eq 1", "on Division, only on EntityType, Timestamp"),
    ],
)
def test_a_filter_on_a_field_that_bulk_and_sync_endpoints_do_not_take_is_refused(path, filter, words):
    with pytest.raises(ExactRequestError, match=words):
        check(path, filter=filter, select="ID")


def test_bulk_endpoints_are_asked_for_their_fields_unless_one_record_is_wanted():
    with pytest.raises(ExactRequestError, match=r"select: bulk/CRM/Contacts .*select=\['ID'\]"):
        check("bulk/CRM/Contacts")
    check("bulk/CRM/Contacts", top=1)
    check("bulk/CRM/Contacts", select="ID")
    assert sum(endpoint.select_required for endpoint in load().values()) == 17


@pytest.mark.parametrize(
    ("path", "filter"),
    [
        ("sync/CRM/Accounts", None),
        ("sync/CRM/Accounts", "timestamp gt 1L"),
        ("sync/Deleted", "EntityType eq 2 and Timestamp gt 1L"),
        ("project/TimeTransactions", "AnyField eq 1"),
        ("crm/AccountsV2", "Anything goes 'here'"),
    ],
)
def test_what_is_not_known_to_be_refused_goes_through(path, filter):
    check(path, filter=filter)
