"""
A client that nobody here wrote, ``exact-online-sdk`` from PyPI, against the emulator.

What it does of its own that is not Exact's: it sends the app's id and secret by HTTP Basic only (the emulator accepts
that where it is switched on), it turns the bare list of ``$top`` into a single item, so pages are read without its
default ``page_size``, and its models know no ``/Date(…)/``, hence ``raw=True``.
"""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

sdk = pytest.importorskip("exact_online_sdk")

from exact_online_sdk.api import ItemsAPI, ProjectsAPI, SystemDivisionsAPI  # noqa: E402
from exact_online_sdk.auth import ExactOnlineAuth, InMemoryTokenStorage  # noqa: E402
from exact_online_sdk.client import ExactOnlineClient  # noqa: E402
from exact_online_sdk.config import Settings  # noqa: E402
from exact_online_sdk.exceptions import APIError, AuthenticationError  # noqa: E402

REDIRECT = "http://localhost:3000/callback"


@pytest.fixture
def settings(emulator):
    emulator.settings(basic_client_auth=True, calls_per_minute=1000)
    return Settings(
        client_id=emulator.client_id,
        client_secret=emulator.client_secret,
        redirect_uri=REDIRECT,
        base_url=emulator.url,
        auth_url=f"{emulator.url}/api/oauth2/auth",
        token_url=f"{emulator.url}/api/oauth2/token",
        division=emulator.division,
    )


@pytest.fixture
def storage():
    return InMemoryTokenStorage()


@pytest.fixture
def auth(emulator, settings, storage):
    """Sign in as a person would: open the address that the SDK makes, fill in the form, follow the redirect."""
    made = ExactOnlineAuth(settings, storage=storage)
    shown = requests.get(made.get_authorization_url(state="kept"), timeout=60)
    action = html.unescape(re.search(r'action="([^"]*)"', shown.text)[1])
    answer = requests.post(
        shown.url.split("?")[0] + action,
        data={
            "user_name": emulator.user_name,
            "password": emulator.password,
            "division": re.findall(r'name="division" value="(\d+)"', shown.text),
            "decision": "allow",
        },
        allow_redirects=False,
        timeout=60,
    )
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["kept"]
    made.exchange_code_for_token(back["code"][0])
    return made


@pytest.fixture
def client(settings, auth):
    with ExactOnlineClient(settings, auth=auth) as made:
        yield made


def test_it_signs_in_and_finds_the_divisions(emulator, client):
    rows = SystemDivisionsAPI(client).list(raw=True)
    assert [row["Code"] for row in rows] == list(emulator.divisions)


def test_it_lists_across_pages(client):
    pages = list(ProjectsAPI(client).iter_pages(select=["ID", "Code"], order_by="Code", page_size=None, raw=True))
    assert [len(page) for page in pages] == [60, 30]
    codes = [row["Code"] for page in pages for row in page]
    assert codes == sorted(codes)
    assert len(set(codes)) == 90


def test_it_lists_hours_across_pages_by_path(client):
    pages = list(client.iter_pages("project/TimeTransactions", params={"$select": "ID"}))
    assert sum(map(len, pages)) == 3000


def test_it_reads_creates_updates_and_deletes_a_project(client):
    projects = ProjectsAPI(client)
    existing = projects.list(filters={"Code": "P00001"}, raw=True)[0]
    assert projects.get(existing["ID"], raw=True)["Description"] == existing["Description"]

    made = projects.create({"Code": "SDK-1", "Description": "Gemaakt door een ander", "Type": 3}, raw=True)
    projects.update(made["ID"], {"Description": "Veranderd"}, raw=True)
    assert projects.get(made["ID"], raw=True)["Description"] == "Veranderd"

    projects.delete(made["ID"])
    with pytest.raises(APIError) as missing:
        projects.get(made["ID"], raw=True)
    assert missing.value.status_code == 404


def test_it_reads_creates_updates_and_deletes_hours(client):
    item = ItemsAPI(client).list(filters={"Code": "ADVIES"}, select=["ID"], raw=True)[0]["ID"]
    project = ProjectsAPI(client).list(filters={"Code": "P00001"}, select=["ID"], raw=True)[0]["ID"]
    path = "project/TimeTransactions"
    made = client.post(path, json={"Item": item, "Project": project, "Quantity": 1.25})
    address = f"{path}(guid'{made['ID']}')"
    client.put(address, json={"Quantity": 2.5})
    assert client.get(address)["Quantity"] == 2.5
    client.delete(address)
    with pytest.raises(APIError):
        client.get(address)


def test_it_sees_wrong_calls_as_errors(client):
    with pytest.raises(APIError) as wrong:
        ProjectsAPI(client).create({"Code": "SDK-2"}, raw=True)
    assert wrong.value.status_code == 400
    assert "Mandatory: Description" in str(wrong.value)


def test_it_refreshes_once_the_token_has_expired_and_never_with_the_old_one(emulator, auth, storage):
    emulator.advance(600)
    old = storage.get_token()
    assert auth.refresh_token().refresh_token != old.refresh_token
    storage.set_token(old)
    with pytest.raises(AuthenticationError, match="401"):
        auth.refresh_token()
