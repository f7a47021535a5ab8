"""Grants against the emulator's token endpoint, and against odd responses."""

from __future__ import annotations

import http.server
import json
import logging
import math
import threading

import pytest
from requests.structures import CaseInsensitiveDict
from requests_oauthlib import OAuth2Session

from airflow_provider_exact.client.auth.oauth2 import Grants, TokenFailedError, TokenRefusedError
from airflow_provider_exact.client.auth.server_clock import ServerClock
from airflow_provider_exact.client.auth.token import App, AuthorizationCode, fingerprint
from airflow_provider_exact.client.errors import ExactTransportError
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import Response
from tools.demo.processes import LOOPBACK, free_port

REDIRECT_URI = "http://127.0.0.1:9/callback"
TOKEN = "oauth2/token"


@pytest.fixture
def due(exact):
    """Return grants and a token due for a refresh."""
    token = exact.signed_in()
    exact.advance(571)
    return exact.grants(), token


def respond(exact, body, status=200, **options):
    """Let the token endpoint answer with a body, without any work."""
    exact.emulator.fault("status", endpoint=TOKEN, status=status, body=body, **options)


def pair(**fields):
    return json.dumps({"access_token": "a", "refresh_token": "r", "token_type": "bearer", **fields})


def test_requests_oauthlib_carries_every_grant(exact, monkeypatch):
    calls = []
    for name in ("authorization_url", "fetch_token", "refresh_token"):
        function = getattr(OAuth2Session, name)

        def counted(*args, _name=name, _function=function, **options):
            calls.append(_name)
            return _function(*args, **options)

        monkeypatch.setattr(OAuth2Session, name, counted)
    code = exact.code(REDIRECT_URI)
    assert calls == ["authorization_url"]
    token = exact.grants().exchange(code, REDIRECT_URI)
    assert calls == ["authorization_url", "fetch_token"]
    exact.advance(571)
    exact.grants().refresh(token)
    assert calls == ["authorization_url", "fetch_token", "refresh_token"]
    assert exact.emulator.count(endpoint=TOKEN) == 2


def test_the_authorize_url_holds_what_exact_expects(exact):
    address = exact.grants().authorize_url(REDIRECT_URI, "the state", force_login=True)
    assert address.startswith(f"{exact.emulator.url}/api/oauth2/auth?")
    for part in ("response_type=code", f"client_id={exact.emulator.client_id}", "force_login=1", "state=the+state"):
        assert part in address
    assert "scope" not in address


def test_no_logger_writes_a_secret_at_level_debug(exact, capfd):
    handler = logging.StreamHandler()
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict))]
    levels = {logger: logger.level for logger in loggers}
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)
        grants = exact.grants()
        code = exact.code(REDIRECT_URI)
        token = grants.exchange(code, REDIRECT_URI)
        exact.advance(571)
        new = grants.refresh(token)
        for call in (lambda: grants.exchange(code, REDIRECT_URI), lambda: grants.refresh(token)):
            with pytest.raises(TokenRefusedError):
                call()
    finally:
        for logger, level in levels.items():
            logger.removeHandler(handler)
            logger.setLevel(level)
    logged = capfd.readouterr().err
    assert "POST /api/oauth2/token" in logged
    secrets = (exact.emulator.client_secret, code.value, token.access, token.refresh, new.access, new.refresh)
    assert [secret for secret in secrets if secret in logged] == []


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_pair_counts_whatever_the_status(exact, due, status):
    grants, token = due
    respond(exact, pair(expires_in="600"), status)
    new = grants.refresh(token)
    assert (new.access, new.refresh, new.parent) == ("a", "r", fingerprint(token.refresh))
    assert exact.emulator.count(endpoint=TOKEN) == 1


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ('"300"', 300),
        ("300", 300),
        ("NaN", 600),
        ("1e400", 600),
        ('"NaN"', 600),
        ('"1e400"', 600),
        ("-Infinity", 600),
        ("0", 600),
        ("-5", 600),
        ('"ten minutes"', 600),
        ("null", 600),
        ("[]", 600),
        ("1e9", 600),
    ],
)
def test_an_odd_lifetime_is_bounded(exact, due, written, seconds):
    grants, token = due
    respond(exact, pair(expires_in=0).replace('"expires_in": 0', f'"expires_in": {written}'))
    new = grants.refresh(token)
    assert new.expires_at - new.issued_at == pytest.approx(seconds)
    assert math.isfinite(new.expires_at)


@pytest.mark.parametrize("body", ["", "  ", '{"access_token": "a', "{"])
@pytest.mark.parametrize("status", [200, 500])
def test_a_cut_or_empty_response_is_repeated_once_at_once(exact, due, body, status):
    grants, token = due
    respond(exact, body, status, times=1)
    assert grants.refresh(token).parent == fingerprint(token.refresh)
    assert exact.emulator.count(endpoint=TOKEN) == 2


@pytest.mark.parametrize("status", [400, 401])
def test_a_refusal_cut_inside_its_json_is_repeated_and_never_final(exact, due, status):
    grants, token = due
    respond(exact, '{"error": "unauthorized_cl', status, times=0)
    with pytest.raises(ExactTransportError, match="Try again later"):
        grants.refresh(token)
    assert exact.emulator.count(endpoint=TOKEN) == 2


@pytest.mark.parametrize("body", ["", "<html></html>", "{"])
def test_too_early_is_known_from_its_header_alone(body):
    response = Response(400, CaseInsensitiveDict(Reason="TooEarlyToRefreshTokens: wait"), body.encode())
    with pytest.raises(TokenRefusedError, match="less than 570 s old") as caught:
        Grants(Site.of("nl"), App("id", "secret"))._token(response)
    assert caught.value.too_early


def test_a_response_that_breaks_off_is_repeated_once_at_once(exact, due):
    grants, token = due
    exact.emulator.settings(refresh_grace_seconds=600)
    exact.emulator.fault("truncated", endpoint=TOKEN, times=1)
    assert grants.refresh(token).parent == fingerprint(token.refresh)
    assert exact.emulator.count(endpoint=TOKEN) == 2


def test_nothing_is_repeated_after_the_lock_was_lost(exact, due):
    grants, token = due
    respond(exact, "", times=1)
    with pytest.raises(ExactTransportError, match="half a response"):
        grants.refresh(token, may_repeat=lambda: False)
    assert exact.emulator.count(endpoint=TOKEN) == 1


def test_a_code_is_never_sent_twice(exact):
    respond(exact, "", times=1)
    with pytest.raises(ExactTransportError):
        exact.grants().exchange(exact.code(REDIRECT_URI), REDIRECT_URI)
    assert exact.emulator.count(endpoint=TOKEN) == 1


@pytest.mark.parametrize(("status", "body"), [(400, "Bad Request"), (400, ""), (403, "<html></html>"), (401, "{}")])
def test_a_refusal_without_a_reason_names_redirect_uri_app_and_secret(exact, due, status, body):
    grants, token = due
    respond(exact, body, status, times=0)
    code = exact.code(REDIRECT_URI)
    for call in (lambda: grants.refresh(token), lambda: grants.exchange(code, REDIRECT_URI)):
        with pytest.raises(TokenRefusedError, match=rf"\({status}\).*redirect URI.*app's.*client secret") as caught:
            call()
        assert not caught.value.may_be_replaced
    assert REDIRECT_URI in str(caught.value)
    assert exact.emulator.count(endpoint=TOKEN) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>maintenance</html>"), (200, "{}"), (408, "Timeout"), (429, ""), (500, "Apigee"), (503, "<html>")],
)
def test_a_failure_of_the_endpoint_is_worth_a_later_try(exact, due, status, body):
    grants, token = due
    respond(exact, body, status)
    with pytest.raises(ExactTransportError, match="[Tt]ry again later"):
        grants.refresh(token)


@pytest.mark.parametrize("status", [200, 302, 400, 429, 500])
def test_a_refresh_token_alone_comes_with_the_failure(exact, due, status):
    grants, token = due
    respond(exact, '{"refresh_token": "r"}', status)
    with pytest.raises((TokenFailedError, TokenRefusedError)) as caught:
        grants.refresh(token)
    assert caught.value.replacement.refresh == "r"
    assert caught.value.replacement.parent == fingerprint(token.refresh)


def test_a_redirect_is_a_refusal(exact, due):
    grants, token = due
    exact.emulator.fault("redirect", endpoint=TOKEN, host="login.example.test")
    with pytest.raises(TokenRefusedError, match=r"\(302\).*Server URL"):
        grants.refresh(token)


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers with the server's ``status`` and ``location``, and keeps each body."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_args):
        """Skip the log."""


@pytest.fixture
def recorder():
    """Return a function to start a server."""
    servers = []

    def start(status, location="", body="", missing=0):
        server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Recorder)
        server.status, server.location, server.body, server.bodies = status, location, body.encode(), []
        server.length = len(server.body) + missing
        server.url = f"http://{LOOPBACK}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_secret_follows_a_redirect(recorder, exact, status):
    elsewhere = recorder(200)
    here = recorder(status, f"{elsewhere.url}/login")
    grants = Grants(Site.of(None, here.url), App("id", "secret"))
    for call in (lambda: grants.refresh(exact.signed_in()), lambda: grants.exchange(AuthorizationCode("c"), "u")):
        with pytest.raises(TokenRefusedError, match=rf"\({status}\)"):
            call()
    assert (len(here.bodies), elsewhere.bodies) == (2, [])


def test_a_redirect_with_a_cut_body_shows_no_secret(recorder, due):
    _, token = due
    here = recorder(307, "https://login.example.test/", "cut", missing=500)
    with pytest.raises(TokenFailedError, match="did not answer") as caught:
        Grants(Site.of(None, here.url), App("id", "hidden")).refresh(token)
    assert caught.value.__context__ is None


def test_a_pair_counts_in_a_redirect_too(recorder, due):
    _, token = due
    elsewhere = recorder(200)
    here = recorder(307, f"{elsewhere.url}/login", pair())
    assert Grants(Site.of(None, here.url), App("id", "secret")).refresh(token).refresh == "r"
    assert elsewhere.bodies == []


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "all_proxy"])
def test_loopback_is_reached_past_proxies_and_netrc(exact, due, monkeypatch, tmp_path, name):
    grants, token = due
    for proxy in (name, name.upper()):
        monkeypatch.setenv(proxy, f"http://{LOOPBACK}:{free_port()}")
    (tmp_path / "netrc").write_text(f"machine {LOOPBACK} login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    exact.emulator.settings(basic_client_auth=True)
    token = grants.refresh(token)
    assert exact.client().get_me()["UserName"] == exact.emulator.user_name
    assert token.access


def test_a_pair_is_dated_by_exacts_clock(exact):
    exact.advance(571)
    token = exact.signed_in()
    exact.advance(571)
    # Sixty seconds ahead of Exact.
    grants = exact.grants()
    grants.clock.local = lambda: exact.clock() + 60
    new = grants.refresh(token)
    assert new.issued_at == pytest.approx(exact.clock(), abs=3)
    assert grants.clock.now() == pytest.approx(exact.clock(), abs=3)
    assert "60 seconds ahead of Exact's clock" in grants.clock.complaint.replace("59", "60")


@pytest.mark.parametrize(
    ("local", "sent_at", "since", "skew"),
    [
        # Agrees with any clock: Exact's header has no fractions, and the call took two seconds.
        (102.0, 100.0, 100.0, 0.0),
        (100.9, 100.0, 100.0, 0.0),
        # Behind by a minute, ahead by a minute: the smallest skew in agreement with the response.
        (40.5, 100.0, 40.0, 59.5),
        (160.5, 100.0, 160.0, -59.0),
    ],
)
def test_the_clock_takes_the_smallest_skew_that_agrees_with_a_response(local, sent_at, since, skew):
    clock = ServerClock(lambda: local)
    clock.learn(sent_at, since=since)
    assert clock.skew == pytest.approx(skew)


def test_a_401_shows_only_a_clock_that_is_behind():
    clock = ServerClock(lambda: 160.0)
    clock.learn_behind(100.0)
    assert clock.skew == 0
    clock.learn_behind(220.0)
    assert clock.skew == 60
    clock.learn_behind(100.0)
    assert clock.skew == 60
