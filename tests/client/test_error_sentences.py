"""
What a person reads for each refusal that Exact is known for.

Where the catalogue knows of it, the call is not made at all. Where it gets through, because Exact knows a rule that the
catalogue does not, the sentence names the call, says what to do, and quotes Exact.
"""

from __future__ import annotations

import pytest

from airflow_provider_exact.client import client as client_module
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.errors import (
    ExactRateLimitError,
    ExactRequestError,
    ExactTransportError,
    refusal,
)
from airflow_provider_exact.client.transport import Request, Response

HOURS = "project/TimeTransactions"


@pytest.fixture
def client(exact):
    return exact.client()


@pytest.fixture
def unknowing(exact, monkeypatch):
    """Return a client that knows no rules, as before a rule that Exact adds tomorrow."""
    monkeypatch.setattr(client_module, "check_listing", lambda *_, **__: None)
    monkeypatch.setattr(client_module, "check_not_filtered", lambda *_, **__: None)
    monkeypatch.setattr(client_module, "parameter_texts", lambda *_: {})
    monkeypatch.setattr(client_module, "check_record", lambda _, data, method: dict(data))
    return exact.client()


LISTS = [
    pytest.param(
        "bulk/CRM/Contacts",
        {},
        "select: bulk/CRM/Contacts can only be listed with the fields named, such as select=['ID'].",
        "Please add a $select or a $top=1 statement to the query string.",
        id="select",
    ),
    pytest.param(
        "crm/Accounts",
        {},
        "filter: crm/Accounts can only be listed with a filter on one of ID, Code, Name, Modified, Created, Status, "
        "AccountManager, Accountant, AddressLine1, AddressLine2, AddressLine3, BRIN, BSN, Blocked, ChamberOfCommerce "
        "and 32 more (exact-online endpoints crm/Accounts shows them). Or list sync/CRM/Accounts, which needs none, or "
        "bulk/CRM/Accounts, which needs one too and has 1000 records a page.",
        "This endpoint has mandatory filtering applied. A GET request on this endpoint must have a $filter parameter "
        "with one of the following fields in the url: ",
        id="mandatory filter",
    ),
    pytest.param(
        "bulk/CRM/Contacts",
        {"filter": {"City": "Assen"}, "select": "ID"},
        "filter: bulk/CRM/Contacts can't be filtered on City, only on ID, Account, IdentificationDocument, "
        "IdentificationUser, Person. crm/Contacts can be filtered on more; or choose from the records that come.",
        "Filtering on these fields is not supported: City",
        id="filter on other fields",
    ),
    pytest.param(
        "read/project/HoursByDate",
        {"filter": "Date eq datetime'2026-01-05'"},
        "filter: read/project/HoursByDate is a function and takes parameters instead: call it with "
        "ExactOnlineFunctionOperator or ExactOnlineHook.call_function. It takes checkDate (DateTime).",
        "Error in query syntax",
        id="function with a filter",
    ),
]


@pytest.mark.parametrize(("endpoint", "options", "sentence", "_said"), LISTS)
def test_a_list_that_exact_would_refuse_is_not_asked_for(client, exact, endpoint, options, sentence, _said):
    with pytest.raises(ExactRequestError) as error:
        list(client.list_records(endpoint, **options))
    assert str(error.value) == sentence
    assert exact.emulator.calls() == []


@pytest.mark.parametrize(("endpoint", "options", "_sentence", "said"), LISTS)
def test_a_list_that_exact_refuses_all_the_same_quotes_it(unknowing, exact, endpoint, options, _sentence, said):
    with pytest.raises(ExactRequestError) as error:
        list(unknowing.list_records(endpoint, **options))
    division = exact.emulator.division
    beginning = f'GET {endpoint} in division {division}: refused (400); change the call. Exact Online says: "{said}'
    assert str(error.value).startswith(beginning)
    assert exact.emulator.count(status=400) == 1


def test_an_empty_filter_is_not_sent_and_one_that_exact_can_not_read_is_quoted(client, exact):
    assert list(client.list_records("project/Projects", filter=" ", top=1))
    assert "filter" not in exact.emulator.calls()[-1]["query"]
    text = "This $filter parameter is not supported for this resource"
    answer = Response(400, body=b'{"error":{"code":"","message":{"lang":"","value":"%s"}}}' % text.encode())
    sentence = str(refusal(answer, Request("GET", "https://exact.test", subject="GET crm/X in division 1")))
    assert sentence == f'GET crm/X in division 1: refused (400); change the call. Exact Online says: "{text}"'


def test_a_missing_field_is_named_before_the_call(client, exact):
    with pytest.raises(ExactRequestError) as error:
        client.create_record("crm/Accounts", {"City": "Assen"})
    assert str(error.value) == "data: crm/Accounts needs Name, which is missing."
    assert exact.emulator.calls() == []


def test_a_missing_field_that_the_catalogue_does_not_know_of_is_named_by_exact(unknowing, exact):
    with pytest.raises(ExactRequestError) as error:
        unknowing.create_record("crm/Accounts", {"City": "Assen"})
    assert str(error.value) == (
        f"POST crm/Accounts in division {exact.emulator.division}: refused (400); change the call. "
        'Exact Online says: "Mandatory: Name"'
    )


def test_a_right_or_module_that_lacks_is_told_with_what_to_check(client, exact):
    exact.emulator.fault("status", endpoint=HOURS, status=403)
    with pytest.raises(ExactRequestError) as error:
        list(client.list_records(HOURS))
    assert str(error.value) == (
        f"GET {HOURS} in division {exact.emulator.division}: forbidden (403): the signed-in user lacks the right, the "
        "licence lacks the module, the app registration lacks the scope, or the record to change is not there. "
        "The function users/UserHasRights tells what the user may do."
    )


def test_a_division_that_was_not_granted_is_told_from_the_reason(exact):
    other = exact.emulator.divisions[1]
    token = exact.emulator.sign_in(divisions=[exact.emulator.division])["access_token"]
    with pytest.raises(ExactRequestError) as error:
        list(exact.client(FixedTokenProvider(token)).list_records(HOURS, division=other))
    assert str(error.value) == (
        f"GET {HOURS} in division {other}: forbidden (403): the signed-in user may not see this division, or did not "
        'grant it to the app; correct the division, or sign in again and tick it. Exact Online says: "Forbidden"'
    )


def test_a_scope_that_the_app_lacks_is_quoted(exact):
    app = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    exact.emulator.register_app(app, "secret", "Narrow", scopes={"crm accounts": "read"})
    token = exact.emulator.sign_in(client_id=app)["access_token"]
    with pytest.raises(ExactRequestError) as error:
        list(exact.client(FixedTokenProvider(token)).list_records(HOURS))
    assert str(error.value) == (
        f"GET {HOURS} in division {exact.emulator.division}: forbidden (403): the app registration lacks the scope "
        "'projects.billing'. In Exact's App Center, open the app, set the area Projects → Billing to Manage, and sign "
        'in again; Exact may have to approve the change first. Exact Online says: "Forbidden - Application Scope '
        "Violated. Cannot read 'projects.billing' scope.\""
    )


@pytest.mark.parametrize(
    "body",
    [
        "Forbidden - Application Scope Violated. Cannot read 'organization.administration' scope.",
        '{"error": {"message": {"value": "Forbidden - Application Scope Violated. Cannot read '
        '\\u0027organization.administration\\u0027 scope."}}}',
    ],
)
def test_a_missing_scope_is_found_in_plain_text_and_in_json(exact, body):
    exact.emulator.fault("status", status=403, body=body, endpoint=HOURS)
    with pytest.raises(ExactRequestError, match="lacks the scope 'organization.administration'.*App Center.*Manage"):
        list(exact.client().list_records(HOURS))


@pytest.mark.parametrize(
    ("kind", "sentence"), [("minute_limit", "minutely limit"), ("day_limit", "daily limit")], ids=["minute", "day"]
)
def test_a_limit_is_told_with_its_moment(exact, kind, sentence):
    exact.emulator.fault(kind, endpoint=HOURS, times=0)
    # So that the next reset is neither in a moment nor waited for.
    exact.advance(-exact.clock() % 86_400 + 3600)
    with pytest.raises(ExactRateLimitError) as error:
        list(exact.client().list_records(HOURS))
    call = f"GET {HOURS} in division {exact.emulator.division}"
    beginning = f"{call}: Exact's {sentence} for this app and division is used up. It opens again at 20"
    assert str(error.value).startswith(beginning)
    assert str(error.value).endswith(" UTC.")


def test_a_business_error_is_not_taken_for_a_passing_failure(client, exact):
    data = {"ID": "11111111-2222-3333-4444-555555555555", "Name": "Wadloper"}
    client.create_record("crm/Accounts", data)
    before = exact.emulator.count(method="POST")
    exact.advance(6 * 3600)
    with pytest.raises(ExactRequestError, match="11111111-2222-3333-4444-555555555555 exists already"):
        exact.client().create_record("crm/Accounts", data)
    assert exact.emulator.count(method="POST") == before + 1
    exact.emulator.fault("business_error", method="PUT", endpoint="crm/Accounts", times=0)
    with pytest.raises(ExactTransportError) as error:
        exact.client().update_record("crm/Accounts", data["ID"], {"City": "Assen"})
    assert 'Exact Online failed (500). Exact Online says: "Gegeven bestaat reeds."' in str(error.value)
