"""The button, Exact's form, and the way back."""

from __future__ import annotations

import html
import json
import re
import time
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from itsdangerous import TimestampSigner

from airflow_provider_exact.client.errors import ExactTokenError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.plugin import begun
from airflow_provider_exact.plugin.addresses import CALLBACK, MOUNT
from airflow_provider_exact.signing_in import CALLBACK_PATH
from tests.plugin.conftest import CONN_ID
from tests.sealed import opened, settings_of, store, stored
from tests.waiting import hold_at_full_minute


def query_of(address):
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def cookie_of(answer):
    return answer.headers["Set-Cookie"].split("; ")


def test_exact_sends_people_back_to_the_callback_of_the_page():
    assert MOUNT + CALLBACK == CALLBACK_PATH


def test_the_button_leads_to_exact_with_a_state_that_the_browser_keeps(airflow, ann, put_connection, emulator):
    put_connection()
    answer = ann.begin()
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{emulator.url}/api/oauth2/auth?")
    asked = query_of(answer.headers["Location"])
    assert asked["client_id"] == emulator.client_id
    assert asked["redirect_uri"] == f"{airflow.url}/exact-online/callback"
    assert len(asked["state"]) >= 40
    assert query_of(ann.begin().headers["Location"])["state"] != asked["state"]
    value, *flags = cookie_of(answer)
    assert value.startswith("exact_online_sign_in=")
    assert set(flags) == {"HttpOnly", "Max-Age=900", "Path=/exact-online", "SameSite=lax"}


def test_the_cookie_is_kept_to_https_where_airflow_is(ann, put_connection, monkeypatch):
    put_connection()
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.test/team")
    answer = ann.begin()
    assert query_of(answer.headers["Location"])["redirect_uri"] == "https://airflow.test/team/exact-online/callback"
    assert {"Secure", "Path=/team/exact-online"} < set(cookie_of(answer))


def test_the_redirect_uri_of_the_connection_comes_first(ann, put_connection, monkeypatch):
    mine = "https://mine.test/exact-online/callback"
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__REDIRECT_URI", "https://ours.test/exact-online/callback")
    put_connection(extra={"redirect_uri": mine})
    put_connection("other")
    assert query_of(ann.begin().headers["Location"])["redirect_uri"] == mine
    assert query_of(ann.begin("other").headers["Location"])["redirect_uri"] == "https://ours.test/exact-online/callback"


def test_a_person_signs_in_and_sees_who_it_is_and_what_was_granted(ann, put_connection, emulator, caplog, capfd):
    put_connection()
    address = ann.consent(ann.begin(), emulator, division=list(emulator.divisions[:2]))
    caplog.set_level("DEBUG")
    answer = ann.come_back(address)
    # Without what the library that plays the browser says of its own calls.
    logged = [record.getMessage() for record in caplog.records if ann.url not in record.getMessage()]
    logged = "\n".join([*logged, *capfd.readouterr()])
    assert "POST /api/oauth2/token" in logged
    assert answer.status_code == 200, answer.text
    kept = opened(settings_of(emulator), stored())
    assert kept["signed_in"]["user"] in answer.text
    assert '<html lang="en" data-used-up>' in answer.text
    assert "2 granted divisions" in answer.text
    assert str(emulator.divisions[0]) in answer.text
    assert str(emulator.divisions[2]) not in answer.text
    code = query_of(address)["code"]
    for secret in (code, quote(code, safe=""), kept["access_token"], kept["refresh_token"], emulator.client_secret):
        assert secret not in answer.text
        assert secret not in logged
    assert f"signed in as {kept['signed_in']['user']}" in ann.get().text


def test_a_sign_in_is_finished_once(ann, put_connection, emulator):
    put_connection()
    begun_answer = ann.begin()
    address = ann.consent(begun_answer, emulator)
    finished = ann.come_back(address)
    assert finished.status_code == 200
    assert {'exact_online_sign_in=""', "Max-Age=0", "Path=/exact-online"} < set(cookie_of(finished))
    before = stored()
    again = ann.come_back(address)
    assert again.status_code == 400
    assert "belongs to no sign-in that is under way" in again.text
    # With the cookie put back by hand Exact is asked, and refuses the code.
    ann.browser.headers["Cookie"] = f"{cookie_of(begun_answer)[0]}; _token={ann.browser.cookies['_token']}"
    used = ann.come_back(address)
    assert used.status_code == 400
    assert "used already" in used.text
    assert stored() == before


def test_a_forged_callback_is_refused_and_ends_no_sign_in(ann, put_connection, emulator):
    put_connection()
    address = ann.consent(ann.begin(), emulator)
    state = query_of(address)["state"]
    for forged in (address.replace(state, "x" * len(state)), address.replace(state, "é"), address.split("&state")[0]):
        answer = ann.come_back(forged)
        assert answer.status_code == 400
        assert "belongs to no sign-in that is under way" in answer.text
    assert stored() is None
    assert ann.come_back(address).status_code == 200


def test_a_callback_without_or_with_a_forged_cookie_is_refused(airflow, ann, put_connection, emulator):
    put_connection()
    address = ann.consent(ann.begin(), emulator)
    other = airflow.visitor()
    assert other.come_back(address).status_code == 400
    value = ann.browser.cookies["exact_online_sign_in"]
    other.browser.cookies.set("exact_online_sign_in", value[:-3] + "abc", domain="127.0.0.1", path="/")
    assert other.come_back(address).status_code == 400
    assert stored() is None


def test_an_answer_to_the_command_can_be_pasted_there(airflow, ann):
    for visitor in (ann, airflow.visitor(None, None)):
        answer = visitor.get("/exact-online/callback", code="stampNL001.of-the-command", state="of-the-command")
        assert "paste the whole address of this page there" in answer.text
        assert "of-the-command" not in answer.text
        # The script takes the code out of the address where this says so.
        assert "data-used-up" not in answer.text
        assert "paste the whole address" not in visitor.get("/exact-online/callback").text


def test_a_sign_in_that_was_begun_too_long_ago_is_refused(ann, put_connection, emulator, monkeypatch):
    put_connection()
    with monkeypatch.context() as earlier:
        earlier.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) - begun.MINUTES * 60 - 1)
        answer = ann.begin()
    refused = ann.come_back(ann.consent(answer, emulator))
    assert refused.status_code == 400
    assert "more than 15 minutes ago" in refused.text


def test_a_sign_in_that_another_user_began_is_refused(airflow, ann, put_connection, emulator):
    put_connection()
    address = ann.consent(ann.begin(), emulator)
    bob = airflow.visitor("bob")
    bob.browser.cookies.set("exact_online_sign_in", ann.browser.cookies["exact_online_sign_in"], domain="127.0.0.1")
    answer = bob.come_back(address)
    assert answer.status_code == 403
    assert "Another user of Airflow began this sign-in" in answer.text
    assert stored() is None


def test_a_person_who_may_no_longer_edit_the_connection_does_not_finish(airflow, ann, put_connection, emulator):
    put_connection()
    address = ann.consent(ann.begin(), emulator)
    demoted = airflow.visitor("ann", "viewer")
    demoted.browser.cookies.set("exact_online_sign_in", ann.browser.cookies["exact_online_sign_in"], domain="127.0.0.1")
    answer = demoted.come_back(address)
    assert answer.status_code == 403
    assert "needs the right to edit it" in answer.text
    assert stored() is None


def test_a_viewer_is_refused_with_a_page_to_read(airflow, put_connection):
    put_connection()
    for role in ("viewer", "user"):
        answer = airflow.visitor("vic", role).begin()
        assert answer.status_code == 403
        assert "<h1>You may not sign in for this connection</h1>" in answer.text
        assert "Set-Cookie" not in answer.headers


def test_who_is_not_signed_in_to_airflow_begins_and_finishes_nothing(airflow, ann, put_connection, emulator):
    put_connection()
    stranger = airflow.visitor(None, None)
    answer = stranger.begin()
    assert answer.status_code == 401
    assert "Your session has ended" in answer.text
    back = stranger.come_back(ann.consent(ann.begin(), emulator))
    assert back.status_code == 401
    assert f"another address of this Airflow than {airflow.url}" in back.text
    assert stored() is None


def test_denied_consent_is_said(ann, put_connection, emulator):
    put_connection()
    answer = ann.come_back(ann.consent(ann.begin(), emulator, decision="deny"))
    assert answer.status_code == 400
    assert "Access was denied on Exact&#39;s consent page" in answer.text


def test_a_code_that_is_too_old_is_said(ann, put_connection, emulator):
    put_connection()
    address = ann.consent(ann.begin(), emulator)
    emulator.advance(3600)
    answer = ann.come_back(address)
    assert answer.status_code == 400
    assert "is older than a minute or two" in answer.text


def test_a_wrong_client_secret_is_said_without_it(ann, put_connection, emulator):
    put_connection(password="not-the-secret")
    answer = ann.come_back(ann.consent(ann.begin(), emulator))
    assert answer.status_code == 400
    assert "lient secret" in answer.text
    assert "not-the-secret" not in answer.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"login": ""}, "lacks Client ID"),
        ({"host": "https://start.exactonline.nl", "extra": {"region": "be"}}, "contradict each other"),
        ({"extra": {"access_token": "ready"}}, "brings its own access token"),
        ({"extra": {"redirect_uri": "https://localhost:9999/elsewhere"}}, "does not lead to this page"),
        ({"conn_type": "http"}, "There is no connection"),
    ],
)
def test_what_stands_in_the_way_is_said_before_anybody_leaves_for_exact(ann, put_connection, fields, said):
    put_connection(**fields)
    answer = ann.begin()
    assert answer.status_code == 400
    assert said in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_missing_connection_is_named(ann, emulator):
    answer = ann.begin("nobody%2Fmade%20it")
    assert answer.status_code == 400
    assert "There is no connection &#39;nobody/made it&#39; of type exact_online" in answer.text


def test_tokens_that_could_be_stored_are_kept_when_exact_does_not_say_whose_they_are(ann, put_connection, emulator):
    put_connection()
    # A 403 is not retried: there is nothing to wait for.
    emulator.fault("status", status=403, endpoint="current/Me", times=0)
    answer = ann.come_back(ann.consent(ann.begin(), emulator))
    assert answer.status_code == 200
    assert "<title>Signed in" in answer.text
    assert f"<strong>{CONN_ID}</strong> is signed in. Tasks can use it" in answer.text
    assert "Who signed in could not be looked up. GET current/Me: forbidden (403)" in html.unescape(answer.text)
    assert audit() == ["exact_online_sign_in", "exact_online_signed_in"]
    assert json.loads(stored())["signed_in"]["user"] == ""
    assert '<span class="badge good">signed in</span>' in ann.get().text


def test_who_signed_in_is_not_waited_for_at_a_limit(ann, put_connection, emulator):
    put_connection()
    # A limit that resets within ten seconds is waited for.
    hold_at_full_minute(emulator)
    emulator.fault("minute_limit", endpoint="current/Me", times=0)
    answer = ann.come_back(ann.consent(ann.begin(), emulator))
    assert answer.status_code == 200
    assert f"<strong>{CONN_ID}</strong> is signed in. Tasks can use it" in answer.text
    assert emulator.count(endpoint="current/Me") == 1
    assert '<span class="badge good">signed in</span>' in ann.get().text


def test_a_default_division_that_was_not_granted_is_said(ann, put_connection, emulator):
    put_connection(extra={"division": 999})
    answer = ann.come_back(ann.consent(ann.begin(), emulator))
    assert answer.status_code == 200
    assert "default division 999 is not among them" in answer.text


def test_no_get_begins_a_sign_in(ann, put_connection):
    put_connection()
    answer = ann.get(f"/exact-online/sign-in/{CONN_ID}")
    assert answer.status_code == 405
    assert "Set-Cookie" not in answer.headers


@pytest.fixture(autouse=True)
def empty_audit_log(airflow):
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(Log).delete()


def audit():
    """Return the events in Airflow's audit log."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    with create_session() as session:
        return [log.event for log in session.query(Log).order_by(Log.id)]


def test_stored_tokens_are_in_the_audit_log_even_if_the_connections_cannot_be_listed(
    ann, put_connection, emulator, monkeypatch
):
    put_connection()
    address = ann.consent(ann.begin(), emulator)

    def fail(_user):
        raise RuntimeError("The database is gone.")

    monkeypatch.setattr("airflow_provider_exact.plugin.rows.table_for", fail)
    answer = ann.come_back(address)
    assert f"<strong>{CONN_ID}</strong> is signed in as" in answer.text
    assert audit() == ["exact_online_sign_in", "exact_online_signed_in"]


@pytest.mark.parametrize("reason", ["denied", "used code", "wrong secret", "other user"])
def test_a_refused_sign_in_is_in_the_audit_log(airflow, ann, put_connection, emulator, reason):
    put_connection(password="wrong" if reason == "wrong secret" else emulator.client_secret)
    address = ann.consent(ann.begin(), emulator, decision="deny" if reason == "denied" else "allow")
    if reason == "used code":
        address = re.sub("code=[^&]*", "code=used", address)
    visitor = ann
    if reason == "other user":
        visitor = airflow.visitor("bob")
        cookie = ann.browser.cookies["exact_online_sign_in"]
        visitor.browser.cookies.set("exact_online_sign_in", cookie, domain="127.0.0.1")
    assert visitor.come_back(address).status_code in (400, 403)
    assert audit() == ["exact_online_sign_in", "exact_online_sign_in_refused"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://airflow.example.test"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({}, 303),
    ],
)
def test_a_sign_in_begins_on_this_page_only(ann, put_connection, headers, status):
    put_connection()
    ann.browser.headers.update(headers)
    answer = ann.begin()
    assert answer.status_code == status
    if status == 403:
        assert "Another web site sent this request" in answer.text
        assert "Set-Cookie" not in answer.headers
        assert audit() == []


def test_a_browser_without_fetch_metadata_names_this_page(ann, put_connection):
    put_connection()
    ann.browser.headers["Origin"] = ann.url
    assert ann.begin().status_code == 303


def test_the_audit_log_names_user_and_connection_but_no_code(ann, put_connection, emulator):
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    put_connection()
    address = ann.consent(ann.begin(), emulator)
    assert ann.come_back(address).status_code == 200
    with create_session() as session:
        noted = [(log.event, log.owner, json.loads(log.extra)) for log in session.query(Log).order_by(Log.id)]
    assert noted == [
        ("exact_online_sign_in", "ann", {"connection_id": CONN_ID, "method": "POST"}),
        ("exact_online_signed_in", "ann", {"connection_id": CONN_ID, "method": "GET"}),
    ]


def test_after_the_client_secret_was_renewed_a_person_signs_in_again(ann, put_connection, emulator):
    app = {"client_id": "0e5f0000-0000-4000-8000-000000000099", "name": "Renewed"}
    callback = (f"{ann.url}{MOUNT}{CALLBACK}",)
    emulator.register_app(**app, client_secret="the first secret", redirect_uris=callback)
    put_connection(login=app["client_id"], password="the first secret")
    assert ann.come_back(ann.consent(ann.begin(), emulator)).status_code == 200
    emulator.register_app(**app, client_secret="the second secret", redirect_uris=callback)
    put_connection(login=app["client_id"], password="the second secret")
    page = ann.get().text
    assert "sign-in needed" in page
    assert "with another client secret" in page
    assert ann.come_back(ann.consent(ann.begin(), emulator)).status_code == 200
    assert "signed in as" in ann.get().text
    assert opened(settings_of(emulator, client_id=app["client_id"], client_secret="the second secret"), stored())[
        "access_token"
    ]


def test_signing_in_replaces_what_is_no_token(ann, put_connection, emulator):
    put_connection()
    store("no JSON")
    assert ann.come_back(ann.consent(ann.begin(), emulator)).status_code == 200
    assert "signed in as" in ann.get().text


def test_the_variable_holds_no_token_that_its_reader_could_use(ann, put_connection, emulator):
    put_connection()
    ann.come_back(ann.consent(ann.begin(), emulator))
    text = stored()
    issued = [secret for secret in emulator.secrets() if secret.startswith("stampNL001")]
    assert len(issued) >= 2
    assert not [secret for secret in issued if secret in text]


def test_a_refresh_token_of_the_connection_that_exact_refused_is_not_said_to_wait(ann, put_connection, emulator):
    used_up = emulator.sign_in()["refresh_token"]
    emulator.sign_in()
    emulator.advance(571)
    put_connection(extra={"division": emulator.division, "refresh_token": used_up})
    assert "A refresh token waits in the connection" in ann.get().text
    with pytest.raises(ExactTokenError):
        ExactOnlineHook().get_me()
    page = ann.get().text
    assert "sign-in needed" in page
    assert "A refresh token waits" not in page
    assert "Sign in again</button>" in page


def test_a_scope_that_the_app_lacks_is_told_at_the_sign_in(ann, put_connection, emulator):
    app = {"client_id": "0e5f0000-0000-4000-8000-000000000098", "client_secret": "the secret"}
    callback = (f"{ann.url}{MOUNT}{CALLBACK}",)
    emulator.register_app(**app, name="Narrow", redirect_uris=callback, scopes={"crm accounts": "manage"})
    put_connection(login=app["client_id"], password=app["client_secret"])
    answer = ann.come_back(ann.consent(ann.begin(), emulator))
    assert answer.status_code == 200
    text = " ".join(html.unescape(answer.text).split())
    assert "is signed in as <strong>Daniel Emmers</strong>" in text
    assert "The granted divisions could not be listed." in text
    assert "lacks the scope 'organization.administration'" in text
    assert "set the area Organization → Administration to Manage, and sign in again" in text
