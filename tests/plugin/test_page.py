"""What the page shows, and to whom."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import entry_points
from urllib.parse import unquote

import pytest

from airflow_provider_exact import known_limits
from airflow_provider_exact.client.budget import Seen
from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.client.rate_limit import RateLimits, Window
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.token_store import lease_key
from tests.plugin.conftest import CONN_ID
from tests.sealed import sealed, settings_of, store

DAY = 86_400


@pytest.fixture
def keep_token(emulator):
    """Return a function that keeps a token that was issued ``age`` seconds ago, as signing in does."""
    return partial(_keep_token, emulator)


def _keep_token(emulator, conn_id=CONN_ID, *, age, user="Jan <b>Jansen", **lease):
    issued_at = time.time() - age
    token = {"access_token": "seeded-access", "refresh_token": "seeded-refresh", "issued_at": issued_at}
    token |= {"expires_at": issued_at + 600, "signed_in": {"user": user, "divisions": 2, "at": issued_at}}
    settings = settings_of(emulator, conn_id, client_id=conn_id)
    variables.write(settings.token_key, sealed(settings, token), description="")
    variables.write(lease_key(settings.token_key), json.dumps(lease), description="")


def rows(answer):
    """Return the text of each row by its connection's id."""
    assert answer.status_code == 200, answer.text
    found = {}
    for row in re.findall(r"<tr[^>]*>\s*<th scope=\"row\">(.*?)</tr>", answer.text, re.DOTALL):
        name, rest = row.split("</th>", 1)
        buttons = re.findall(r"<button.*?>(.*?)</button>", rest)
        text = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", rest).split()))
        found[name] = (text, buttons)
    return found


def test_each_connection_is_shown_with_its_state_and_a_button(ann, put_connection, emulator, keep_token):
    # Each with an app of its own: connections of one app share a sign-in.
    for name in ("never", "fresh", "due", "dead", "soon", "renewing"):
        put_connection(name, login=name)
    put_connection("waiting", login="waiting", extra={"refresh_token": "waiting-refresh"})
    keep_token("fresh", age=60)
    keep_token("due", age=700)
    keep_token("dead", age=31 * DAY)
    keep_token("soon", age=25 * DAY - 60)
    keep_token("renewing", age=700, owner="somebody", until=time.time() + 15)
    answer = ann.get()
    shown = rows(answer)
    site, division = emulator.url, emulator.division
    assert shown["never"] == (f"{site} never signed in {division} \N{EN DASH} Sign in", ["Sign in"])
    assert shown["fresh"] == (f"{site} signed in as Jan <b>Jansen {division} 29 days Sign in again", ["Sign in again"])
    assert shown["due"][0].startswith(
        f"{site} refresh due Signed in as Jan <b>Jansen. The next task renews the token. {division} 29 days"
    )
    assert shown["dead"][0].startswith(
        f"{site} sign-in needed Was signed in as Jan <b>Jansen. The refresh token has expired after 30 days without "
        f"use. {division} \N{EN DASH} Sign in again"
    )
    assert shown["dead"][1] == ["Sign in again"]
    assert "5 days Use it or sign in again before" in shown["soon"][0]
    assert '<span class="badge warn">5 days</span>' in answer.text
    assert "A refresh token waits in the connection" in shown["waiting"][0]
    assert "A worker is renewing the token now." in shown["renewing"][0]
    for secret in ("seeded-access", "seeded-refresh", "waiting-refresh", emulator.client_secret, "<b>Jansen"):
        assert secret not in answer.text


def test_connections_of_one_app_are_one_row_with_one_button(ann, put_connection, emulator):
    other = emulator.divisions[1]
    put_connection("holding")
    put_connection("works", extra={"division": other})
    put_connection("apart", extra={"token_variable": "apart"})
    done = ann.come_back(ann.consent(ann.begin("works"), emulator))
    assert "The same sign-in serves holding." in done.text
    answer = ann.get()
    shown = rows(answer)
    assert list(shown) == ["apart", "holding<br>works"]
    text, buttons = shown["holding<br>works"]
    assert text == f"{emulator.url} signed in as Daniel Emmers {emulator.division} {other} 29 days Sign in again"
    assert buttons == ["Sign in again"]
    assert 'aria-label="Sign in again for holding, works"' in answer.text
    assert shown["apart"][0].startswith(f"{emulator.url} never signed in")
    for conn_id in ("holding", "works"):
        assert rows(ann.get(connection=conn_id)) == shown


def test_spellings_of_a_client_id_and_a_site_are_one_row(ann, put_connection, emulator):
    put_connection("braced", login=f"{{{emulator.client_id.upper()}}}")
    put_connection("plain", host=emulator.url.upper())
    assert ann.come_back(ann.consent(ann.begin("braced"), emulator)).status_code == 200
    assert list(rows(ann.get())) == ["braced<br>plain"]


def test_a_button_signs_in_for_a_connection_that_leads_here(ann, put_connection, emulator):
    put_connection("elsewhere", extra={"redirect_uri": "https://localhost:9999/elsewhere"})
    put_connection("here")
    assert ann.come_back(ann.consent(ann.begin("here"), emulator)).status_code == 200
    answer = ann.get()
    text, buttons = rows(answer)["elsewhere<br>here"]
    assert "does not lead to this page" not in text
    assert buttons == ["Sign in again"]
    assert 'action="/exact-online/sign-in/here"' in answer.text


@pytest.mark.parametrize("redirect_uri", ["http://[", "https://localhost:port/", "localhost/exact-online/callback"])
def test_a_redirect_uri_that_is_no_address_is_told_beside_the_state(ann, put_connection, redirect_uri):
    put_connection(extra={"redirect_uri": redirect_uri})
    text, buttons = rows(ann.get())[CONN_ID]
    assert "never signed in" in text
    assert "is not an address. Give the redirect URI" in text
    assert buttons == []


def test_a_refused_refresh_token_of_nobodys_sign_in_needs_one(ann, put_connection, emulator):
    refresh_token = emulator.sign_in()["refresh_token"]
    # A newer sign-in for another Airflow ends the refresh token.
    emulator.sign_in()
    put_connection(extra={"refresh_token": refresh_token})
    emulator.advance(571)
    with pytest.raises(ExactTokenError):
        ExactOnlineHook().get_me()
    text, _ = rows(ann.get())[CONN_ID]
    assert "sign-in needed Exact's token endpoint (400 invalid_grant)" in text
    assert "Sign in for the connection" not in text


def test_an_option_that_is_no_number_is_told_in_the_rows(ann, put_connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__CONNECT_TIMEOUT", "ten")
    put_connection()
    assert "connect_timeout: expected a number, not 'ten'" in rows(ann.get())[CONN_ID][0]


def test_two_sign_ins_of_one_app_by_one_user_are_warned_of(ann, put_connection, emulator):
    put_connection("apart", extra={"token_variable": "apart"})
    put_connection("shared")
    assert ann.come_back(ann.consent(ann.begin("shared"), emulator)).status_code == 200
    other = ann.consent(ann.begin("apart"), emulator, user_name="planner@example.test", password="planner")
    assert ann.come_back(other).status_code == 200
    assert "signed in twice" not in ann.get().text
    done = ann.come_back(ann.consent(ann.begin("apart"), emulator))
    for answer in (done, ann.get()):
        assert "Daniel Emmers has signed in twice for the same app: for apart, and for shared." in answer.text


def test_a_refused_access_token_is_told_at_once(ann, put_connection, emulator):
    put_connection()
    assert ann.come_back(ann.consent(ann.begin(), emulator)).status_code == 200
    # A sign-in for another Airflow ends the access token.
    emulator.sign_in()
    with pytest.raises(ExactTokenError):
        ExactOnlineHook().get_me()
    text, buttons = rows(ann.get())[CONN_ID]
    assert re.search(
        r"sign-in needed Was signed in as Daniel Emmers\. Exact refused the access token at [-\d]{10} [:\d]{5} UTC\. "
        r"GET current/Me: Exact Online refuses the access token.*somebody signed in elsewhere",
        text,
    )
    assert buttons == ["Sign in again"]
    assert ann.come_back(ann.consent(ann.begin(), emulator)).status_code == 200
    assert "signed in as" in rows(ann.get())[CONN_ID][0]


def test_what_is_left_of_the_limits_is_shown_for_the_connections_division_first(ann, put_connection, emulator):
    now = time.time()
    put_connection()
    window = Window(60, 51, now + 30)
    seen = {number: Seen(RateLimits(window, Window(5000, number, now + 9000)), now) for number in range(1, 8)}
    seen[emulator.division] = Seen(RateLimits(None, Window(5000, 77, now + 9000)), now)
    known_limits.note(CONN_ID, seen)
    text, _ = rows(ann.get())[CONN_ID]
    assert f"{emulator.division} 77 of 5000 a day left 1: 51 of 60 a minute, 1 of 5000 a day left" in text
    assert "5: 51 of 60 a minute, 5 of 5000 a day left and 2 more divisions" in text


def test_a_connection_in_the_database_is_shown_by_its_country(ann):
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection("stored", "exact_online", login="id", password="secret", extra={"region": "be"}))
        session.add(Connection("other", "http", host="https://example.test"))
    answer = ann.get()
    assert list(rows(answer)) == ["stored"]
    assert rows(answer)["stored"][0].startswith("Belgium never signed in none")


def test_a_button_may_lead_on_to_the_host_of_exacts_login(ann, put_connection, emulator):
    put_connection()
    policy = ann.get().headers["Content-Security-Policy"].split("; ")
    assert [rule for rule in policy if rule.startswith("form-action")] == [f"form-action 'self' https: {emulator.url}"]
    policy = ann.get("/exact-online/callback").headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https:")
    assert policy.count("https:") == 1


def test_a_connection_that_is_wrong_says_so_in_its_row_only(ann, put_connection, monkeypatch):
    put_connection("torn", host="https://start.exactonline.nl", extra={"region": "be"})
    put_connection("nobodys", login="")
    put_connection("elsewhere", extra={"redirect_uri": "https://localhost:9999/elsewhere"})
    put_connection("spoilt", login="spoilt")
    store("no JSON", "spoilt")
    put_connection("listed", extra=[1, 2])
    monkeypatch.setenv("AIRFLOW_CONN_DAMAGED", "{no json")
    put_connection("sound", login="sound")
    shown = rows(ann.get())
    # Nobody can tell that the damaged one is ours; Airflow 3.1 finds no connection in one whose extra is a list.
    assert set(shown) - {"listed"} == {"torn", "nobodys", "elsewhere", "spoilt", "sound"}
    assert "contradict each other" in shown["torn"][0]
    assert "lacks Client ID" in shown["nobodys"][0]
    assert "never signed in" in shown["elsewhere"][0]
    assert "does not lead to this page" in shown["elsewhere"][0]
    assert "A new sign-in replaces the content" in shown["spoilt"][0]
    assert {name: buttons for name, (_, buttons) in shown.items() if buttons} == {
        "sound": ["Sign in"],
        "spoilt": ["Sign in again"],
    }
    usable = {name for name, (text, _) in shown.items() if "not usable" not in text}
    assert usable - {"listed"} == {"sound", "spoilt", "elsewhere"}


def test_a_ready_access_token_needs_no_button(ann, put_connection):
    put_connection(extra={"access_token": "a-ready-token"})
    answer = ann.get()
    text, buttons = rows(answer)[CONN_ID]
    assert "ready access token" in text
    assert "brings its own access token" in text
    assert buttons == []
    assert "a-ready-token" not in answer.text


def test_who_may_see_no_connection_sees_none(airflow, put_connection):
    put_connection()
    answer = airflow.visitor("vic", "viewer").get()
    assert answer.status_code == 200
    assert "There is no connection of type Exact Online that you may see" in answer.text
    assert CONN_ID not in answer.text
    sought = airflow.visitor("vic", "viewer").get(connection=CONN_ID)
    assert "finds no connection" in sought.text


def test_who_may_see_but_not_edit_gets_no_button(airflow, ann, put_connection, monkeypatch):
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    # Other auth managers tell reading from editing; the simple one has no such role.
    monkeypatch.setattr(SimpleAuthManager, "is_authorized_connection", lambda *_, method, **__: method == "GET")
    put_connection()
    text, buttons = rows(ann.get())[CONN_ID]
    assert "Signing in needs the right to edit this connection" in text
    assert buttons == []
    assert ann.begin().status_code == 403


def test_who_is_not_signed_in_goes_to_airflows_own_sign_in_and_comes_back(airflow):
    answer = airflow.visitor(None, None).get()
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/api/v2/auth/login?next=%2Fexact-online%2F"
    login = airflow.visitor(None, None).get(answer.headers["Location"])
    assert login.status_code == 307
    assert unquote(login.headers["Location"]).endswith("/auth/login?next=/exact-online/")


def test_an_expired_or_forged_session_is_none(airflow):
    stranger = airflow.visitor(None, None)
    stranger.browser.cookies.set("_token", "forged", domain="127.0.0.1", path="/")
    assert stranger.get().status_code == 303


def test_a_connection_that_is_not_found_is_said_without_harm(ann, put_connection):
    put_connection()
    answer = ann.get(connection="<script>alert(1)</script>")
    assert "Airflow finds no connection" in answer.text
    assert "<script>alert" not in answer.text
    assert list(rows(answer)) == [CONN_ID]


def test_every_answer_is_kept_out_of_caches_frames_and_referrers(airflow, ann, put_connection):
    put_connection()
    answers = [ann.get(), ann.begin(), ann.get("/exact-online/callback"), ann.get("/exact-online/nothing-here")]
    answers += [airflow.visitor("vic", "viewer").begin(), airflow.visitor(None, None).get()]
    assert [answer.status_code for answer in answers] == [200, 303, 400, 404, 403, 303]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers.get("Content-Security-Policy", "")
        assert answer.status_code == 303 or ("default-src 'none'" in policy and "unsafe" not in policy)


@pytest.mark.parametrize("name", ["page.css", "page.js"])
def test_what_the_page_is_made_of_is_packaged(ann, name):
    assert f"/exact-online/static/{name}" in ann.get().text
    assert ann.get(f"/exact-online/static/{name}").status_code == 200


def test_fastapis_own_pages_are_not_served(ann):
    for path in ("docs", "redoc", "openapi.json"):
        assert ann.get(f"/exact-online/{path}").status_code == 404


def test_the_page_is_in_the_menu_admin_and_opens_in_a_tab_of_its_own(monkeypatch):
    (found,) = entry_points(group="airflow.plugins", name="exact_online")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.test/team")
    (view,) = found.load()().external_views
    assert view == {
        "name": "Exact Online",
        "href": "/team/exact-online/",
        "destination": "nav",
        "category": "admin",
    }


@pytest.mark.system
@pytest.mark.smoke
def test_importing_the_plugin_imports_nothing_but_itself():
    script = (
        "import airflow.plugins_manager, sys; before = set(sys.modules);"
        "import airflow_provider_exact.plugin.plugin as found; found.ExactOnlinePlugin().external_views;"
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    ours = {"airflow_provider_exact"} | {f"airflow_provider_exact.plugin{end}" for end in ("", ".addresses", ".plugin")}
    imported = set(done.stdout.splitlines()[-1].split())
    assert "airflow_provider_exact.plugin.plugin" in imported
    assert imported <= ours
