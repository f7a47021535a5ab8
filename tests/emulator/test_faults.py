import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

PATH = "project/TimeTransactions"
ELSEWHERE = ["elsewhere.example", "attacker.example:8443"]


def count(exact):
    return int(exact.get(f"{PATH}/$count").text)


def raw(exact, request):
    """Send bytes and return what comes back, and whether the connection ended with a reset."""
    parts = urlsplit(exact.emulator.url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(request)
        while True:
            try:
                part = connection.recv(65_536)
            except ConnectionResetError:
                return received, True
            if not part:
                return received, False
            received += part


@pytest.fixture
def fault(exact):
    return exact.emulator.fault


@pytest.mark.parametrize("status", [500, 502, 503, 403])
def test_a_status_comes_as_an_html_page(exact, fault, status):
    fault("status", status=status, endpoint=PATH)
    answer = exact.get(PATH, top="1")
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<html" in answer.text
    assert exact.get(PATH, top="1").status_code == 200


def test_a_business_error_is_a_500_in_json(exact, fault, error_text):
    fault("business_error", method="POST", message="Gegeven bestaat reeds.")
    before = count(exact)
    answer = exact.post(PATH, exact.hours())
    assert (answer.status_code, error_text(answer)) == (500, "Gegeven bestaat reeds.")
    assert count(exact) == before


def test_a_reset_before_the_work_leaves_nothing_done(exact, fault):
    before, body = count(exact), exact.hours()
    fault("reset_before", method="POST")
    with pytest.raises(requests.ConnectionError):
        exact.post(PATH, body)
    assert count(exact) == before


def test_a_reset_after_the_work_leaves_it_done(exact, fault):
    before, body = count(exact), exact.hours()
    fault("reset_after", method="POST")
    with pytest.raises(requests.ConnectionError):
        exact.post(PATH, body)
    assert count(exact) == before + 1


def test_a_reset_is_a_real_one(exact, fault):
    fault("reset_before")
    received, is_reset = raw(exact, b"GET /api/v1/current/Me HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (received, is_reset) == (b"", True)


def test_a_truncated_body_promises_more_than_it_sends(exact, fault):
    fault("truncated", method="POST")
    before = count(exact)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        exact.post(PATH, exact.hours())
    assert count(exact) == before + 1


def test_a_slow_answer_is_late_but_right(exact, fault):
    fault("slow", seconds=0.2)
    begun = time.monotonic()
    assert exact.get(PATH, top="1").status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_a_401_can_hit_the_third_page(exact, fault):
    fault("unauthorized", endpoint=PATH, nth=3)
    first = exact.get(PATH, select="ID").json()["d"]
    second = exact.get(first["__next"]).json()["d"]
    assert exact.get(second["__next"]).status_code == 401
    assert exact.get(second["__next"]).status_code == 200


@pytest.mark.parametrize("host", ELSEWHERE)
def test_next_can_lead_to_another_host(exact, fault, host):
    fault("next_elsewhere", endpoint=PATH, host=host)
    following = exact.get(PATH, select="ID").json()["d"]["__next"]
    assert urlsplit(following).netloc == host


def test_next_can_lead_to_the_page_itself(exact, fault):
    fault("next_self", endpoint=PATH, nth=2, times=0)
    first = exact.get(PATH, select="ID").json()["d"]["__next"]
    second = exact.get(first)
    assert second.json()["d"]["__next"] == first == second.url


def test_a_limit_can_hit_despite_budget(exact, fault):
    fault("minute_limit", endpoint=PATH)
    fault("day_limit", endpoint=PATH)
    minutely, daily = exact.get(PATH, top="1"), exact.get(PATH, top="1")
    assert (minutely.status_code, minutely.content) == (429, b"")
    assert "X-RateLimit-Minutely-Reset" in minutely.headers
    assert "X-RateLimit-Reset" not in minutely.headers
    assert daily.status_code == 429
    assert "X-RateLimit-Minutely-Reset" not in daily.headers
    assert int(daily.headers["X-RateLimit-Reset"]) % 86_400_000 == 0


def test_a_call_can_be_sent_to_a_login_page(exact, fault):
    fault("redirect")
    answer = requests.get(exact.url("current/Me"), allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.example/login")


def test_an_answer_can_be_empty(exact, fault):
    fault("empty", endpoint=PATH)
    answer = exact.get(PATH, top="1")
    assert (answer.status_code, answer.content) == (200, b"")


def refresh(emulator, token):
    form = {
        "grant_type": "refresh_token",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "refresh_token": token,
    }
    return requests.post(f"{emulator.url}/api/oauth2/token", data=form, timeout=60)


def test_a_lost_token_answer_has_rotated_the_token(emulator):
    token = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    emulator.fault("token_lost")
    with pytest.raises(requests.ConnectionError):
        refresh(emulator, token)
    assert refresh(emulator, token).status_code == 401
    assert emulator.statistics()["refreshes"] == 1


@pytest.mark.parametrize("kind", ["token_error", "token_empty"])
def test_an_overloaded_token_endpoint_does_not_rotate(emulator, kind):
    token = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    emulator.fault(kind)
    answer = refresh(emulator, token)
    if kind == "token_error":
        assert answer.status_code == 500
        assert "Failed to execute the ExtractVariables: ExtractAccessToken" in answer.text
    else:
        assert (answer.status_code, answer.content) == (200, b"")
    assert refresh(emulator, token).status_code == 200


def test_a_fault_hits_only_the_calls_it_is_meant_for(exact, fault):
    fault("status", method="PUT", endpoint="project/timetransactions", nth=2, times=2)
    key = exact.post(PATH, exact.hours()).json()["d"]["ID"]
    address = f"{PATH}(guid'{key}')"
    assert [exact.put(address, {"Notes": str(n)}).status_code for n in range(4)] == [204, 503, 503, 204]
    assert exact.get(address).status_code == 200


def test_a_fault_can_stay_for_ever_and_be_taken_back(exact, fault):
    fault("status", endpoint=PATH, times=0)
    assert [exact.get(PATH, top="1").status_code for _ in range(4)] == [503] * 4
    requests.delete(f"{exact.emulator.url}/_emulator/faults", timeout=60)
    assert exact.get(PATH, top="1").status_code == 200


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({}, "kind"),
        ({"kind": "flood"}, "'flood' is not a fault"),
        ({"kind": "status", "colour": "red"}, "colour"),
        ({"kind": "status", "status": 204}, "status"),
        ({"kind": "status", "status": "503"}, "status"),
        ({"kind": "status", "nth": 0}, "nth"),
        ({"kind": "slow", "seconds": -1}, "seconds"),
        ({"kind": "status", "method": 5}, "method"),
        ({"kind": "status", "nth": 1.5}, "nth"),
        ({"kind": "status", "status": 304}, "304"),
        ({"kind": []}, "kind"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_field(emulator, wanted, text):
    answer = requests.post(f"{emulator.url}/_emulator/faults", json=wanted, timeout=60)
    assert answer.status_code == 422
    assert text in answer.json()["detail"]


def test_the_log_tells_which_fault_hit_which_call(exact, fault):
    fault("reset_after", method="GET", endpoint=PATH)
    with pytest.raises(requests.ConnectionError):
        exact.get(PATH, top="1")
    last = exact.emulator.calls()[-1]
    assert (last["endpoint"], last["status"], last["fault"]) == (PATH, 0, "reset_after")


def test_a_reset_hits_the_right_emulator_of_two():
    from airflow_provider_exact.emulator.testing import running_emulator

    with running_emulator() as first, running_emulator() as second:
        first.fault("reset_before", times=0)
        for _ in range(5):
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{first.url}/api/v1/current/Me", timeout=60)
            assert requests.get(f"{second.url}/api/v1/current/Me", timeout=60).status_code == 401
