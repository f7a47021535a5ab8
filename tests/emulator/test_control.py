import json

import pytest
import requests

from airflow_provider_exact.emulator.testing import EmulatorError

PATH = "project/TimeTransactions"


def test_health_names_the_apps_and_divisions(emulator):
    health = requests.get(f"{emulator.url}/_emulator/health", timeout=60).json()
    assert health["status"] == "ok"
    assert health["apps"] == [{"name": "Airflow", "client_id": emulator.client_id}]
    assert [row["code"] for row in health["divisions"]] == list(emulator.divisions)
    assert emulator.client_secret not in json.dumps(health)


def test_the_clock_moves_and_can_be_held(emulator):
    held = emulator.hold()
    assert emulator.now() == held
    assert emulator.advance(3600) == held + 3600
    assert emulator.resume() >= held + 3600
    assert emulator.now() > held + 3600


def test_a_reset_brings_everything_back(emulator, exact):
    key = exact.post(PATH, exact.hours()).json()["d"]["ID"]
    emulator.fault("status", endpoint="current/Me", times=0)
    emulator.register_app("eeee1111-0000-0000-0000-000000000000", "s", "Second")
    emulator.advance(10 * 86_400)
    emulator.reset()
    assert exact.get("current/Me").status_code == 401
    exact.tokens = emulator.sign_in()
    assert exact.get("current/Me").status_code == 200
    assert exact.get(f"{PATH}(guid'{key}')").status_code == 404
    assert emulator.settings()["calls_per_minute"] == 60
    assert emulator.statistics()["refreshes"] == 0
    assert len(requests.get(f"{emulator.url}/_emulator/health", timeout=60).json()["apps"]) == 1


def test_every_secret_that_was_handed_out_can_be_listed(emulator):
    pairs = [emulator.sign_in(), emulator.sign_in(user_name="planner@example.test")]
    expected = {pair[name] for pair in pairs for name in ("access_token", "refresh_token")}
    assert set(emulator.secrets()) == expected | {emulator.client_secret}


def test_statistics_count_calls_by_method_endpoint_and_status(emulator, exact):
    exact.get("Project/timetransactions", top="1")
    exact.get(PATH, filter="x")
    exact.post(PATH, {})
    assert emulator.count(method="GET", endpoint=PATH, status=200) == 1
    assert emulator.count(endpoint=PATH, status=400) == 2
    assert emulator.count(method="POST") == 1
    assert emulator.statistics()["total"] == 3
    assert emulator.statistics()["distinct_bearer_tokens"] == 1


def test_the_log_of_calls_is_numbered_and_holds_no_token(emulator, exact):
    exact.get(PATH, top="1", select="ID")
    token = exact.tokens["access_token"]
    requests.get(exact.url("current/Me"), params={"access_token": token, "code": "secret-code"}, timeout=60)
    first, second = emulator.calls()
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert (first["method"], first["status"], first["division"]) == ("GET", 200, emulator.division)
    assert first["path"] == f"/api/v1/{emulator.division}/{PATH}"
    assert first["query"] == "%24top=1&%24select=ID"
    everything = json.dumps([emulator.calls(), emulator.statistics()])
    assert token not in everything
    assert "secret-code" not in everything


def test_control_calls_are_not_counted(emulator):
    emulator.now()
    emulator.settings()
    assert emulator.statistics()["total"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"colour": 1}, "colour: no such setting"),
        ({"calls_per_minute": "60"}, "calls_per_minute: expected int"),
        ({"calls_per_minute": -1}, "calls_per_minute: must not be negative"),
        ({"too_early_rotates": 1}, "too_early_rotates: expected bool"),
        ({"zone": "Mars/Olympus"}, "zone: 'Mars/Olympus' is not a time zone"),
        ({"unauthorized_body": "pdf"}, "unauthorized_body: choose"),
        ({"error_block_status": 200}, "error_block_status"),
    ],
)
def test_a_wrong_setting_is_refused_and_nothing_changes(emulator, changes, text):
    before = emulator.settings()
    with pytest.raises(EmulatorError, match=text):
        emulator.settings(**changes)
    assert emulator.settings() == before


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("sign-in", {"client_id": "nobody"}, "client_id: no such app"),
        ("sign-in", {"user_name": "nobody"}, "user_name"),
        ("sign-in", {"divisions": [9]}, "divisions: there is no 9"),
        ("sign-in", {"divisions": "all"}, "divisions: a list"),
        ("sign-in", {"password": "x"}, "password: not known here"),
        ("clock", {"advance": "1"}, "advance"),
        ("clock", {"advance": -1}, "advance"),
        ("clock", {"hold": []}, "hold"),
        ("apps", {"client_id": "x", "client_secret": "s", "name": "n", "scopes": {"a": []}}, "scopes"),
        ("apps", {"client_id": "x"}, "client_secret"),
        ("apps", {"client_id": "x", "client_secret": "s", "name": "n", "scopes": {"a": "all"}}, "scopes"),
        ("move-division", {"division": 9}, "division: choose from"),
        ("current-division", {}, "division: choose from"),
        ("faults", [], "JSON object"),
    ],
)
def test_a_wrong_control_call_says_what_is_wrong(emulator, path, body, text):
    answer = requests.post(f"{emulator.url}/_emulator/{path}", json=body, timeout=60)
    assert answer.status_code == 422
    assert text in answer.json()["detail"]


def test_nothing_under_the_control_path_answers_like_exact(emulator, exact):
    assert requests.get(f"{emulator.url}/_emulator/nothing", timeout=60).status_code == 404
    assert exact.get("_emulator/health").status_code == 404


def test_the_users_current_division_can_be_chosen(emulator, exact):
    requests.post(f"{emulator.url}/_emulator/current-division", json={"division": emulator.divisions[1]}, timeout=60)
    assert exact.rows("current/Me")[0]["CurrentDivision"] == emulator.divisions[1]
    assert exact.rows("system/Me")[0]["CurrentDivision"] == emulator.divisions[1]
    current = [row["Code"] for row in exact.rows("system/Divisions") if row["Current"]]
    assert current == [emulator.divisions[1]]


@pytest.mark.parametrize("path", ["system/Divisions", "system/AllDivisions", "hrm/Divisions"])
def test_the_division_lists_hold_what_was_granted(emulator, sign_in, path):
    exact = sign_in(divisions=[emulator.divisions[0], emulator.divisions[2]])
    assert [row["Code"] for row in exact.rows(path)] == [emulator.divisions[0], emulator.divisions[2]]
    assert exact.get(f"{path}({emulator.divisions[2]})").json()["d"]["Code"] == emulator.divisions[2]
    assert exact.get(f"{path}({emulator.divisions[1]})").status_code == 404


def test_created_shows_the_wall_clock_of_the_chosen_zone(emulator, exact):
    emulator.hold()
    offsets = []
    for zone in ("Europe/Amsterdam", "UTC"):
        emulator.settings(zone=zone)
        created = exact.post(PATH, exact.hours()).json()["d"]["Created"]
        offsets.append(int(created[6:-2]) // 1000 - int(emulator.now()))
    assert offsets[0] in {3600, 7200}
    assert offsets[1] == 0


def test_item_codes_can_be_padded(emulator, exact):
    emulator.settings(item_codes_padded=True)
    assert exact.rows("logistics/Items", filter="Code eq 'ADVIES'", select="ID") == []
    assert len(exact.rows("logistics/Items", filter=f"Code eq '{'ADVIES'.rjust(18)}'", select="ID")) == 1
