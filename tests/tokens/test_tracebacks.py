"""Local variables of tracebacks, as sent in error reports by sentry-sdk: no secret is readable."""

from __future__ import annotations

import json
import os
import traceback
from urllib.parse import quote, urlsplit

import pytest
from cryptography.fernet import Fernet
from requests_oauthlib import OAuth2Session

from airflow_provider_exact import signing_in
from airflow_provider_exact.client.auth import oauth2, token_provider
from airflow_provider_exact.client.auth.server_clock import ServerClock
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.connection import find_connection
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.signing_in import RedirectQuery
from airflow_provider_exact.tokens import lease, token_store, variables
from tests.consent import consent
from tests.tokens.conftest import CONN_ID
from tools.demo.processes import LOOPBACK, free_port

REDIRECT_URI = "http://127.0.0.1:9/callback"

# Functions on the way of a pair from Exact into the store.
STEPS = {
    "request": (OAuth2Session, "request"),
    "url of the request": (oauth2, "_secure"),
    "Date of the response": (oauth2, "sent_at"),
    "clock": (ServerClock, "learn"),
    "JSON of the response": (oauth2, "_json"),
    "new pair": (oauth2.Grants, "_issued"),
    "wait for the response": (token_provider, "wait"),
    "store": (token_store.VariableTokenStore, "write"),
    "look at the stored pair": (token_store.VariableTokenStore, "_to_keep"),
    "seal": (token_store.Seal, "close"),
    "encryption": (Fernet, "encrypt"),
    "write": (variables, "write"),
    "read": (variables, "read_surely"),
    "claim": (lease.Lease, "_claim"),
    "release": (lease.Lease, "_release"),
}


def frames(error, seen=None):
    """Return all frames of an exception and of its causes, without frames of tests."""
    seen = set() if seen is None else seen
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/tests/" not in frame.f_code.co_filename:
            yield frame
    yield from frames(error.__cause__, seen)
    yield from frames(error.__context__, seen)


def found_in(error, secrets):
    """Return the places where a secret is readable."""
    forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
    return [
        f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname} {name}"
        for frame in frames(error)
        for name, value in frame.f_locals.items()
        if any(form in repr(value) for form in forms)
    ]


@pytest.fixture
def secrets(waiting):
    """Return a function for the list of the emulator's secrets so far."""
    return waiting.secrets


def raise_at(monkeypatch, step, kind):
    """Have a step raise an exception; reads only after the token endpoint was asked."""
    owner, name = STEPS[step]
    function = getattr(owner, name)
    asked = []
    sent = oauth2.Grants._sent

    def asking(*args, **options):
        asked.append(True)
        return sent(*args, **options)

    def raising(*args, **options):
        if step == "read" and not asked:
            return function(*args, **options)
        raise kind

    monkeypatch.setattr(oauth2.Grants, "_sent", asking)
    monkeypatch.setattr(owner, name, raising)


def redirect(emulator, settings):
    """Return the query of the redirect after a sign-in at Exact."""
    back = consent(settings.grants().authorize_url(REDIRECT_URI, "state"), emulator)
    return RedirectQuery.of(urlsplit(back).query)


@pytest.fixture(params=["refresh", "sign-in"])
def ask(request, waiting, monkeypatch):
    """Return a function for a refresh, or for the exchange of a code."""
    # No pauses: the length of the attempts to store has separate tests.
    monkeypatch.setattr(token_store, "STORE_PAUSES", ())
    monkeypatch.setattr(token_provider, "MAX_WAIT", 0)
    monkeypatch.setattr(token_provider, "MAX_SIGN_IN_WAIT", 0)
    if request.param == "refresh":
        return lambda: ExactOnlineHook().get_me()
    settings = find_connection(CONN_ID)
    query = redirect(waiting, settings)
    return lambda: signing_in.finish(settings, query.code(), REDIRECT_URI)


@pytest.mark.parametrize(
    ("step", "kind"),
    [(step, RuntimeError) for step in STEPS]
    # The remaining steps run in a second thread, without interruptions by signals.
    + [(step, KeyboardInterrupt) for step in ("wait for the response", "store", "look at the stored pair", "write")],
)
def test_no_frame_holds_a_secret_wherever_an_exception_comes_from(ask, secrets, monkeypatch, step, kind):
    raise_at(monkeypatch, step, kind)
    with pytest.raises((RuntimeError, KeyboardInterrupt, ExactError)) as caught:
        ask()
    assert found_in(caught.value, secrets()) == []


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "token_error", "token_empty", "redirect", "truncated"])
def test_no_frame_holds_a_secret_when_the_token_endpoint_fails(ask, secrets, waiting, kind):
    waiting.fault(kind, endpoint="oauth2/token", times=0)
    with pytest.raises(ExactError) as caught:
        ask()
    assert found_in(caught.value, secrets()) == []


@pytest.mark.parametrize("wrong", [{"password": "a wrong secret"}, {"host": f"http://{LOOPBACK}:{free_port()}"}])
def test_no_frame_holds_a_secret_when_the_connection_is_wrong(waiting, secrets, monkeypatch, wrong):
    query = redirect(waiting, find_connection(CONN_ID))
    name = f"AIRFLOW_CONN_{CONN_ID.upper()}"
    monkeypatch.setenv(name, json.dumps(json.loads(os.environ[name]) | wrong))
    settings = find_connection(CONN_ID)
    for ask in (ExactOnlineHook().get_me, lambda: signing_in.finish(settings, query.code(), REDIRECT_URI)):
        with pytest.raises(ExactError) as caught:
            ask()
        assert found_in(caught.value, [*secrets(), "a wrong secret"]) == []


def test_no_frame_holds_a_secret_when_the_configuration_is_wrong(waiting, secrets, monkeypatch):
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__CONNECT_TIMEOUT", "ten")
    with pytest.raises(ExactError) as caught:
        ExactOnlineHook().get_me()
    assert found_in(caught.value, secrets()) == []


def test_no_frame_holds_a_secret_when_connections_cannot_be_grouped(waiting, secrets, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("The database is gone.")

    monkeypatch.setattr(signing_in, "status", fail)
    with pytest.raises(RuntimeError) as caught:
        signing_in.shared_sign_ins([find_connection(CONN_ID)])
    assert found_in(caught.value, secrets()) == []


def test_the_search_finds_a_secret():
    with pytest.raises(ValueError, match="Expecting") as caught:
        json.loads("[the secret")
    assert found_in(caught.value, ["the secret"])
