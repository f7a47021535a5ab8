"""Airflow's channel to its Variables is slow, or fails: the channel is played here, everything else is real."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import structlog

from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.token import Token
from airflow_provider_exact.client.errors import ExactError, ExactTokenError, ExactTransportError
from airflow_provider_exact.tokens import lease as lease_room
from airflow_provider_exact.tokens import token_store as store_room
from airflow_provider_exact.tokens import variables
from tests.sealed import opened, sealed, settings_of

KEY = "exact_online_token__any"


class Channel:
    """Answers as a task's supervisor does; ``fail`` holds how many of the next reads and writes fail."""

    def __init__(self):
        self.kept = {}
        self.fail = {"GetVariable": 0, "PutVariable": 0}
        self.before = lambda message: None

    def send(self, message=None, *, msg=None):
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time.comms import ErrorResponse, VariableResult

        message = message or msg
        kind = type(message).__name__
        self.before(message)
        if self.fail.get(kind):
            self.fail[kind] -= 1
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 500}))
        match kind:
            case "GetVariable" if message.key in self.kept:
                return VariableResult(key=message.key, value=self.kept[message.key])
            case "GetVariable":
                return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND, detail={"key": message.key})
            case "PutVariable":
                self.kept[message.key] = message.value
        return None


@pytest.fixture
def channel(monkeypatch):
    from airflow.sdk.execution_time import task_runner

    played = Channel()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", played, raising=False)
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT", raising=False)
    return played


@pytest.fixture
def quick(monkeypatch):
    """Count the pauses instead of making them."""
    slept = []
    for room in (variables, lease_room, store_room):
        monkeypatch.setattr(room, "time", SimpleNamespace(sleep=slept.append, time=time.time))
    return slept


@pytest.fixture
def exact(emulator, channel):
    """Make a signed-in connection with an expired token, in a task."""
    from airflow_provider_exact.tokens import providers

    settings = settings_of(emulator)
    pair = emulator.sign_in()
    now = time.time()
    token = {"access_token": pair["access_token"], "refresh_token": pair["refresh_token"]}
    token |= {"issued_at": now - 601, "expires_at": now - 1}
    channel.kept[settings.token_key] = sealed(settings, token)
    emulator.advance(601)
    providers._providers.clear()
    slept = []

    def provider_of(conn_id, **changes):
        provider = settings_of(emulator, conn_id, **changes).refreshing_provider().shared
        provider.sleep = provider.store._sleep = provider.store.lease._sleep = slept.append
        clock = lambda: time.time() + sum(slept)  # noqa: E731
        provider.grants.clock.local = provider.store._clock = provider.store.lease._clock = clock
        return provider

    yield SimpleNamespace(
        provider=provider_of("exact_online_default"),
        provider_of=provider_of,
        slept=slept,
        emulator=emulator,
        key=settings.token_key,
        opened=lambda: opened(settings, channel.kept[settings.token_key]),
    )
    providers._providers.clear()


def test_a_task_reads_and_writes_through_its_supervisor(exact):
    token = exact.provider.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_read_that_fails_once_is_not_taken_for_nobody_signed_in(exact, channel):
    channel.fail["GetVariable"] = 1
    assert exact.provider.get().access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_reads_that_fail_for_long_are_no_reason_to_sign_in(exact, channel):
    channel.fail["GetVariable"] = 10_000
    with pytest.raises(ExactTransportError, match="did not read the Variable 'exact_online_token__"):
        exact.provider.get()
    assert exact.emulator.count(endpoint="oauth2/token") == 0


def test_a_variable_that_is_not_there_is_believed_at_once(exact, channel):
    del channel.kept[exact.key]
    with pytest.raises(ExactTokenError, match="Nobody has signed in yet"):
        exact.provider.get()
    assert exact.slept == []


def test_a_database_that_fails_is_no_reason_to_sign_in(server, monkeypatch):
    from airflow.models import Variable
    from sqlalchemy.exc import OperationalError

    def fail(*_args, **_options):
        raise OperationalError("SELECT", None, Exception("the server closed the connection"))

    monkeypatch.setattr(Variable, "get", lambda *_args, **_options: None)
    monkeypatch.setattr("sqlalchemy.orm.Session.scalar", fail)
    with pytest.raises(ExactTransportError, match="did not read the Variable"):
        variables.read_surely(KEY, sleep=lambda _: None)


def test_a_database_that_recovers_between_two_looks_is_no_reason_to_sign_in(server, monkeypatch):
    from airflow.models import Variable

    variables.write(KEY, "tokens", description="")
    monkeypatch.setattr(Variable, "get", lambda *_args, **_options: None)
    assert variables.read_surely(KEY, pauses=()) == "tokens"


def test_a_claim_that_fails_is_tried_again(exact, channel):
    channel.fail["PutVariable"] = 2
    assert exact.provider.get().access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_without_a_claim_nothing_is_refreshed(exact, channel):
    channel.fail["PutVariable"] = 10_000
    with pytest.raises(ExactTransportError, match="took no claim"):
        exact.provider.get()
    assert exact.emulator.statistics()["refreshes"] == 0


def test_a_new_pair_is_stored_even_if_airflow_fails_several_times(exact, channel):
    def fail_at_the_token(message):
        if type(message).__name__ == "PutVariable" and message.key == exact.key and not channel.tried:
            channel.tried = True
            channel.fail["PutVariable"] = 3

    channel.tried = False
    channel.before = fail_at_the_token
    token = exact.provider.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_new_pair_is_stored_even_if_it_takes_long_to_see_what_it_replaces(exact, channel, monkeypatch):
    refresh = Grants.refresh

    def fail_afterwards(grants, token, **options):
        channel.fail["GetVariable"] = 10
        return refresh(grants, token, **options)

    monkeypatch.setattr(Grants, "refresh", fail_afterwards)
    token = exact.provider.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def fail_to_store(exact, channel, provider):
    """Have a provider refresh while Airflow does not store the pair."""

    def fail(message):
        if type(message).__name__ == "PutVariable" and message.key == exact.key:
            channel.fail["PutVariable"] = 1

    channel.before = fail
    with pytest.raises(ExactTransportError, match="did not store"):
        provider.get()
    channel.before = lambda message: None


def test_a_pair_that_could_not_be_stored_is_stored_by_the_next_call_of_this_process(exact, channel):
    fail_to_store(exact, channel, exact.provider)
    token = exact.provider.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_sign_in_outlives_an_earlier_pair_that_could_not_be_stored(exact, channel):
    own = exact.emulator.sign_in()["refresh_token"]
    exact.emulator.advance(601)
    owner = exact.provider_of("owner", refresh_token=own)
    fail_to_store(exact, channel, owner)
    pair = exact.emulator.sign_in()
    at = owner.grants.clock.now()
    token = Token(pair["access_token"], pair["refresh_token"], at, at + 600)
    exact.provider.store.write(token)
    assert owner.get() == token
    assert exact.opened()["refresh_token"] == token.refresh


def test_an_unsaved_pair_is_stored_although_exact_refused_a_second_process(exact, channel):
    from airflow_provider_exact.tokens import providers

    own = exact.emulator.sign_in()["refresh_token"]
    exact.emulator.advance(601)
    owner = exact.provider_of("owner", refresh_token=own)
    fail_to_store(exact, channel, owner)
    providers._providers.clear()
    with pytest.raises(ExactError):
        exact.provider_of("owner", refresh_token=own).get()
    token = owner.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_another_connection_of_the_process_stores_a_pair_that_could_not_be_stored(exact, channel):
    fail_to_store(exact, channel, exact.provider)
    token = exact.provider_of("second").get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_a_lease_that_cannot_be_given_back_does_not_fail_the_call(exact, channel):
    def fail_at_the_release(message):
        if type(message).__name__ == "PutVariable" and '"owner": null' in (message.value or ""):
            channel.fail["PutVariable"] = 1

    channel.before = fail_at_the_release
    assert exact.provider.get().access


def test_a_refusal_that_cannot_be_noted_is_still_told(exact, channel):
    def fail_at_the_note(message):
        if type(message).__name__ == "PutVariable" and "refused" in message.value:
            channel.fail["PutVariable"] = 1

    channel.before = fail_at_the_note
    exact.emulator.sign_in()
    with pytest.raises(ExactTokenError, match="newer one of the same user"):
        exact.provider.get()


def test_reads_and_writes_of_two_seconds_lose_nothing(exact, channel, monkeypatch):
    passed = []
    # The supervisor asks the API server for Variables only.
    channel.before = lambda message: passed.append(2.0 if "Variable" in type(message).__name__ else 0.0)
    clock = lambda: time.time() + sum(passed) + sum(exact.slept)  # noqa: E731
    exact.provider.grants.clock.local = exact.provider.store._clock = exact.provider.store.lease._clock = clock
    token = exact.provider.get()
    assert exact.opened()["access_token"] == token.access
    assert exact.emulator.statistics()["refreshes"] == 1


def test_no_call_reads_the_variable_while_a_token_serves(exact, channel):
    exact.provider.get()
    asked = []
    channel.before = asked.append
    for _ in range(20):
        exact.provider.get()
    assert asked == []


def look_from_a_callback(found):
    found["here"] = variables.can_write()
    with ThreadPoolExecutor() as pool:
        found["thread"] = pool.submit(variables.can_write).result()


def test_the_callback_of_a_deadline_writes_nothing_that_its_supervisor_would_never_answer(channel):
    supervisor = pytest.importorskip("airflow.sdk.execution_time.callback_supervisor")
    assert variables.can_write()
    found = {}
    path = f"{__name__}.{look_from_a_callback.__name__}"
    assert supervisor.execute_callback(path, {"found": found}, "dag.py", None, structlog.get_logger()) == (True, None)
    assert found == {"here": False, "thread": False}
    assert variables.can_write()
