import html
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

REDIRECT = "http://localhost:8080/exact-online/callback"


@pytest.fixture
def asked(emulator):
    return {"client_id": emulator.client_id, "redirect_uri": REDIRECT, "response_type": "code", "state": "a b&c=!"}


def page(emulator, asked):
    return requests.get(f"{emulator.url}/api/oauth2/auth", params=asked, timeout=60)


def submit(emulator, shown, **fields):
    """Send the form that a page shows, as a browser would."""
    action = html.unescape(re.search(r'<form method="post" action="([^"]*)"', shown.text)[1])
    ticked = re.findall(r'name="division" value="(\d+)" checked', shown.text)
    form = {"user_name": emulator.user_name, "password": emulator.password, "division": ticked, "decision": "allow"}
    url = shown.url.split("?")[0] + action
    return requests.post(url, data={**form, **fields}, allow_redirects=False, timeout=60)


def answered(answer):
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == REDIRECT
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def exchange(emulator, code, **fields):
    form = {
        "grant_type": "authorization_code",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "redirect_uri": REDIRECT,
        "code": code,
        **fields,
    }
    return requests.post(f"{emulator.url}/api/oauth2/token", data=form, timeout=60)


def divisions(emulator, token):
    return requests.get(
        f"{emulator.url}/api/v1/{emulator.division}/system/Divisions",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        timeout=60,
    )


def test_the_page_names_the_app_and_labels_its_fields(emulator, asked):
    shown = page(emulator, asked)
    assert shown.status_code == 200
    assert "Airflow asks for access" in shown.text
    for name in ("user_name", "password"):
        assert f'<label for="{name}">' in shown.text
        assert f'<input id="{name}"' in shown.text
    assert shown.text.count('type="checkbox"') == 3
    assert "prefers-color-scheme: dark" in shown.text


def test_allowing_leads_back_with_a_code_that_gives_tokens(emulator, asked):
    answer = submit(emulator, page(emulator, asked))
    back = answered(answer)
    assert back["state"] == asked["state"]
    assert re.fullmatch(r"stampNL001\.[0-9A-F]{4}!IAAAA[\w-]+", back["code"])
    assert "%21IAAAA" in answer.headers["Location"]
    tokens = exchange(emulator, back["code"])
    assert tokens.status_code == 200
    assert divisions(emulator, tokens.json()["access_token"]).status_code == 200
    assert emulator.statistics()["sign_ins"] == 1


def test_denying_leads_back_with_an_error(emulator, asked):
    back = answered(submit(emulator, page(emulator, asked), decision="deny"))
    assert back == {"error": "access_denied", "state": asked["state"]}


def test_only_the_chosen_divisions_are_granted(emulator, asked):
    back = answered(submit(emulator, page(emulator, asked), division=[str(emulator.divisions[0])]))
    token = exchange(emulator, back["code"]).json()["access_token"]
    rows = divisions(emulator, token).json()["d"]["results"]
    assert [row["Code"] for row in rows] == [emulator.divisions[0]]
    refused = requests.get(
        f"{emulator.url}/api/v1/{emulator.divisions[1]}/project/Projects",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        timeout=60,
    )
    assert (refused.status_code, refused.headers["Reason"]) == (403, "NoDivisionAccess")


def test_a_wrong_password_shows_the_page_again(emulator, asked):
    answer = submit(emulator, page(emulator, asked), password="guess")
    assert answer.status_code == 401
    assert "User name or password is not correct." in answer.text
    assert 'action="?client_id=' in answer.text


def test_no_division_shows_the_page_again(emulator, asked):
    answer = submit(emulator, page(emulator, asked), division=[])
    assert answer.status_code == 400
    assert "Choose at least one division." in answer.text


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"client_id": "nobody"}, "client_id"),
        ({"redirect_uri": "https://elsewhere.example/callback"}, "redirect_uri"),
        ({"redirect_uri": "http://localhost.elsewhere.example/"}, "redirect_uri"),
        ({"redirect_uri": "http://localhost:80@elsewhere.example/"}, "redirect_uri"),
        ({"response_type": "token"}, "response_type"),
    ],
)
def test_a_wrong_request_is_explained_and_leads_nowhere(emulator, asked, wrong, text):
    for method in ("GET", "POST"):
        answer = requests.request(
            method,
            f"{emulator.url}/api/oauth2/auth",
            params={**asked, **wrong},
            data={"decision": "deny"} if method == "POST" else None,
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == 400
        assert text in answer.text


def test_what_the_app_sent_is_escaped_on_the_page(emulator, asked):
    shown = page(emulator, {**asked, "state": '"><script>alert(1)</script>'})
    assert "<script>" not in shown.text


def test_a_registered_address_that_is_not_loopback_works(emulator, asked):
    uri = "https://airflow.example/callback?from=exact"
    emulator.register_app("bbbb1111-0000-0000-0000-000000000000", "s", "Second", redirect_uris=(uri,))
    changed = {**asked, "client_id": "bbbb1111-0000-0000-0000-000000000000", "redirect_uri": uri}
    location = submit(emulator, page(emulator, changed)).headers["Location"]
    assert location.startswith(f"{uri}&code=stampNL001.")


def test_a_code_works_once_and_soon(emulator, asked):
    emulator.hold()
    code = answered(submit(emulator, page(emulator, asked)))["code"]
    late = answered(submit(emulator, page(emulator, asked)))["code"]
    assert exchange(emulator, code).status_code == 200
    broken = {
        "error": "invalid_grant",
        "error_description": "Token is not allowed, because of invalid or empty chainId",
    }
    again = exchange(emulator, code)
    assert (again.status_code, again.json()) == (400, broken)
    emulator.advance(60)
    assert exchange(emulator, late).json() == broken


def test_a_code_encoded_twice_is_refused(emulator, asked):
    code = answered(submit(emulator, page(emulator, asked)))["code"]
    assert exchange(emulator, quote(code)).json()["error"] == "invalid_grant"


def test_another_redirect_uri_at_the_token_step_is_a_bare_400(emulator, asked):
    code = answered(submit(emulator, page(emulator, asked)))["code"]
    answer = exchange(emulator, code, redirect_uri="http://localhost:9999/other")
    assert (answer.status_code, answer.content) == (400, b"")
