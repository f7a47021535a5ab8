"""A creation whose answer is lost: found, sent again, or left to a person; never a record too many."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from uuid import uuid4

import pytest

from airflow_provider_exact.client.creation import PAUSE, Moment
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactOutcomeError,
    ExactRateLimitError,
    ExactRequestError,
    ExactTransportError,
)
from airflow_provider_exact.client.likeness import same_value
from airflow_provider_exact.client.transport import Response

HOURS = "project/TimeTransactions"
ACCOUNTS = "crm/Accounts"
INVOICES = "salesinvoice/SalesInvoices"
DONE = ["reset_after", "truncated", "empty"]
NOT_DONE = ["reset_before", "status", "business_error"]


@pytest.fixture
def client(exact):
    return exact.client(exact.provider())


@pytest.fixture
def hours(client):
    """Return the fields of a new transaction that Exact takes."""
    row = next(client.list_records(HOURS, top=1, filter={"HourStatus": 20}))
    return {"Item": row["Item"], "Project": row["Project"], "Quantity": 1, "Date": date(2026, 11, 2), "Notes": "é 'n'"}


@pytest.fixture
def other(exact, client):
    """Return the client of another task, of the same user."""
    return exact.client(client.tokens)


@pytest.fixture
def invoice(client):
    """Return what makes the fields of an invoice of the quantities of its lines."""

    def first(endpoint):
        return next(client.list_records(endpoint, filter="Code ne ''", select="ID", top=1))["ID"]

    line = {"Item": first("logistics/Items"), "GLAccount": first("financial/GLAccounts")}
    header = {"Journal": "70", "OrderedBy": first(ACCOUNTS)}

    def of(*quantities):
        return {**header, "SalesInvoiceLines": [{**line, "Quantity": quantity} for quantity in quantities]}

    return of


def booked(client, notes="é 'n'"):
    return list(client.list_records(HOURS, filter={"Notes": notes}))


def sent(exact, endpoint=HOURS):
    return exact.emulator.count(method="POST", endpoint=endpoint)


@pytest.mark.parametrize("kind", DONE)
def test_what_was_done_although_its_answer_was_lost_is_found_and_returned(exact, client, hours, kind):
    exact.emulator.fault(kind, method="POST", endpoint=HOURS)
    created = client.create_record(HOURS, hours)
    assert [created] == booked(client)
    assert sent(exact) == 1
    assert exact.slept == []


@pytest.mark.parametrize("kind", NOT_DONE)
def test_what_was_not_done_is_looked_for_twice_and_sent_again(exact, client, hours, kind):
    exact.emulator.fault(kind, method="POST", endpoint=HOURS)
    created = client.create_record(HOURS, hours)
    assert [created["ID"]] == [row["ID"] for row in booked(client)]
    assert [call["method"] for call in exact.emulator.calls() if call["endpoint"] == HOURS][1:] == [
        "POST", "GET", "GET", "POST", "GET",
    ]  # fmt: skip
    assert exact.slept == [PAUSE]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(NOT_DONE, DONE)))
def test_a_second_attempt_may_get_lost_as_well(exact, client, hours, first, second):
    exact.emulator.fault(first, method="POST", endpoint=HOURS)
    exact.emulator.fault(second, method="POST", endpoint=HOURS)
    assert [client.create_record(HOURS, hours)] == booked(client)


def test_a_server_that_keeps_failing_has_created_nothing_and_a_retry_is_safe(exact, client, hours):
    exact.emulator.fault("business_error", method="POST", times=0)
    with pytest.raises(ExactTransportError, match=r"bestaat reeds.*is not there: nothing was created") as caught:
        client.create_record(HOURS, hours)
    assert not caught.value.outcome_unknown
    assert sent(exact) == 3
    assert booked(client) == []


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_an_equal_record_of_another_hour_is_another_record(exact, client, hours, zone, kind):
    exact.emulator.settings(zone=zone)
    earlier = client.create_record(HOURS, hours)["ID"]
    exact.advance(7200)
    exact.emulator.fault(kind, method="POST", endpoint=HOURS)
    later = client.create_record(HOURS, hours)["ID"]
    assert {row["ID"] for row in booked(client)} == {earlier, later}
    assert earlier != later


def test_an_equal_record_as_much_older_as_exacts_clock_may_be_ahead_is_told_from_the_new_one(
    exact, client, other, hours
):
    earlier = client.create_record(HOURS, hours)["ID"]
    exact.advance(3600)
    exact.emulator.fault("reset_after", method="POST", endpoint=HOURS)
    later = other.create_record(HOURS, hours)["ID"]
    assert earlier != later
    exact.advance(3600)
    exact.emulator.fault("reset_before", method="POST", endpoint=HOURS)
    with pytest.raises(ExactOutcomeError, match=f"when it was created: {later}"):
        client.create_record(HOURS, hours)


def test_a_moment_that_may_be_of_now_or_of_earlier_leaves_it_to_a_person(exact, client, hours):
    # West of Greenwich, what was created now looks like something older, should Exact show moments in UTC.
    exact.emulator.settings(zone="America/New_York")
    exact.emulator.fault("reset_after", method="POST")
    with pytest.raises(ExactOutcomeError, match="may be it, as far as"):
        client.create_record(HOURS, hours)


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_an_equal_record_of_just_now_leaves_it_to_a_person(exact, client, other, hours, kind):
    earlier = other.create_record(HOURS, hours)["ID"]
    exact.advance(60)
    exact.emulator.fault(kind, method="POST", endpoint=HOURS)
    with pytest.raises(
        ExactOutcomeError, match=rf"division {exact.emulator.division}.*{earlier}.*with the filter"
    ) as caught:
        client.create_record(HOURS, hours)
    assert earlier in caught.value.keys
    assert earlier in [row["ID"] for row in client.list_records(HOURS, filter=caught.value.filter)]
    assert sent(exact) == 2


def test_two_equal_records_of_this_moment_leave_it_to_a_person(exact, client, hours):
    creation = client.creation(HOURS, hours)
    since = client.moment()
    keys = {client.create(creation)["ID"] for _ in range(2)}
    with pytest.raises(ExactOutcomeError, match="2 records have the same content") as caught:
        client.find_created(creation, since)
    assert set(caught.value.keys) == keys


def test_records_that_are_known_to_be_others_are_not_taken_for_it(exact, client, hours):
    creation, since = client.creation(HOURS, hours), client.moment()
    first = client.create(creation)["ID"]
    assert client.find_created(creation.apart_from([first]), since) is None
    second = client.create(creation)["ID"]
    assert client.find_created(creation.apart_from([first.upper()]), since)["ID"] == second


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_what_a_client_has_created_before_is_not_taken_for_the_next_one(exact, client, hours, kind):
    first = client.create_record(HOURS, hours)["ID"]
    exact.emulator.fault(kind, method="POST", endpoint=HOURS)
    second = client.create_record(HOURS, hours)["ID"]
    assert {row["ID"] for row in booked(client)} == {first, second}
    assert first != second


def test_what_a_client_has_found_to_be_created_is_not_taken_for_the_next_one_either(exact, client, other, hours):
    creation, since = client.creation(HOURS, hours), client.moment()
    other.create(creation)
    first = client.find_created(creation, since)["ID"]
    exact.emulator.fault("reset_before", method="POST", endpoint=HOURS)
    assert client.create_record(HOURS, hours)["ID"] != first
    assert len(booked(client)) == 2


def test_a_client_remembers_a_bounded_number_of_keys(client, hours, monkeypatch):
    monkeypatch.setattr("airflow_provider_exact.client.client.MOST_REMEMBERED", 2)
    keys = [client.create_record(HOURS, hours)["ID"] for _ in range(3)]
    assert [key for _, key in client._made] == keys[1:]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_a_record_of_another_task_with_other_lines_is_another_record(exact, client, other, invoice, kind):
    others = other.create_record(INVOICES, invoice(99))["InvoiceID"]
    exact.emulator.fault(kind, method="POST", endpoint=INVOICES)
    mine = client.create_record(INVOICES, invoice(1))["InvoiceID"]
    assert mine != others
    lines = client.get_record(INVOICES, mine, expand="SalesInvoiceLines")["SalesInvoiceLines"]
    assert [line["Quantity"] for line in lines] == [1]
    assert sent(exact, INVOICES) == (2 if kind == "reset_after" else 3)
    assert exact.emulator.count(status=400) == 0


def test_lines_are_compared_in_any_order_where_filters_do_not_go_with_expand(exact, client, other, invoice):
    exact.emulator.settings(expand_with_filter=False)
    since = client.moment()
    key = other.create_record(INVOICES, invoice(1, 2, 2))["InvoiceID"]
    assert client.find_created(client.creation(INVOICES, invoice(2, 1, 2)), since)["InvoiceID"] == key
    assert client.find_created(client.creation(INVOICES, invoice(2, 1, 3)), since) is None


def test_another_number_of_lines_leaves_it_to_a_person(client, other, invoice):
    since = client.moment()
    key = other.create_record(INVOICES, invoice(1, 2))["InvoiceID"]
    with pytest.raises(ExactOutcomeError, match=f"may be it.*{key}"):
        client.find_created(client.creation(INVOICES, invoice(1)), since)


def test_lines_that_can_not_be_read_leave_it_to_a_person(exact, client, other, invoice):
    since = client.moment()
    key = other.create_record(INVOICES, invoice(1))["InvoiceID"]
    exact.emulator.fault("status", method="GET", endpoint=INVOICES, status=400, nth=2)
    with pytest.raises(ExactOutcomeError, match=f"may be it.*{key}") as caught:
        client.find_created(client.creation(INVOICES, invoice(1)), since)
    assert caught.value.keys == (key,)
    assert [row["InvoiceID"] for row in client.list_records(INVOICES, filter=caught.value.filter)] == [key]


def test_lines_that_can_not_be_read_now_are_left_to_the_next_try(exact, client, other, invoice):
    since = client.moment()
    other.create_record(INVOICES, invoice(1))
    exact.emulator.fault("day_limit", method="GET", endpoint=INVOICES, nth=2)
    with pytest.raises(ExactRateLimitError, match="Looking for it has to wait") as caught:
        client.find_created(client.creation(INVOICES, invoice(1)), since)
    assert caught.value.outcome_unknown


def test_what_another_user_created_is_not_taken_for_it(exact, client, hours):
    from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider

    other = exact.client(FixedTokenProvider(exact.emulator.sign_in(user_name="planner@example.test")["access_token"]))
    creation, since = client.creation(HOURS, hours), client.moment()
    other.create_record(HOURS, hours)
    assert client.find_created(creation, since) is None


def test_what_differs_in_one_field_is_another_record(exact, client, hours):
    since = client.moment()
    for change in ({"Notes": "other"}, {"Quantity": 2}, {"Date": date(2026, 11, 3)}, {"HourStatus": 10}):
        client.create_record(HOURS, {**hours, **change})
    assert client.find_created(client.creation(HOURS, {**hours, "HourStatus": 1}), since) is None


def test_what_is_left_empty_may_be_filled_in_and_what_is_not_shown_is_not_told_apart(exact, client, hours):
    exact.emulator.fault("reset_after", method="POST", endpoint=HOURS)
    assert client.create_record(HOURS, {**hours, "Employee": None, "Currency": None})["Currency"] == "EUR"
    without = {name: value for name, value in hours.items() if name != "Notes"}
    since = client.moment()
    shown = client.create_record(HOURS, {**without, "Quantity": 7})["ID"]
    with pytest.raises(ExactOutcomeError, match=f"may be it.*{shown}"):
        client.find_created(client.creation(HOURS, {**hours, "Quantity": 7}), since)


def test_an_interrupted_creation_is_not_looked_for_long_after_it(exact, client, hours):
    creation, since = client.creation(HOURS, hours), client.moment()
    exact.advance(7200)
    client.create(creation)
    assert client.find_created(creation, since, within=1800) is None
    assert client.find_created(creation, since) is not None


def test_a_machine_whose_clock_is_wrong_finds_its_record_by_the_servers(exact, hours):
    wrong = exact.client()
    exact.offset += 5000
    exact.emulator.fault("reset_after", method="POST")
    assert wrong.create_record(HOURS, hours)["Notes"] == hours["Notes"]
    assert sent(exact) == 1


def test_a_moment_before_the_first_answer_is_read_with_what_is_known_later():
    assert Moment(100.0).there(Moment(200.0, -30.0)) == 70.0
    assert Moment(100.0, 5.0).there(Moment(200.0, -30.0)) == 105.0


def test_the_fields_to_look_by_can_be_chosen_and_then_time_does_not_matter(exact, client, hours):
    reference = {**hours, "Notes": "Reference 4711"}
    made = client.create_record(HOURS, reference, verify="notes")["ID"]
    exact.advance(90_000)
    later = client.creation(HOURS, reference, verify=["Notes"])
    assert client.find_created(later, client.moment())["ID"] == made
    assert exact.emulator.calls()[-1]["query"] == "$filter=Notes%20eq%20'Reference%204711'"


@pytest.mark.parametrize("verify", ["Notess", "Activity"])
def test_fields_to_look_by_must_exist_and_have_a_value(client, hours, verify):
    with pytest.raises(ExactRequestError, match="verify"):
        client.create_record(HOURS, hours, verify=verify)


def test_fields_to_look_by_must_be_ones_that_exact_filters_on(exact, client):
    data = {"Name": "Somebody", "Website": "example.test", "Code": "4711"}
    with pytest.raises(ExactRequestError, match=r"verify: crm/Accounts .* on one of ID, Code, Name,.*, not on Website"):
        client.create_record(ACCOUNTS, data, verify="Website")
    assert sent(exact, ACCOUNTS) == 0
    exact.emulator.fault("reset_after", method="POST")
    assert client.create_record(ACCOUNTS, data, verify=["Website", "Code"])["Name"] == "Somebody"
    assert sent(exact, ACCOUNTS) == 1


def test_a_key_of_ones_own_finds_the_record(exact, client, hours):
    key = str(uuid4())
    client.create_record(HOURS, hours)
    exact.emulator.fault("reset_after", method="POST")
    assert client.create_record(HOURS, {**hours, "ID": key})["ID"] == key


def test_a_key_that_existed_before_is_told_so(exact, client, hours):
    key = str(uuid4())
    client.create_record(HOURS, {**hours, "ID": key})
    exact.advance(4000)
    with pytest.raises(ExactRequestError, match=f"{key} exists already"):
        client.create_record(HOURS, {**hours, "ID": key})


def test_a_key_that_the_client_itself_used_just_now_is_told_so(client, hours):
    record = {**hours, "ID": str(uuid4())}
    client.create_record(HOURS, record)
    with pytest.raises(ExactRequestError, match="exists already"):
        client.create_record(HOURS, record)


def test_what_exact_makes_of_a_field_does_not_hide_the_record(exact, client):
    exact.emulator.fault("reset_after", method="POST")
    data = {"Code": "4711", "Name": "Padded code", "StartDate": datetime(2026, 2, 1)}
    created = client.create_record(ACCOUNTS, data)
    assert created["Code"].strip() == "4711"
    assert sent(exact, ACCOUNTS) == 1
    assert exact.emulator.count(status=400) == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "type_name", "same"),
    [
        ("4711", "              4711", "String", True),
        ("Line one\nline two", "line one\r\nLine two", "String", True),
        ("x" * 60, "x" * 50, "String", True),
        ("Run 10", "Run 1", "String", False),
        (1.234, 1.23, "Double", True),
        (1.25, 1.26, "Double", False),
        ("9007199254740993", 9007199254740993, "Int64", True),
        (True, 1, "Boolean", True),
        (False, 1, "Boolean", False),
        ("2026-11-02T09:00:00", "2026-11-02T00:00:00Z", "DateTime", True),
        ("2026-11-02T09:00:00", "2026-11-02T10:00:00Z", "DateTime", False),
        ("AB", "ab", "Guid", True),
        (1, "one", "Int32", False),
    ],
)
def test_a_value_is_the_same_when_exact_may_have_made_it_of_the_other(ours, theirs, type_name, same):
    assert same_value(ours, theirs, type_name) is same


def test_an_endpoint_without_list_leaves_it_to_a_person(exact, client):
    exact.emulator.fault("status", method="POST")
    with pytest.raises(ExactOutcomeError, match="has no list"):
        client.create_record("salesorder/PrintedSalesOrders", {"OrderId": str(uuid4())})


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_an_endpoint_that_tells_no_moment_is_searched_by_what_the_record_belongs_to(exact, client, kind):
    subject = client.create_record("documents/Documents", {"Subject": "Files", "Type": 55})["ID"]
    data = {"Document": subject, "FileName": "a.txt", "Attachment": b"some content"}
    exact.emulator.fault(kind, method="POST", endpoint="documents/DocumentAttachments")
    if kind == "reset_before":
        assert client.create_record("documents/DocumentAttachments", data)["FileName"] == "a.txt"
    else:
        with pytest.raises(ExactOutcomeError, match="does not tell when it was created"):
            client.create_record("documents/DocumentAttachments", data)
    made = list(client.list_records("documents/DocumentAttachments", filter={"Document": subject}))
    assert len(made) == 1


def test_an_endpoint_that_nobody_knows_leaves_it_to_a_person(client):
    client.transport.inner.send = lambda request: Response(500)
    with pytest.raises(ExactOutcomeError, match="no field that was sent finds it"):
        client.create_record("crm/NewThings", {"Name": "x"})


def test_a_look_that_fails_says_that_the_record_may_exist(exact, client, hours):
    exact.emulator.fault("reset_after", method="POST")
    exact.emulator.fault("status", method="GET", endpoint=HOURS, times=0)
    with pytest.raises(ExactTransportError, match="Looking for it failed") as caught:
        client.create_record(HOURS, hours)
    assert caught.value.outcome_unknown
    assert not isinstance(caught.value, ExactOutcomeError)


def test_a_look_that_a_limit_delays_says_when_it_can_go_on(exact, client, hours):
    exact.emulator.fault("reset_after", method="POST")
    exact.emulator.fault("day_limit", method="GET", times=0)
    with pytest.raises(ExactRateLimitError, match="Looking for it has to wait") as caught:
        client.create_record(HOURS, hours)
    assert caught.value.outcome_unknown
    assert caught.value.resets_at > exact.clock()


def test_a_look_that_exact_refuses_leaves_it_to_a_person(exact, client, hours):
    exact.emulator.fault("reset_after", method="POST")
    exact.emulator.fault("status", method="GET", endpoint=HOURS, status=400)
    with pytest.raises(ExactOutcomeError, match="could not be looked for"):
        client.create_record(HOURS, hours)


def test_an_odd_answer_to_a_creation_is_looked_into(exact, client, hours):
    send = client.transport.inner.send

    def oddly(request):
        answer = send(request)
        return Response(201, body=b'{"d":"?"}') if request.method == "POST" else answer

    client.transport.inner.send = oddly
    assert [client.create_record(HOURS, hours)] == booked(client)
    assert sent(exact) == 1


def test_what_exact_creates_without_showing_it_is_returned_as_it_was_sent(client, hours):
    client.transport.inner.send = lambda _: Response(200)
    assert client.create_record(HOURS, hours)["Notes"] == hours["Notes"]


@pytest.mark.parametrize("status", [301, 400, 403])
def test_a_creation_that_was_refused_is_not_looked_for(exact, client, hours, status):
    exact.emulator.fault("status" if status != 301 else "redirect", method="POST", status=max(status, 400))
    with pytest.raises(ExactError) as caught:
        client.create_record(HOURS, hours)
    assert not caught.value.outcome_unknown
    assert exact.emulator.count(method="GET", endpoint=HOURS) == 1
