"""How often an endpoint may refuse before it is left alone, across clients and processes."""

from __future__ import annotations

import pytest

from airflow_provider_exact.client.account import Account
from airflow_provider_exact.client.error_budget import HOUR, ErrorBudget, subject_of
from airflow_provider_exact.client.errors import ExactErrorLimitError, ExactRequestError
from airflow_provider_exact.client.transport import Request, Response

NOW = 1_700_000_000.0
HOURS = "project/TimeTransactions"
WRONG = {"filter": "Nonsense eq 1"}


@pytest.mark.parametrize(
    ("url", "division", "subject"),
    [
        ("https://x/api/v1/7/crm/Accounts", 7, "7 crm/accounts"),
        ("https://x/api/v1/7/crm/Accounts(guid'a')?$select=ID", 7, "7 crm/accounts"),
        ("https://x/api/v1/7/crm/Accounts%28guid%27a%27%29", 7, "7 crm/accounts"),
        ("https://x/api/v1/7/read/project/RecentHours", 7, "7 read/project/recenthours"),
        ("https://x/sub/api/v1/current/Me", None, "0 current/me"),
        ("https://x/docs/XMLUpload.aspx?Topic=Items", 7, "7 docs/xmlupload.aspx"),
    ],
)
def test_errors_are_counted_by_division_and_endpoint(url, division, subject):
    assert subject_of(Request("GET", url, division=division)) == subject


def test_the_count_rolls_over_an_hour():
    errors = ErrorBudget(3)
    for number in range(3):
        assert errors.hold("1 a", NOW + number) is None
        errors.count("1 a", NOW + number)
    assert errors.hold("1 a", NOW + 10).seconds == HOUR - 10
    assert errors.hold("1 b", NOW + 10) is None
    assert errors.hold("1 a", NOW + HOUR) is None


def test_calls_stop_by_themselves_before_exact_blocks_the_app(exact):
    client = exact.client(exact.provider())
    for _ in range(8):
        with pytest.raises(ExactRequestError):
            list(client.list_records(HOURS, **WRONG))
    with pytest.raises(ExactErrorLimitError, match=rf"{HOURS} in division \d+: not called.*errors_per_hour") as stop:
        list(client.list_records(HOURS, filter="Quantity gt 0"))
    assert stop.value.resets_at == pytest.approx(exact.clock() + HOUR, abs=30)
    assert exact.emulator.count(endpoint=HOURS) == 8
    assert len(list(client.list_records("project/Projects", top=1))) == 1
    exact.advance(HOUR)
    assert list(client.list_records(HOURS, filter="Quantity gt 0", top=1))


def test_a_429_is_no_error(exact):
    exact.emulator.settings(calls_per_minute=1)
    tokens = exact.provider()
    other, client = exact.client(tokens), exact.client(tokens)
    for _ in range(12):
        assert list(other.list_records("project/Projects", top=1))
        assert list(client.list_records("project/Projects", top=1))
    assert exact.emulator.count(status=429) > 8


def test_a_429_that_names_no_limit_after_many_errors_is_taken_for_the_block(exact):
    exact.emulator.settings(error_limit=4)
    client = exact.client()
    for _ in range(4):
        with pytest.raises(ExactRequestError):
            list(client.list_records(HOURS, **WRONG))
    slept = len(exact.slept)
    for _ in range(3):
        with pytest.raises(ExactErrorLimitError):
            list(client.list_records(HOURS, filter="Quantity gt 0", top=1))
    assert len(exact.slept) == slept
    assert exact.emulator.count(endpoint=HOURS, status=429) == 1


@pytest.mark.parametrize(("stop_at", "errors"), [(8, 1), (8, 3), (5, 2), (0, 7)])
def test_a_429_that_names_no_limit_after_few_errors_is_waited_out(exact, stop_at, errors):
    client = exact.client(account=Account(errors_per_hour=stop_at, clock=exact.clock))
    for _ in range(errors):
        with pytest.raises(ExactRequestError):
            list(client.list_records(HOURS, **WRONG))
    exact.emulator.fault("status", endpoint=HOURS, status=429)
    assert list(client.list_records(HOURS, filter="Quantity gt 0", top=1))
    assert exact.emulator.count(endpoint=HOURS, status=429) == 1


def test_without_a_limit_of_its_own_exact_decides(exact):
    exact.emulator.settings(error_limit=0)
    client = exact.client(account=Account(errors_per_hour=0, clock=exact.clock))
    for _ in range(12):
        with pytest.raises(ExactRequestError):
            list(client.list_records(HOURS, **WRONG))


def test_processes_hear_of_each_others_errors_within_a_minute():
    class Memory:
        def __init__(self):
            self.kept = {}

        def limits(self):
            return {}

        def tell_limits(self, limits):
            pass

        def errors(self):
            return self.kept

        def tell_errors(self, errors):
            self.kept = {**self.kept, **errors}

    clock = [NOW]
    memory = Memory()
    one, other = (Account(memory, clock=lambda: clock[0], jitter=lambda: 0.5) for _ in range(2))
    request = Request("GET", "https://x/api/v1/1/crm/Accounts", division=1)
    for _ in range(8):
        assert other.hold(request) is None
        assert one.hold(request) is None
        one.note(request, Response(404))
        other.note(request, Response(200))
        clock[0] += 7
    clock[0] += 60
    assert other.hold(request).limit == "errors"
