"""Rows read ahead of their use: the same rows, one page under way, nothing lost at an error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactRequestError
from airflow_provider_exact.client.rows import RowReader, columns_of, iso_texts
from airflow_provider_exact.client.transport import NoResponse, Request
from tests.waiting import until

HOURS = "project/TimeTransactions"


@pytest.fixture
def client(exact):
    return exact.client()


def reader(*fields):
    return RowReader(columns_of(resolve(HOURS), fields or ("ID", "Date", "Quantity")), iso_texts)


def test_the_rows_are_the_records(client):
    rows = [row for page in client.list_rows(HOURS, reader()) for row in page.records]
    records = list(client.list_records(HOURS, select="ID,Date,Quantity"))
    assert [(row.f0, row.f1, row.f2) for row in rows] == [(r["ID"], r["Date"], r["Quantity"]) for r in records]
    assert len(rows) == 3000


def test_the_next_page_is_under_way_while_one_is_worked_on(exact, client):
    pages = client.list_rows(HOURS, reader())
    next(pages)
    # The emulator answers on its own; only what it was asked tells how far the client is ahead.
    assert until(lambda: exact.emulator.count(endpoint=HOURS) == 2)
    next(pages)
    pages.close()
    assert exact.emulator.count(endpoint=HOURS) <= 3


def test_a_call_is_on_its_way_before_the_caller_goes_on(exact, monkeypatch):
    monkeypatch.setattr("airflow_provider_exact.client.account.HANDOVER", 120.0)
    transport, begun = exact.client().transport, threading.Event()

    def send(request):
        begun.set()
        return NoResponse("gone")

    transport.inner.send = send
    with ThreadPoolExecutor(1) as executor:
        for _ in range(5):
            begun.clear()
            transport.begin(Request("GET", f"{exact.emulator.url}/"), executor)
            assert begun.is_set()


def test_only_the_sending_leaves_the_thread(exact):
    # Airflow's Variables, behind the tokens and the budgets, are for one thread at a time.
    seen = set()

    class Watched:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            seen.add(threading.current_thread().name)
            return getattr(self.inner, name)

    client = exact.client()
    client.account = client.transport.account = Watched(client.account)
    client.tokens = Watched(client.tokens)
    assert sum(len(page.records) for page in client.list_rows(HOURS, reader())) == 3000
    assert seen == {threading.current_thread().name}


def test_a_page_that_came_is_handed_out_before_the_limit_that_stops_the_next_one(exact, client):
    exact.emulator.fault("day_limit", endpoint=HOURS, nth=3)
    pages = client.list_rows(HOURS, reader())
    rows = len(next(pages).records)
    page = next(pages)
    rows += len(page.records)
    with pytest.raises(ExactRateLimitError):
        next(pages)
    assert rows == 120
    client = exact.client()
    assert rows + sum(len(page.records) for page in client.list_rows(HOURS, reader(), start=page.next_url)) == 3000


def test_a_lost_answer_in_the_thread_has_the_same_second_chances(exact):
    client = exact.client(exact.provider())
    exact.emulator.fault("reset_after", endpoint=HOURS, nth=2)
    exact.emulator.fault("status", endpoint=HOURS, nth=5)
    exact.emulator.fault("unauthorized", endpoint=HOURS, nth=9)
    assert sum(len(page.records) for page in client.list_rows(HOURS, reader())) == 3000


def test_a_link_of_another_list_is_refused(exact, client):
    elsewhere = f"{exact.emulator.url}/api/v1/{exact.emulator.division}/crm/Accounts?$skiptoken=x"
    with pytest.raises(ExactRequestError, match="belongs to another list"):
        client.list_rows(HOURS, reader(), start=elsewhere)


def test_a_list_can_be_counted(client):
    assert client.count_records(HOURS) == 3000
    assert client.count_records(HOURS, filter="Quantity gt 1000") == 0
