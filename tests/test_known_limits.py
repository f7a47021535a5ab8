from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_provider_exact import accounts, known_limits
from airflow_provider_exact.client.budget import Seen
from airflow_provider_exact.client.errors import ExactErrorLimitError, ExactRateLimitError, ExactRequestError
from airflow_provider_exact.client.rate_limit import RateLimits, Window
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.records import ExactOnlineListOperator
from airflow_provider_exact.tokens import variables
from tests.waiting import hold_at_full_minute

NOW = 1_000_000.0
SEEN = Seen(RateLimits(Window(60, 51, NOW + 30), Window(5000, 4990, NOW + 9000)), NOW)


def test_a_finished_task_leaves_what_it_saw(connection, server):
    hold_at_full_minute(connection)
    task = ExactOnlineListOperator(task_id="t", endpoint="project/Projects", top=1)
    task.execute({})
    task.post_execute({})
    ((division, seen),) = known_limits.known("exact_online_default").items()
    assert division == connection.division
    assert seen.text(connection.now()) == "59 of 60 a minute, 4999 of 5000 a day"


def test_divisions_are_remembered_side_by_side(server):
    known_limits.note("c", {1: SEEN}, clock=lambda: NOW)
    known_limits.note("c", {2: replace(SEEN, at=NOW + 1)}, clock=lambda: NOW + 1)
    assert {division: seen.at for division, seen in known_limits.known("c").items()} == {1: NOW, 2: NOW + 1}


def test_a_window_that_has_ended_is_not_shown():
    seen = SEEN
    assert seen.text(NOW) == "51 of 60 a minute, 4990 of 5000 a day"
    assert seen.text(NOW + 60) == "4990 of 5000 a day"
    assert seen.text(NOW + 10_000) == ""


def test_where_nothing_can_be_written_nothing_happens(server, monkeypatch):
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT")
    known_limits.note("c", {1: SEEN}, clock=lambda: NOW)
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    assert variables.read("exact_online_limits__c") is None


def test_nonsense_in_the_variable_is_no_reason_to_fail(server):
    variables.write("exact_online_limits__c", "nonsense", description="")
    assert known_limits.known("c") == {}
    known_limits.note("c", {1: SEEN}, clock=lambda: NOW)
    assert set(json.loads(variables.read("exact_online_limits__c"))) == {"1"}


def test_two_processes_add_up_the_errors_of_the_last_hour(server):
    known_limits.note_errors("c", {"1 a": [NOW - 4000, NOW - 10]}, clock=lambda: NOW)
    known_limits.note_errors("c", {"1 a": [NOW - 5], "1 b": [NOW]}, clock=lambda: NOW)
    assert known_limits.known_errors("c") == {"1 a": [NOW - 10, NOW - 5], "1 b": [NOW]}


def test_an_error_that_another_process_wrote_over_is_written_again(server, monkeypatch):
    write, overwritten = variables.write, []

    def clumsy(key, text, *, description):
        # Another process has read before us and writes after us.
        write(key, text if overwritten else '{"1 b": [999999.0]}', description=description)
        overwritten.append(key)

    monkeypatch.setattr(variables, "write", clumsy)
    known_limits.note_errors("c", {"1 a": [NOW]}, clock=lambda: NOW)
    assert known_limits.known_errors("c") == {"1 a": [NOW], "1 b": [NOW - 1]}


def test_an_airflow_that_fails_costs_a_task_nothing(server, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(variables, "read", fail)
    assert (known_limits.known("c"), known_limits.known_errors("c")) == ({}, {})
    monkeypatch.setattr("airflow.models.Variable.set", fail)
    known_limits.note("c", {1: SEEN}, clock=lambda: NOW)
    known_limits.note_errors("c", {"1 a": [NOW]}, clock=lambda: NOW)


def test_a_new_process_stops_where_another_one_met_too_many_errors(connection, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__ERRORS_PER_HOUR", "3")
    for _ in range(3):
        accounts.forget()
        with pytest.raises(ExactRequestError):
            list(ExactOnlineHook().list_records("project/TimeTransactions", filter="Nonsense eq 1"))
    accounts.forget()
    with pytest.raises(ExactErrorLimitError):
        list(ExactOnlineHook().list_records("project/TimeTransactions", filter="Quantity gt 0"))
    assert connection.count(endpoint="project/TimeTransactions") == 3


def test_a_new_process_waits_where_another_one_used_up_the_minute(connection, server):
    hold_at_full_minute(connection)
    connection.settings(calls_per_minute=1)
    list(ExactOnlineHook().list_records("project/Projects", top=1))
    accounts.forget()
    with pytest.raises(ExactRateLimitError, match="minutely"):
        list(ExactOnlineHook(patience=0).list_records("project/Projects", top=1))
    assert connection.count(status=429) == 0
