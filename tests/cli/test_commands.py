"""The commands as a person uses them: the emulator's form is filled in, the browser comes back."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
from importlib.metadata import entry_points

import pytest
import requests
from airflow import __version__ as airflow_version

from airflow_provider_exact.cli import commands
from airflow_provider_exact.cli.main import parser
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from tests.consent import consent
from tests.sealed import opened, sealed, settings_of, store, stored

CONN_ID = "exact_online_default"
# Registered with the emulator's app like any other loopback address.
ELSEWHERE = "http://127.0.0.1:9/callback"


@pytest.fixture
def connected(emulator, server, monkeypatch):
    """Make a connection that nobody signed in for; return a function that changes it."""

    def connect(**changes):
        extra = {"division": emulator.division, "redirect_uri": ELSEWHERE} | changes.pop("extra", {})
        fields = {"conn_type": "exact_online", "host": emulator.url, "login": emulator.client_id}
        fields |= {"password": emulator.client_secret, "extra": extra} | changes
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(fields))

    connect()
    return connect


def person(emulator, url, decision="allow"):
    """Allow the default division only."""
    return consent(url, emulator, decision=decision, division=[str(emulator.division)])


@pytest.fixture
def paste(emulator, monkeypatch, capsys):
    """Have the person paste what ``change`` makes of the address that the browser ended at."""
    told = {}

    def prepare(change=lambda address: address, decision="allow"):
        def pasted(_prompt):
            url = re.search(r"http://\S+/api/oauth2/auth\S*", capsys.readouterr().out)[0]
            told["address"] = person(emulator, url, decision)
            return change(told["address"])

        monkeypatch.setattr("builtins.input", pasted)
        return told

    return prepare


def run(*words):
    args = parser().parse_args(words)
    args.func(args)


def test_login_takes_the_pasted_address_and_tells_who_signed_in(connected, paste, emulator, capsys):
    paste()
    run("login", "--no-browser")
    out = capsys.readouterr().out
    assert "Signed in as Daniel Emmers" in out
    assert f"{emulator.division}  Noorderlicht Techniek B.V. (the connection's default)" in out
    assert str(emulator.divisions[1]) not in out
    assert ExactOnlineHook().get_me()["UserName"] == emulator.user_name
    assert emulator.statistics()["refreshes"] == 0


def test_login_catches_the_browser_on_loopback(connected, emulator, monkeypatch, capsys):
    from airflow_provider_exact.emulator.server import listen

    free = listen("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()

    def browse(url):
        # A browser also asks for its little picture; only the answer to the sign-in counts.
        def come_back():
            requests.get(f"http://127.0.0.1:{port}/favicon.ico", timeout=60)
            page = requests.get(person(emulator, url), timeout=60)
            assert "Back from Exact Online" in page.text

        threading.Thread(target=come_back).start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    run("login", "--redirect-uri", f"http://127.0.0.1:{port}/callback")
    assert "Signed in as Daniel Emmers" in capsys.readouterr().out
    assert stored()


def test_a_new_sign_in_wins_over_what_is_stored(connected, paste, emulator):
    paste()
    run("login", "--no-browser")
    first = opened(settings_of(emulator), stored())
    run("login", "--no-browser")
    second = opened(settings_of(emulator), stored())
    assert first["refresh_token"] != second["refresh_token"]
    assert second["signed_in"]["user"] == "Daniel Emmers"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda address: address.replace("state=", "state=x"), "does not belong to the sign-in"),
        (lambda address: address.partition("?")[0], "No address of a sign-in was given"),
        (lambda address: "", "No address of a sign-in was given"),
        (lambda address: f"http://[{address}", "No address of a sign-in was given"),
        (lambda address: re.sub(r"code=[^&]+", "code=stampNL001.x!y", address), "Exact refused the code"),
        (lambda address: re.sub(r"code=[^&]+&?", "", address), "holds no code"),
    ],
)
def test_an_address_that_is_not_the_right_one_is_refused(connected, paste, change, words):
    paste(change)
    with pytest.raises(SystemExit, match=words):
        run("login", "--no-browser")
    assert stored() is None


@pytest.mark.parametrize("address", ["http://[", "http://127.0.0.1:99999/callback", "127.0.0.1/callback"])
def test_a_redirect_uri_that_is_no_address_is_refused_before_anything_begins(connected, paste, address, capsys):
    paste()
    with pytest.raises(SystemExit, match="is not an address. Give the redirect URI"):
        run("login", "--redirect-uri", address)
    assert "Open this address" not in capsys.readouterr().out


def test_denied_consent_is_told(connected, paste):
    paste(decision="deny")
    with pytest.raises(SystemExit, match="Access was denied"):
        run("login", "--no-browser")


def test_a_used_code_is_told(connected, paste, emulator):
    def use_it_first(address):
        code = requests.utils.unquote(re.search(r"code=([^&]+)", address)[1])
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": ELSEWHERE}
        form |= {"client_id": emulator.client_id, "client_secret": emulator.client_secret}
        assert requests.post(f"{emulator.url}/api/oauth2/token", data=form, timeout=60).ok
        return address

    paste(use_it_first)
    with pytest.raises(SystemExit, match="it was used already"):
        run("login", "--no-browser")


def test_an_expired_code_is_told(connected, paste, emulator):
    paste(lambda address: (emulator.advance(600), address)[1])
    with pytest.raises(SystemExit, match="older than a minute or two"):
        run("login", "--no-browser")


def test_a_wrong_client_secret_is_told(connected, paste):
    connected(password="wrong")
    paste()
    with pytest.raises(SystemExit, match="client id or client secret is wrong"):
        run("login", "--no-browser")


def test_no_terminal_is_told(connected, monkeypatch):
    def closed(_prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    with pytest.raises(SystemExit, match="Run the command in a terminal"):
        run("login", "--no-browser")


def test_a_connection_that_is_not_there_is_told(server):
    with pytest.raises(SystemExit, match="no connection 'nowhere' of type exact_online"):
        run("login", "--conn-id", "nowhere")


def test_a_ready_token_leaves_nothing_to_sign_in_for(connected):
    connected(extra={"access_token": "ready"})
    with pytest.raises(SystemExit, match="ready access token"):
        run("login")


def status_rows(capsys, *words):
    capsys.readouterr()
    run("status", *words, "--output", "json")
    captured = capsys.readouterr()
    # Airflow 3.1 writes its own log lines to standard output, too.
    return json.loads(captured.out[captured.out.index("[{") :]), captured.err


def age(days):
    kept = json.loads(stored())
    for moment in ("issued_at", "expires_at"):
        kept[moment] -= days * 86_400
    store(json.dumps(kept))


def test_status_tells_how_a_connection_stands_without_a_call(connected, paste, emulator, capsys):
    rows, _ = status_rows(capsys)
    assert [row["state"] for row in rows] == ["never signed in"]
    paste()
    run("login", "--no-browser")
    calls = emulator.statistics()["total"]
    rows, warnings = status_rows(capsys, CONN_ID)
    assert rows[0]["state"] == "signed in"
    assert rows[0]["user"] == "Daniel Emmers"
    assert rows[0]["site"] == emulator.url
    assert rows[0]["division"] == str(emulator.division)
    assert re.fullmatch(r"\d+ s", rows[0]["token_age"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rows[0]["refresh_token_until"])
    assert rows[0]["lease"] == "free"
    assert warnings == ""
    age(1)
    assert status_rows(capsys)[0][0]["state"] == "refresh due"
    assert emulator.statistics()["total"] == calls


@pytest.mark.parametrize(
    ("days", "state", "words"), [(25, "refresh due", "dies in 4 days"), (31, "sign-in needed", "30 days")]
)
def test_status_warns_before_a_sign_in_dies_and_after(connected, paste, capsys, days, state, words):
    paste()
    run("login", "--no-browser")
    age(days)
    rows, warnings = status_rows(capsys)
    assert rows[0]["state"] == state
    assert words in warnings


def test_status_shows_a_broken_connection_with_its_reason(connected, capsys):
    connected(host="", extra={"region": "xx"})
    rows, _ = status_rows(capsys)
    assert "'xx' is not one of" in rows[0]["state"]


def test_no_secret_is_printed(connected, paste, emulator, capsys):
    told = paste()
    run("login", "--no-browser")
    run("status")
    out = "".join(capsys.readouterr())
    kept = opened(settings_of(emulator), stored())
    code = re.search(r"code=([^&]+)", told["address"])[1]
    for secret in (kept["access_token"], kept["refresh_token"], emulator.client_secret, code):
        assert secret not in out


def test_the_console_script_and_the_group_in_airflow_are_the_same_commands(capsys):
    from airflow_provider_exact.cli.definition import get_cli_commands

    (group,) = get_cli_commands()
    assert group.name == "exact-online"
    commands = {command.name: getattr(command, "subcommands", ()) for command in group.subcommands}
    assert list(commands) == ["login", "status", "endpoints", "divisions", "call", "cursor"]
    assert [command.name for command in commands["cursor"]] == ["list", "show", "set", "reset"]
    (script,) = entry_points(group="console_scripts", name="exact-online")
    with pytest.raises(SystemExit) as ended:
        script.load()(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: exact-online ")
    assert all(name in shown for name in commands)


@pytest.mark.system
@pytest.mark.smoke
def test_the_definition_does_not_import_what_commands_need():
    program = (
        "import sys, airflow_provider_exact.cli.definition;"
        "print([name for name in sys.modules if name.startswith('airflow_provider_exact.client')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().splitlines()[-1] == "[]"


def test_a_database_without_tables_is_told_in_a_sentence(tmp_path):
    database = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/empty.db"}
    command = [sys.executable, "-m", "airflow_provider_exact.cli.main", "status"]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | database, check=False)
    assert ran.returncode == 1
    assert ran.stderr.strip().splitlines()[-1] == (
        "exact-online: Airflow's database can't be used (no such table: connection). Check [database] "
        "sql_alchemy_conn, and run 'airflow db migrate'."
    )


def test_commands_end_with_a_sentence_when_stopped(connected, monkeypatch):
    def stopped(_prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", stopped)
    with pytest.raises(SystemExit, match="nothing was changed"):
        commands.login(argparse.Namespace(conn_id=CONN_ID, no_browser=True, redirect_uri=None))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("client.client.ExactClient.get_me", "the tokens are stored, so the connection .* is signed in"),
        ("signing_in.clashes", "the tokens are stored, so the connection .* is signed in"),
        ("client.auth.oauth2.Grants.exchange", "no new tokens are stored. Start the sign-in again"),
    ],
)
def test_a_login_that_is_stopped_tells_whether_tokens_were_stored(connected, paste, monkeypatch, function, words):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    paste()
    monkeypatch.setattr(f"airflow_provider_exact.{function}", stop)
    with pytest.raises(SystemExit, match=words):
        run("login", "--no-browser")
    assert bool(stored()) == ("the tokens are stored" in words)


def test_a_refresh_during_a_login_is_not_taken_for_the_sign_in(connected, paste, emulator, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    def refresh(address):
        token = {"access_token": "a", "refresh_token": "r", "issued_at": 1, "expires_at": 2}
        store(sealed(settings_of(emulator), token))
        return address

    paste(refresh)
    monkeypatch.setattr("airflow_provider_exact.client.auth.oauth2.Grants.exchange", stop)
    with pytest.raises(SystemExit, match="no new tokens are stored"):
        run("login", "--no-browser")


@pytest.mark.skipif(airflow_version < "3.2", reason="Airflow 3.1 finds no connection with a list in its extra")
def test_status_shows_a_damaged_connection_beside_the_others(connected, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_CONN_DAMAGED", json.dumps({"conn_type": "exact_online", "extra": "[1]"}))
    found = {row["conn_id"]: row["state"] for row in status_rows(capsys)[0]}
    assert found[CONN_ID] == "never signed in"
    assert "the extra is not a JSON object" in found["damaged"]


def test_status_shows_one_row_for_the_connections_of_an_app(connected, paste, emulator, monkeypatch, capsys):
    fields = json.loads(os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"])
    second = fields | {"extra": fields["extra"] | {"division": emulator.divisions[1]}}
    apart = fields | {"extra": fields["extra"] | {"token_variable": "apart"}}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(second))
    monkeypatch.setenv("AIRFLOW_CONN_APART", json.dumps(apart))
    paste()
    run("login", "--no-browser")
    assert "Connections with the same sign-in: second." in capsys.readouterr().out
    found = {row["conn_id"]: row for row in status_rows(capsys)[0]}
    assert list(found) == ["apart", f"{CONN_ID}, second"]
    shared = found[f"{CONN_ID}, second"]
    assert (shared["state"], shared["user"]) == ("signed in", "Daniel Emmers")
    assert shared["division"] == f"{emulator.division}, {emulator.divisions[1]}"
    assert found["apart"]["state"] == "never signed in"
    assert [row["conn_id"] for row in status_rows(capsys, "second")[0]] == [f"{CONN_ID}, second"]
    run("login", "--no-browser", "--conn-id", "apart")
    assert "has signed in twice for the same app" in capsys.readouterr().err
    _, warnings = status_rows(capsys)
    assert f"Daniel Emmers has signed in twice for the same app: for apart, and for {CONN_ID}, second." in warnings
