import base64
import re

import pytest
import requests

DAY = 86_400


@pytest.fixture
def ask(emulator):
    """Return a function that calls the token endpoint with the app's id and secret."""
    emulator.hold()

    def post(**fields):
        form = {"client_id": emulator.client_id, "client_secret": emulator.client_secret, **fields}
        return requests.post(f"{emulator.url}/api/oauth2/token", data=form, timeout=60)

    return post


@pytest.fixture
def refresh(ask):
    def call(token, **fields):
        return ask(grant_type="refresh_token", refresh_token=token, **fields)

    return call


def me(emulator, token):
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return requests.get(f"{emulator.url}/api/v1/current/Me", headers=headers, timeout=60)


def refused(answer, status, error, description):
    assert answer.status_code == status
    assert answer.json() == {"error": error, "error_description": description}


BROKEN = (400, "invalid_grant", "Token is not allowed, because of invalid or empty chainId")
OLD = (401, "unauthorized_client", "Old refresh token used.")


def test_a_refresh_gives_a_new_pair_that_works(emulator, refresh):
    first = emulator.sign_in()
    emulator.advance(575)
    answer = refresh(first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()
    assert set(second) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (second["token_type"], second["expires_in"]) == ("bearer", "600")
    assert second["refresh_token"] != first["refresh_token"]
    assert re.fullmatch(r"stampNL001\.[0-9A-F]{4}!IAAAA[\w-]+", second["refresh_token"])
    assert me(emulator, second["access_token"]).status_code == 200


def test_a_refresh_before_570_seconds_is_refused_and_changes_nothing(emulator, refresh):
    first = emulator.sign_in()["refresh_token"]
    emulator.advance(569)
    answer = refresh(first)
    refused(answer, 400, "access_denied", "Rate limit exceeded: access_token not expired")
    assert answer.headers["Reason"].startswith("TooEarlyToRefreshTokens: ")
    emulator.advance(1)
    assert refresh(first).status_code == 200


def test_a_refresh_that_comes_too_early_can_be_made_to_rotate(emulator, refresh):
    emulator.settings(too_early_rotates=True)
    first = emulator.sign_in()["refresh_token"]
    answer = refresh(first)
    assert answer.status_code == 400
    emulator.advance(570)
    refused(refresh(first), *OLD)
    assert refresh(answer.json()["refresh_token"]).status_code == 200


def test_a_refresh_token_works_once(emulator, refresh):
    first = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    second = refresh(first).json()["refresh_token"]
    refused(refresh(first), *OLD)
    emulator.advance(600)
    refused(refresh(first), *OLD)
    assert refresh(second).status_code == 200
    assert emulator.statistics()["refreshes"] == 2
    assert emulator.statistics()["refused_refreshes"] == {"old token": 2}


def test_an_old_token_has_grace_only_where_it_is_switched_on(emulator, refresh):
    emulator.settings(refresh_grace_seconds=600)
    first = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    lost = refresh(first).json()
    again = refresh(first)
    assert again.status_code == 200
    refused(refresh(lost["refresh_token"]), *OLD)
    assert me(emulator, again.json()["access_token"]).status_code == 200
    refused(refresh(first), *OLD)


def test_the_grace_ends_with_the_first_use_of_the_new_pair_and_not_of_the_old_one(emulator, refresh):
    emulator.settings(refresh_grace_seconds=600)
    first = emulator.sign_in()
    emulator.advance(575)
    refresh(first["refresh_token"])
    assert me(emulator, first["access_token"]).status_code == 200
    again = refresh(first["refresh_token"])
    assert again.status_code == 200
    me(emulator, again.json()["access_token"])
    refused(refresh(first["refresh_token"]), *OLD)


def test_of_two_refreshes_at_once_both_can_succeed_where_it_is_switched_on(emulator, refresh):
    emulator.settings(concurrent_refresh_seconds=2)
    first = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    losing, winning = refresh(first), refresh(first)
    assert (losing.status_code, winning.status_code) == (200, 200)
    emulator.advance(600)
    refused(refresh(losing.json()["refresh_token"]), *OLD)
    assert refresh(winning.json()["refresh_token"]).status_code == 200


def test_an_app_can_be_exempt_from_single_use(emulator, refresh):
    emulator.settings(single_use_refresh_tokens=False)
    first = emulator.sign_in()["refresh_token"]
    for _ in range(3):
        emulator.advance(600)
        assert refresh(first).status_code == 200


def test_an_unused_refresh_token_lasts_thirty_days(emulator, refresh):
    first = emulator.sign_in()["refresh_token"]
    emulator.advance(30 * DAY)
    second = refresh(first).json()["refresh_token"]
    emulator.advance(30 * DAY + 1)
    answer = refresh(second)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    moment = r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d [AP]M"
    text = answer.json()["error_description"]
    assert re.fullmatch(rf"The refresh token expired at {moment} and it is now {moment}\.", text)


def test_a_second_sign_in_of_the_same_user_kills_the_first_chain(emulator, refresh):
    first = emulator.sign_in()["refresh_token"]
    second = emulator.sign_in()["refresh_token"]
    colleague = emulator.sign_in(user_name="planner@example.test")["refresh_token"]
    emulator.advance(600)
    refused(refresh(first), *BROKEN)
    assert refresh(second).status_code == 200
    assert refresh(colleague).status_code == 200


def test_a_second_sign_in_ends_access_at_once_unless_that_is_switched_off(emulator):
    first = emulator.sign_in()["access_token"]
    assert me(emulator, first).status_code == 200
    emulator.sign_in()
    assert me(emulator, first).status_code == 401
    emulator.settings(sign_in_ends_access=False)
    assert me(emulator, first).status_code == 200


def test_unknown_and_double_encoded_tokens_are_a_broken_chain(emulator, refresh):
    token = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    refused(refresh("nonsense"), *BROKEN)
    refused(refresh(token.replace("!", "%21")), *BROKEN)


def test_an_access_token_lasts_600_seconds_and_use_does_not_extend_it(emulator):
    emulator.hold()
    token = emulator.sign_in()["access_token"]
    emulator.advance(599)
    assert me(emulator, token).status_code == 200
    emulator.advance(1)
    assert me(emulator, token).status_code == 401


def test_the_client_id_may_have_braces_and_any_letter_case(emulator, refresh):
    token = emulator.sign_in(client_id="{" + emulator.client_id + "}")["refresh_token"]
    emulator.advance(600)
    assert refresh(token, client_id="{" + emulator.client_id.upper() + "}").status_code == 200


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"client_secret": "guess"}, {"client_secret": ""}])
def test_a_wrong_client_id_or_secret_is_refused(emulator, refresh, wrong):
    token = emulator.sign_in()["refresh_token"]
    emulator.advance(600)
    answer = refresh(token, **wrong)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")
    assert refresh(token).status_code == 200


def test_a_token_of_another_app_is_refused(emulator, refresh):
    emulator.register_app("aaaa1111-0000-0000-0000-000000000000", "other", "Other app")
    token = emulator.sign_in(client_id="aaaa1111-0000-0000-0000-000000000000")["refresh_token"]
    emulator.advance(600)
    refused(refresh(token), *BROKEN)


@pytest.mark.parametrize("grant", ["client_credentials", "password", ""])
def test_other_grants_are_refused(ask, grant):
    assert ask(grant_type=grant).json()["error"] == "unsupported_grant_type"


def test_secrets_must_be_in_a_form(emulator):
    body = {
        "grant_type": "refresh_token",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "refresh_token": emulator.sign_in()["refresh_token"],
    }
    emulator.advance(600)
    url = f"{emulator.url}/api/oauth2/token"
    assert requests.post(url, json=body, timeout=60).status_code == 400
    assert requests.post(url, params=body, timeout=60).status_code == 400
    assert requests.post(url, data=body, timeout=60).status_code == 200


def test_http_basic_works_only_where_it_is_switched_on(emulator):
    basic = base64.b64encode(f"{emulator.client_id}:{emulator.client_secret}".encode()).decode()
    form = {"grant_type": "refresh_token", "refresh_token": emulator.sign_in()["refresh_token"]}
    emulator.advance(600)
    for expected in (400, 200):
        answer = requests.post(
            f"{emulator.url}/api/oauth2/token", data=form, headers={"Authorization": f"Basic {basic}"}, timeout=60
        )
        assert answer.status_code == expected
        emulator.settings(basic_client_auth=True)


def test_more_token_calls_in_a_day_than_allowed_are_refused(emulator, refresh):
    emulator.settings(token_calls_per_day=2, refresh_after_seconds=0)
    token = emulator.sign_in()["refresh_token"]
    for _ in range(2):
        token = refresh(token).json()["refresh_token"]
    assert refresh(token).status_code == 429
    emulator.advance(DAY)
    assert refresh(token).status_code == 200


def test_too_many_refused_refreshes_block_the_token_endpoint_for_an_hour(emulator, refresh):
    token = emulator.sign_in()["refresh_token"]
    emulator.advance(100)
    assert [refresh(token).status_code for _ in range(11)] == [400] * 10 + [429]
    emulator.advance(3600)
    assert refresh(token).status_code == 200
    assert emulator.statistics()["refused_refreshes"] == {"too early": 10, "blocked": 1}


@pytest.mark.parametrize(("body", "kind"), [("html", "text/html"), ("json", "application/json"), ("empty", "")])
def test_a_call_without_a_good_bearer_token_is_a_401(emulator, body, kind):
    emulator.settings(unauthorized_body=body)
    for answer in (me(emulator, "guess"), requests.get(f"{emulator.url}/api/v1/current/Me", timeout=60)):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers.get("Content-Type", "").startswith(kind)
        assert bool(answer.content) == (body != "empty")
