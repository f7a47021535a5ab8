"""A connection becomes a client, in each place where Airflow runs a hook."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from airflow_provider_exact import signing_in
from airflow_provider_exact.client.errors import ExactRequestError, ExactTokenError, ExactTransportError
from airflow_provider_exact.connection import ConnectionSettings, find_connection, known_connections, known_ids
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.tokens import providers, variables
from airflow_provider_exact.tokens.token_store import lease_key
from tests.sealed import opened, sealed, settings_of, store, stored, token_key

CONN_ID = "exact_online_default"


def put_connection(monkeypatch, conn_id=CONN_ID, **fields):
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "exact_online", **fields}))


TOKEN = {"access_token": "a", "refresh_token": "r", "issued_at": 0, "expires_at": 0}


def app(emulator, **extra):
    return {"host": emulator.url, "login": emulator.client_id, "password": emulator.client_secret, "extra": extra}


@pytest.fixture
def waiting(emulator, server, monkeypatch):
    """Make a connection with a refresh token that is old enough to be used."""
    put_connection(
        monkeypatch, **app(emulator, division=emulator.division, refresh_token=emulator.sign_in()["refresh_token"])
    )
    emulator.advance(571)
    return emulator


def test_a_refresh_token_in_the_connection_is_used_once_and_its_successor_kept_in_the_variable(waiting):
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name
    assert waiting.statistics()["refreshes"] == 1
    kept = json.loads(stored())
    assert {"access_token", "refresh_token", "issued_at", "expires_at"} <= set(kept)
    assert json.loads(variables.read(lease_key(token_key())))["owner"] is None


def test_a_new_refresh_token_in_the_connection_wins_over_what_is_stored(waiting, monkeypatch):
    ExactOnlineHook().get_me()
    put_connection(
        monkeypatch, **app(waiting, division=waiting.division, refresh_token=waiting.sign_in()["refresh_token"])
    )
    waiting.advance(571)
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name
    assert waiting.statistics()["refreshes"] == 2


@pytest.mark.parametrize("wrong", ["login", "password"])
def test_a_corrected_client_id_or_secret_is_tried_at_once(waiting, monkeypatch, wrong):
    right = app(waiting, refresh_token=ExactOnlineHook().settings.refresh_token)
    put_connection(monkeypatch, **right | {wrong: "wrong"})
    for _ in range(2):
        with pytest.raises(ExactTokenError, match="client id or client secret is wrong"):
            ExactOnlineHook().get_me()
    assert waiting.count(endpoint="oauth2/token") == 1
    put_connection(monkeypatch, **right)
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name


def test_tokens_can_be_kept_under_a_chosen_name(waiting, monkeypatch):
    variables.write("finance", "somebody's other Variable", description="")
    extra = {"refresh_token": waiting.sign_in()["refresh_token"], "token_variable": "finance"}
    put_connection(monkeypatch, **app(waiting, **extra))
    waiting.advance(571)
    ExactOnlineHook().get_me()
    host = waiting.url.removeprefix("http://").replace(":", "_")
    assert token_key() == f"exact_online_token__{host}__{waiting.client_id}__finance"
    assert variables.read(token_key())
    assert variables.read(lease_key(token_key()))
    assert variables.read("finance") == "somebody's other Variable"


def test_a_ready_access_token_is_used_as_it_is(connection):
    hook = ExactOnlineHook()
    assert hook.get_me()["UserName"] == connection.user_name
    rows = list(hook.list_records("project/TimeTransactions", top=3, select="ID"))
    assert rows == asyncio.run(hook.alist_records("project/TimeTransactions", top=3, select="ID"))
    assert connection.count(endpoint="oauth2/token") == 0


def test_the_hooks_division_goes_before_the_connections(connection):
    other = connection.divisions[1]
    rows = ExactOnlineHook(division=str(other)).list_records("project/TimeTransactions", top=1)
    assert next(rows)["Division"] == other


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"login": "", "password": "x", "extra": {"region": "nl"}}, "lacks Client ID"),
        ({"extra": {"region": "nl"}}, "lacks Client ID and Client secret"),
        ({"login": "x", "password": "x"}, "region: none is given"),
        ({"login": "x", "password": "x", "extra": {"region": "xx"}}, "'xx' is not one of"),
        (
            {"login": "x", "password": "x", "host": "https://start.exactonline.be", "extra": {"region": "nl"}},
            "contradict",
        ),
        (
            {"login": "x", "password": "x", "extra": {"region": "nl", "division": "3.100.001"}},
            "Connection 'exact_online_default', default division: expected a whole number above 0",
        ),
    ],
)
def test_a_connection_that_is_incomplete_or_contradicts_itself_is_refused_before_any_call(monkeypatch, fields, words):
    put_connection(monkeypatch, **fields)
    with pytest.raises(ExactRequestError, match=words):
        ExactOnlineHook().get_conn()


def test_a_connection_of_another_type_is_refused(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "http", "host": "x"}))
    with pytest.raises(ExactRequestError, match="'other' is of type 'http'"):
        ExactOnlineHook("other").get_conn()


def test_a_connection_uri_with_scheme_and_port_means_the_same(emulator):
    from airflow.sdk import Connection

    port = int(emulator.url.rpartition(":")[2])
    made = Connection(conn_id="x", conn_type="exact_online", host="127.0.0.1", schema="http", port=port)
    assert ConnectionSettings.of(made).site.base_url == emulator.url


def test_no_secret_is_in_a_settings_representation():
    settings = ConnectionSettings("c", "id", "hidden-1", refresh_token="hidden-2", access_token="hidden-3")
    assert "hidden" not in repr(settings)


# Test connection


def test_the_test_says_who_is_signed_in(connection):
    ok, words = ExactOnlineHook().test_connection()
    assert ok
    assert f"Signed in to {connection.url} as Daniel Emmers; default division {connection.division}" in words
    assert connection.statistics()["total"] == 1


# Before and after the saved connection in the alphabet.
@pytest.mark.parametrize("made_up", ["0gtg3jtv", "vgtg3jtv"])
@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("shown", ["the saved one", "***", None])
def test_the_test_under_a_made_up_id_finds_the_saved_connections_tokens(waiting, monkeypatch, made_up, shown, is_used):
    if is_used:
        ExactOnlineHook().get_me()
    if shown == "the saved one":
        shown = ExactOnlineHook().settings.refresh_token
    put_connection(monkeypatch, made_up, **app(waiting, refresh_token=shown))
    ok, words = ExactOnlineHook(made_up).test_connection()
    assert (ok, "Signed in" in words) == (True, True)
    assert waiting.statistics()["refreshes"] == 1


def test_the_test_of_a_form_that_nobody_signed_in_for_spends_nothing(emulator, server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_VGTG3JTV", json.dumps({"conn_type": "exact_online", **app(emulator)}))
    emulator.register_app("{other}", "s", "Other")
    put_connection(monkeypatch, "other_app", **(app(emulator) | {"login": "{other}"}))
    ok, words = ExactOnlineHook("vgtg3jtv").test_connection()
    assert not ok
    assert "no sign-in fits its client ID and client secret" in words
    assert emulator.statistics()["total"] == 0


def test_the_test_of_a_wrong_secret_tells_no_more_than_one_without_a_sign_in(emulator, server, monkeypatch):
    wrong = app(emulator) | {"password": "wrong"}
    put_connection(monkeypatch, "vgtg3jtv", **wrong)
    before = ExactOnlineHook("vgtg3jtv").test_connection()
    put_connection(monkeypatch, **app(emulator, refresh_token=emulator.sign_in()["refresh_token"]))
    emulator.advance(571)
    assert ExactOnlineHook("vgtg3jtv").test_connection() == before
    assert ExactOnlineHook().get_me()["UserName"] == emulator.user_name
    calls = emulator.statistics()["total"]
    assert ExactOnlineHook("vgtg3jtv").test_connection() == before
    assert before[0] is False
    # As Airflow 3.1.3 tests a saved connection.
    put_connection(monkeypatch, "vgtg3jtv", **wrong | {"password": "***"})
    ok, words = ExactOnlineHook("vgtg3jtv").test_connection()
    assert (ok, "without the saved client secret" in words) == (True, True)
    assert emulator.statistics()["total"] == calls


def test_the_test_of_another_server_url_sends_no_stored_token(waiting, monkeypatch):
    extra = {"refresh_token": ExactOnlineHook().settings.refresh_token, "token_variable": "chosen"}
    saved = app(waiting, **extra)
    put_connection(monkeypatch, **saved)
    ExactOnlineHook().get_me()
    before = waiting.statistics()["total"]
    put_connection(monkeypatch, "vgtg3jtv", **saved | {"host": waiting.url.replace("127.0.0.1", "localhost")})
    ok, words = ExactOnlineHook("vgtg3jtv").test_connection()
    assert (ok, "no sign-in fits" in words) == (False, True)
    assert waiting.statistics()["total"] == before


def test_connections_of_one_app_share_a_sign_in(waiting, monkeypatch):
    ExactOnlineHook().get_me()
    braced = app(waiting, division=waiting.divisions[1]) | {"login": f"{{{waiting.client_id.upper()}}}"}
    put_connection(monkeypatch, "second", **app(waiting, division=waiting.divisions[1]))
    put_connection(monkeypatch, "braced", **braced)
    for conn_id in ("second", "braced"):
        assert token_key(conn_id) == token_key()
        assert ExactOnlineHook(conn_id).get_me()["UserName"] == waiting.user_name
    assert waiting.statistics()["refreshes"] == 1
    host = waiting.url.removeprefix("http://").replace(":", "_")
    assert token_key() == f"exact_online_token__{host}__{waiting.client_id}"


def test_a_dead_refresh_token_of_one_connection_leaves_the_shared_sign_in(waiting, monkeypatch, caplog):
    dead = waiting.sign_in()["refresh_token"]
    put_connection(monkeypatch, **app(waiting, refresh_token=waiting.sign_in()["refresh_token"]))
    put_connection(monkeypatch, "second", **app(waiting, refresh_token=dead))
    waiting.advance(571)
    ExactOnlineHook().get_me()
    for _ in range(2):
        assert ExactOnlineHook("second").get_me()["UserName"] == waiting.user_name
    assert "Exact refused the refresh token in the connection 'second'" in caplog.text
    # The refusal was asked for once, and counts as the only error.
    assert (waiting.statistics()["refreshes"], waiting.count(endpoint="oauth2/token")) == (1, 2)
    assert signing_in.status(find_connection("second")).is_stored
    assert ExactOnlineHook().get_me()["UserName"] == waiting.user_name


def test_each_connection_of_a_process_names_itself(emulator, server, monkeypatch):
    for conn_id in ("first", "second"):
        put_connection(monkeypatch, conn_id, **app(emulator))
        with pytest.raises(ExactTokenError, match=f"Sign in for the connection '{conn_id}'"):
            ExactOnlineHook(conn_id).get_me()


def new_processes():
    """Forget the providers of this process."""
    providers._providers.clear()


def test_two_dead_refresh_tokens_of_one_app_are_asked_about_once_each(waiting, monkeypatch):
    dead = [waiting.sign_in()["refresh_token"] for _ in range(3)][:2]
    for number, refresh_token in enumerate(dead):
        put_connection(monkeypatch, f"number_{number}", **app(waiting, refresh_token=refresh_token))
    put_connection(monkeypatch, "wrong_secret", **app(waiting, refresh_token=dead[0]) | {"password": "wrong"})
    waiting.advance(571)
    for _ in range(2):
        for conn_id in ("number_0", "number_1", "wrong_secret"):
            with pytest.raises(ExactTokenError, match=f"Sign in for the connection '{conn_id}'"):
                ExactOnlineHook(conn_id).get_me()
            new_processes()
    assert waiting.count(endpoint="oauth2/token") == 3


def test_a_refresh_token_that_was_refused_by_mistake_is_asked_about_again(waiting, monkeypatch):
    ExactOnlineHook().get_me()
    # The new sign-in ends the stored sign-in; a gateway refuses the new refresh token once.
    put_connection(monkeypatch, "second", **app(waiting, refresh_token=waiting.sign_in()["refresh_token"]))
    waiting.advance(1200)
    waiting.fault("status", endpoint="oauth2/token", status=403, body="<html></html>", times=1)
    with pytest.raises(ExactTokenError):
        ExactOnlineHook("second").get_me()
    new_processes()
    with pytest.raises(ExactTokenError):
        ExactOnlineHook("second").get_me()
    later = json.loads(variables.read(lease_key(token_key("second"))))
    for refusal in later["refused"].values():
        refusal |= {"until": refusal["until"] - 700, "pending_until": max(0, refusal["pending_until"] - 700)}
    variables.write(lease_key(token_key("second")), json.dumps(later), description="")
    new_processes()
    assert ExactOnlineHook("second").get_me()["UserName"] == waiting.user_name


@pytest.mark.parametrize("changes", [{"login": "another"}, {"extra": {"region": "be"}, "host": ""}])
@pytest.mark.parametrize("chosen", [{}, {"token_variable": "finance"}])
def test_another_app_or_site_has_a_sign_in_of_its_own(emulator, monkeypatch, changes, chosen):
    put_connection(monkeypatch, **app(emulator, **chosen))
    fields = app(emulator) | changes
    put_connection(monkeypatch, "second", **fields | {"extra": fields["extra"] | chosen})
    assert token_key("second") != token_key()


def test_the_test_of_a_form_that_is_not_saved_leaves_its_refresh_token_to_the_tasks(emulator, server, monkeypatch):
    put_connection(monkeypatch, "vgtg3jtv", **app(emulator, refresh_token=emulator.sign_in()["refresh_token"]))
    emulator.advance(571)
    assert not ExactOnlineHook("vgtg3jtv").test_connection()[0]
    assert emulator.count(endpoint="oauth2/token") == 0


def test_the_test_uses_no_ready_token_and_no_refresh_token_of_another_connection(waiting, monkeypatch):
    ExactOnlineHook().get_me()
    before = stored()
    put_connection(monkeypatch, "aaa_ready", **app(waiting, access_token="outdated"))
    put_connection(monkeypatch, "bbb_own", **app(waiting, refresh_token="never used"))
    put_connection(monkeypatch, "vgtg3jtv", **app(waiting))
    ok, words = ExactOnlineHook("vgtg3jtv").test_connection()
    assert (ok, "Signed in" in words) == (True, True)
    assert stored() == before


def test_the_test_of_a_form_that_is_not_saved_leaves_the_stored_sign_in(waiting, monkeypatch):
    ExactOnlineHook().get_me()
    before = opened(settings_of(waiting), stored()) | {"issued_at": time.time() - 601, "expires_at": time.time() - 1}
    store(sealed(settings_of(waiting), before))
    # The new sign-in ends the stored sign-in at Exact.
    put_connection(monkeypatch, "vgtg3jtv", **app(waiting, refresh_token=waiting.sign_in()["refresh_token"]))
    waiting.advance(571)
    ok, words = ExactOnlineHook("vgtg3jtv").test_connection()
    assert (ok, "Save the connection, and sign in on the page" in words) == (False, True)
    assert opened(settings_of(waiting), stored()) == before
    assert "vgtg3jtv" not in variables.read(lease_key(token_key()))


def test_the_test_where_nothing_can_be_stored_calls_nobody(waiting, monkeypatch):
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT")
    ok, words = ExactOnlineHook().test_connection()
    assert ok
    assert "not called" in words
    assert waiting.count(endpoint="oauth2/token") == 0


def test_the_test_answers_a_broken_connection_with_a_sentence(monkeypatch):
    put_connection(monkeypatch, login="x", password="x", extra={"region": "xx"})
    assert ExactOnlineHook().test_connection()[0] is False


def test_where_nothing_can_be_stored_a_due_token_is_not_refreshed(waiting, monkeypatch):
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT")
    with pytest.raises(ExactTransportError, match="could not store"):
        ExactOnlineHook().get_me()
    assert waiting.count(endpoint="oauth2/token") == 0


def test_connections_are_found_in_the_database_the_environment_and_by_their_tokens(emulator, server, monkeypatch):
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="in_database", conn_type="exact_online", host=emulator.url))
        session.add(Connection(conn_id="unrelated", conn_type="http"))
    put_connection(monkeypatch, "in_environment", **app(emulator))
    variables.write("exact_online_token__damaged", "{}", description="")
    variables.write(
        "exact_online_token__gone", sealed(settings_of(emulator), TOKEN | {"connections": ["gone"]}), description=""
    )
    assert [settings.conn_id for settings in known_connections()[0]] == ["in_database", "in_environment"]
    assert "gone" in known_ids()
