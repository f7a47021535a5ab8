from __future__ import annotations

import json

from airflow_provider_exact import metrics
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from tests.waiting import wait_in_no_time

PROJECTS = "project/Projects"


class Stats:
    def __init__(self):
        self.counted = []

    def incr(self, name, count, *, tags):
        self.counted.append((name, count, tags))

    def timing(self, name, milliseconds, *, tags):
        self.counted.append((name, milliseconds, tags))


def test_calls_limits_and_waits_are_counted_by_connection(connection, monkeypatch):
    stats = Stats()
    monkeypatch.setattr(metrics, "_stats", lambda: stats)
    connection.fault("minute_limit", method="GET", endpoint=PROJECTS)
    client = ExactOnlineHook().get_conn()
    slept = wait_in_no_time(client)
    list(client.list_records(PROJECTS, top=1))
    tags = {"conn_id": "exact_online_default"}
    names = [name for name, _, _ in stats.counted]
    assert names.count("exact_online.calls") == 2
    assert names.count("exact_online.limited") == 1
    assert ("exact_online.waited", slept[0] * 1000, tags) in stats.counted


def test_a_refresh_is_counted(emulator, server, monkeypatch):
    stats = Stats()
    monkeypatch.setattr(metrics, "_stats", lambda: stats)
    extra = {"division": emulator.division, "refresh_token": emulator.sign_in()["refresh_token"]}
    fields = {"login": emulator.client_id, "password": emulator.client_secret, "extra": extra}
    made = {"conn_type": "exact_online", "host": emulator.url, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_COUNTED", json.dumps(made))
    emulator.advance(600)
    ExactOnlineHook("counted").get_me()
    assert ("exact_online.refreshes", 1, {"conn_id": "counted"}) in stats.counted


def test_metrics_that_fail_cost_nothing(monkeypatch):
    monkeypatch.setattr(metrics, "_stats", lambda: None)
    metrics.counter("c")("calls", 1)


def test_airflows_own_metrics_take_them():
    metrics._stats().incr("exact_online.calls", 1, tags={"conn_id": "c"})
    metrics._stats().timing("exact_online.waited", 1.5, tags={"conn_id": "c"})
