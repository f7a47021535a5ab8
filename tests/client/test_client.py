"""The client against the emulator: every operation, every option, every fault."""

from __future__ import annotations

import asyncio
from datetime import date
from itertools import islice

import pytest

from airflow_provider_exact.client.errors import (
    ExactNotFoundError,
    ExactRateLimitError,
    ExactRequestError,
    ExactResponseError,
    ExactTokenError,
    ExactTransportError,
)

HOURS = "project/TimeTransactions"
NOBODY = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def client(exact):
    return exact.client()


@pytest.fixture
def hours(client):
    """Return the fields of a new transaction that Exact takes."""
    row = next(client.list_records(HOURS, top=1, filter={"HourStatus": 20}))
    return {"Item": row["Item"], "Project": row["Project"], "Quantity": 1, "Date": date(2026, 11, 2), "Notes": "é 'n'"}


def last_query(exact):
    return exact.emulator.calls()[-1]["query"]


def test_a_list_goes_on_over_all_pages_and_fetches_them_as_they_are_needed(exact, client):
    records = client.list_records(HOURS, select="ID")
    first = list(islice(records, 60))
    assert exact.emulator.count(endpoint=HOURS) == 1
    first += islice(records, 1)
    assert exact.emulator.count(endpoint=HOURS) == 2
    rest = list(records)
    assert len({row["ID"] for row in first + rest}) == len(first + rest) == 3000
    assert exact.emulator.count(endpoint=HOURS) == 50


def test_a_sync_list_has_pages_of_a_thousand(exact, client):
    rows = list(
        client.list_records("sync/Project/TimeCostTransactions", filter={"Timestamp": (">", 1)}, select="ID,Timestamp")
    )
    assert len(rows) > 3000
    assert all(isinstance(row["Timestamp"], int) for row in rows)
    assert exact.emulator.count(endpoint="sync/Project/TimeCostTransactions") == -(-len(rows) // 1000)


def test_an_async_list_is_the_same_list(exact, client):
    async def listed():
        return [row async for row in client.alist_records(HOURS, select="ID", order_by="ID", top=130)]

    assert asyncio.run(listed()) == list(client.list_records(HOURS, select="ID", order_by="ID", top=130))


@pytest.mark.parametrize(("top", "pages", "sent"), [(1, 1, True), (60, 1, True), (61, 2, False), (150, 3, False)])
def test_top_is_sent_where_it_fits_a_page_and_counted_here_where_not(exact, client, top, pages, sent):
    assert len(list(client.list_records(HOURS, top=top))) == top
    calls = exact.emulator.calls()[-pages:]
    assert exact.emulator.count(endpoint=HOURS) == pages
    assert ("top=" in calls[0]["query"]) is sent


def test_every_option_is_seen_in_the_request(exact, client):
    rows = list(
        client.list_records(
            HOURS,
            filter={"Date": [(">=", date(2026, 6, 1)), ("<", date(2026, 7, 1))], "HourStatus": [10, 20]},
            select=["ID", "Date", "HourStatus"],
            order_by="Date desc",
            top=5,
        )
    )
    assert len(rows) == 5
    assert [row["Date"] for row in rows] == sorted((row["Date"] for row in rows), reverse=True)
    assert all(row["Date"].startswith("2026-06") and set(row) == {"ID", "Date", "HourStatus"} for row in rows)
    from urllib.parse import parse_qs

    query = parse_qs(last_query(exact))
    assert query["$filter"] == [
        "Date ge datetime'2026-06-01T00:00:00' and Date lt datetime'2026-07-01T00:00:00'"
        " and (HourStatus eq 10 or HourStatus eq 20)"
    ]
    assert query["$select"] == ["ID,Date,HourStatus"]
    assert query["$orderby"] == ["Date desc"]
    assert query["$top"] == ["5"]


def test_lines_are_expanded_into_the_record(client):
    order = next(
        client.list_records("salesorder/SalesOrders", filter="OrderNumber gt 0", expand="SalesOrderLines", top=1)
    )
    assert isinstance(order["SalesOrderLines"], list)
    plain = next(client.list_records("salesorder/SalesOrders", filter="OrderNumber gt 0", top=1))
    assert "SalesOrderLines" not in plain


def test_a_record_is_written_read_changed_and_deleted(exact, client, hours):
    created = client.create_record(HOURS, hours)
    assert (created["Notes"], created["Quantity"], created["Date"]) == ("é 'n'", 1, "2026-11-02T00:00:00Z")
    key = created["ID"]
    assert client.get_record(HOURS, key, select="ID,Notes") == {"ID": key, "Notes": "é 'n'"}
    changed = client.update_record(HOURS, key, {"Quantity": "2", "HourStatus": "submitted"})
    assert (changed["Quantity"], changed["HourStatus"], changed["Notes"]) == (2, 10, "é 'n'")
    assert client.delete_record(HOURS, key) is True
    with pytest.raises(ExactNotFoundError):
        client.get_record(HOURS, key)
    with pytest.raises(ExactNotFoundError):
        client.delete_record(HOURS, key)
    assert client.delete_record(HOURS, key, missing_ok=True) is False


def test_what_a_list_gave_can_be_sent_back(client, hours):
    created = client.create_record(HOURS, hours)
    changed = client.update_record(HOURS, created["ID"], {"Date": created["Date"], "Quantity": created["Quantity"]})
    assert (changed["Date"], changed["Quantity"]) == (created["Date"], created["Quantity"])


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        (HOURS, "ID"),
        ("system/Divisions", "Code"),
        ("general/Currencies", "Code"),
        ("logistics/Incoterms", "ID"),
    ],
)
def test_records_are_got_by_every_type_of_key(client, endpoint, key):
    wanted = next(client.list_records(endpoint, select=key))
    assert client.get_record(endpoint, wanted[key])[key] == wanted[key]


def test_another_division_is_another_company(exact, client):
    mine = next(client.list_records(HOURS, select="Division", top=1))
    other = next(client.list_records(HOURS, select="Division", top=1, division=exact.emulator.divisions[1]))
    assert [mine["Division"], other["Division"]] == list(exact.emulator.divisions[:2])


def test_a_division_is_never_guessed(exact):
    from airflow_provider_exact.client.client import ExactClient

    nowhere = ExactClient(exact.site, exact.provider())
    with pytest.raises(ExactRequestError, match=f"division: none is given.*{exact.emulator.division} .Noorderlicht"):
        next(nowhere.list_records(HOURS))

    async def listed():
        return [row async for row in nowhere.alist_records(HOURS)]

    with pytest.raises(ExactRequestError, match="Noorderlicht"):
        asyncio.run(listed())
    assert nowhere.get_me()["UserName"] == exact.emulator.user_name
    assert exact.emulator.count(endpoint=HOURS) == 0


@pytest.mark.parametrize("division", ["abc", 0, -5, 1.5])
def test_a_division_that_is_no_number_is_refused(client, division):
    with pytest.raises(ExactRequestError, match="division"):
        client.list_records(HOURS, division=division)


def test_a_missing_division_is_told_even_when_exact_cannot_be_asked(exact):
    from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
    from airflow_provider_exact.client.client import ExactClient

    with pytest.raises(ExactRequestError, match="division: none is given"):
        ExactClient(exact.site, FixedTokenProvider("refused")).list_records(HOURS)


def test_a_wrong_call_is_refused_before_it_is_made(exact, client):
    before = exact.emulator.statistics()["total"]
    for wrong in (
        lambda: client.list_records("project/TimeTransaction"),
        lambda: client.list_records(HOURS, filter={"Projct": NOBODY}),
        lambda: client.list_records(HOURS, top=0),
        lambda: client.get_record(HOURS, "12"),
        lambda: client.create_record(HOURS, {"Quantity": 1}),
        lambda: client.update_record(HOURS, NOBODY, {"Created": "2026-01-01"}),
        lambda: client.update_record(HOURS, NOBODY, {}),
        lambda: client.delete_record("sync/CRM/Accounts", 1),
    ):
        with pytest.raises(ExactRequestError):
            wrong()
    assert exact.emulator.statistics()["total"] == before


# Faults


def test_no_token_goes_to_another_host(exact, client):
    from airflow_provider_exact.emulator.testing import running_emulator

    with running_emulator() as foreign:
        exact.emulator.fault("next_elsewhere", endpoint=HOURS, host=foreign.url.removeprefix("http://"))
        records = client.list_records(HOURS)
        assert len(list(islice(records, 60))) == 60
        with pytest.raises(ExactResponseError, match="another host"):
            next(records)
        assert foreign.statistics()["total"] == 0
        assert foreign.statistics()["distinct_bearer_tokens"] == 0


def test_a_list_that_would_never_end_is_ended(exact, client):
    exact.emulator.fault("next_self", endpoint=HOURS, nth=2)
    with pytest.raises(ExactResponseError, match="never end"):
        list(client.list_records(HOURS))


def test_a_redirect_is_not_followed(exact, client):
    exact.emulator.fault("redirect", endpoint=HOURS)
    with pytest.raises(ExactResponseError, match="redirect"):
        next(client.list_records(HOURS))


def test_a_post_to_a_server_that_is_not_there_may_be_repeated(exact, hours):
    from airflow_provider_exact.emulator.server import listen

    port = listen("127.0.0.1", 0)
    client = exact.client()
    object.__setattr__(client.site, "base_url", f"http://127.0.0.1:{port.getsockname()[1]}")
    port.close()
    with pytest.raises(ExactTransportError, match="after 4 attempts") as caught:
        client.create_record(HOURS, hours)
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated", "status"])
def test_reading_survives_lost_and_broken_answers(exact, client, kind):
    exact.emulator.fault(kind, method="GET", endpoint=HOURS, nth=2, times=2)
    assert len(list(client.list_records(HOURS, select="ID", top=150))) == 150
    assert len(exact.slept) == 2


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "status"])
def test_changes_and_deletions_are_repeated(exact, client, hours, kind):
    key = client.create_record(HOURS, hours)["ID"]
    exact.emulator.fault(kind, method="PUT")
    assert client.update_record(HOURS, key, {"Notes": "again"})["Notes"] == "again"
    exact.emulator.fault(kind, method="DELETE")
    assert client.delete_record(HOURS, key) is True


def test_an_answer_that_is_too_slow_counts_as_lost(exact):
    exact.emulator.fault("slow", endpoint=HOURS, seconds=4.0, times=1)
    assert next(exact.client(timeout=(60, 1.5)).list_records(HOURS, top=1))
    assert exact.emulator.count(endpoint=HOURS) >= 1
    # On a busy machine a second answer may be too slow as well.
    assert exact.slept


def test_a_server_that_keeps_failing_ends_in_an_error(exact, client):
    exact.emulator.fault("status", endpoint=HOURS, times=0)
    with pytest.raises(ExactTransportError, match="503"):
        next(client.list_records(HOURS))
    assert exact.emulator.count(endpoint=HOURS) == 4


def test_a_401_in_the_middle_of_a_list_is_survived_without_a_refresh(exact):
    client = exact.client(exact.provider())
    exact.emulator.fault("unauthorized", endpoint=HOURS, nth=2)
    assert len(list(client.list_records(HOURS, top=150))) == 150
    assert exact.emulator.statistics()["refreshes"] == 0


def test_a_token_that_expires_in_the_middle_of_a_list_is_refreshed(exact):
    client = exact.client(exact.provider())
    records = client.list_records(HOURS, top=150)
    list(islice(records, 60))
    exact.advance(601)
    assert len(list(records)) == 90
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_token_that_stays_refused_needs_a_person(exact):
    client = exact.client(exact.provider())
    exact.emulator.fault("unauthorized", endpoint=HOURS, times=0)
    with pytest.raises(ExactTokenError, match="also when asked again.*Sign in, please"):
        next(client.list_records(HOURS))
    assert exact.emulator.count(endpoint=HOURS, status=401) == 2


def test_a_list_spreads_its_calls_so_that_it_meets_no_minutes_limit(exact):
    exact.emulator.settings(calls_per_minute=5)
    client = exact.client(exact.provider())
    assert len(list(client.list_records(HOURS, top=60 * 12))) == 720
    assert all(0 < seconds < 62 for seconds in exact.slept)
    assert exact.emulator.count(endpoint=HOURS, status=429) == 0
    assert (client.usage.calls, client.usage.records, client.usage.limited) == (12, 720, 0)
    assert client.usage.waited == pytest.approx(sum(exact.slept))
    assert client.account.seen()[exact.emulator.division].limits.minutely.limit == 5


def test_a_days_limit_is_told_with_its_end(exact, client):
    exact.emulator.settings(calls_per_day=3)
    with pytest.raises(ExactRateLimitError, match="daily") as caught:
        list(client.list_records(HOURS))
    midnight = (exact.clock() // 86_400 + 1) * 86_400
    assert caught.value.resets_at == pytest.approx(midnight, abs=5)
    assert exact.slept == []


def test_a_refusal_tells_exacts_own_words(exact, client):
    with pytest.raises(ExactRequestError, match='Exact Online says: "') as caught:
        next(client.list_records(HOURS, filter="Bogus eq 1"))
    assert f"GET {HOURS} in division {exact.emulator.division}" in str(caught.value)


def test_a_division_that_was_not_granted_is_named(exact, client):
    with pytest.raises(ExactRequestError, match="in division 999999.*may not see this division"):
        next(client.list_records(HOURS, division=999999))
