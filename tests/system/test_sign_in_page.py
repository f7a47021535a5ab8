"""The page "Exact Online" in a real browser: an Airflow with users, below a path, with a secrets backend."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from tests.sealed import sealed
from tests.system.test_connection_form import FLAGS, PICTURES
from tools.demo.emulator import Emulator
from tools.demo.local_airflow import LocalAirflow, http
from tools.demo.processes import LOOPBACK, Processes, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

DAY = 86_400
PASSWORDS = {"ann": "ann's password", "vic": "vic's password"}
SECRET = "the client secret of these tests"


class Site:
    """A running API server and the emulator that its connections lead to."""

    def __init__(self, url: str, emulator: Emulator, log: Path) -> None:
        self.url = url
        self.emulator = emulator
        self.log = log

    @property
    def page(self) -> str:
        return f"{self.url}/exact-online/"

    def keep_token(self, conn_id: str, user: str, *, days: float) -> None:
        """Keep the token of a sign-in of some days ago, as Airflow would have it."""
        at = time.time() - days * DAY
        token = {"access_token": "access-seeded", "refresh_token": "refresh-seeded", "issued_at": at}
        token |= {"expires_at": at + 600, "signed_in": {"user": user, "divisions": 2, "at": at}}
        answer = http().post(
            f"{self.url}/auth/token", json={"username": "ann", "password": PASSWORDS["ann"]}, timeout=120
        )
        answer = http().post(
            f"{self.url}/api/v2/variables",
            headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
            json={"key": f"exact_online_token__{conn_id}", "value": sealed(SECRET, token)},
            timeout=120,
        )
        assert answer.ok, answer.text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    dags = folder / "dags"
    dags.mkdir()
    (folder / "passwords.json").write_text(json.dumps(PASSWORDS), encoding="utf-8")
    port = free_port()
    url = f"http://{LOOPBACK}:{port}/team"
    settings = {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ann:admin,vic:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(folder / "secrets.json")}),
    }
    airflow = LocalAirflow(folder / "home", dags, port, settings)
    with Processes() as processes:
        emulator = Emulator.start(processes, port=free_port(), log=folder / "emulator.log")
        emulator.wait_until_ready()
        app = {"login": emulator.control.client_id, "password": SECRET, "conn_type": "exact_online"}
        # To a browser another site than Airflow's, as Exact is.
        exact = emulator.url.replace(LOOPBACK, "localhost")
        ours: dict[str, Any] = {**app, "host": exact, "password": emulator.control.client_secret}
        default = {**ours, "extra": json.dumps({"division": emulator.control.division})}
        (folder / "secrets.json").write_text(json.dumps({"exact_in_vault": ours}), encoding="utf-8")
        airflow.prepare(
            {
                "exact_online_default": default,
                "exact_belgium": {**app, "extra": json.dumps({"region": "be", "division": 402118})},
                "exact_holding": {**app, "extra": json.dumps({"region": "nl", "division": 2054380})},
                "exact_warehouse": {**app, "extra": json.dumps({"region": "nl", "division": 2054381})},
                "exact_mixed_up": {
                    **app,
                    "host": "https://start.exactonline.nl",
                    "extra": json.dumps({"region": "be"}),
                },
            }
        )
        log = airflow.log_folder / "api-server.log"
        command = [sys.executable, "-m", "airflow", "api-server", "--host", LOOPBACK]
        server = processes.start("The API server", command, env=airflow.environment(), log=log)

        def answers() -> bool:
            server.checked()
            try:
                return http().get(f"{url}/api/v2/monitor/health", timeout=5).status_code == 200
            except requests.RequestException:
                return False

        wait_until(answers, "An answer of the API server", timeout=120)
        found = Site(url, emulator, log)
        found.keep_token("exact_holding", "Fatima El Amrani", days=25.5)
        found.keep_token("exact_warehouse", "Jan Jansen", days=31)
        yield found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


def visit(browser: Browser, site: Site, name: str) -> Page:
    """Open the page as a user of Airflow who is not signed in yet."""
    page = browser.new_context(viewport={"width": 1200, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(site.page)
    # Airflow's own sign-in comes first, and leads back.
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(PASSWORDS[name])
    page.keyboard.press("Enter")
    page.wait_for_url(site.page)
    return page


def keep_picture(page: Page, name: str) -> None:
    """Take a picture for the documentation, when asked to: a test run leaves the work tree as it was."""
    if os.environ.get("KEEP_SCREENSHOTS"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / name, full_page=True, animations="disabled")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until a button has the focus."""
    button = page.get_by_role("button", name=name, exact=True)
    for _ in range(30):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"Tab does not reach the button {name!r}")


def sign_in_at_exact(page: Page, site: Site) -> None:
    page.get_by_label("User name").fill(site.emulator.control.user_name)
    page.get_by_label("Password").fill(site.emulator.control.password)
    page.get_by_role("button", name="Allow").click()


def test_a_person_signs_in_from_the_menu_through_exact_and_back(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    page.goto(f"{site.url}/connections")
    page.get_by_role("button", name="Admin").click()
    keep_picture(page, "sign-in-menu.png")
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Exact Online").click()
    tab = opened.value
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    expect(tab).to_have_url(site.page)
    row = tab.get_by_role("row").filter(has_text="exact_online_default")
    expect(row).to_contain_text("never signed in")

    tab_to(tab, "Sign in for exact_online_default")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(rf"^http://localhost:{site.emulator.port}/api/oauth2/auth\?"))
    sign_in_at_exact(tab, site)

    # The code that the address brought along is not left in it.
    expect(tab).to_have_url(f"{site.url}/exact-online/callback")
    expect(tab.get_by_role("status")).to_contain_text("The connection exact_online_default is signed in as")
    for division in site.emulator.control.divisions:
        expect(tab.get_by_role("row").filter(has_text=str(division))).to_be_visible()
    keep_picture(tab, "sign-in-done.png")
    assert tab.context.cookies(tab.url)
    assert "exact_online_sign_in" not in {cookie["name"] for cookie in tab.context.cookies(tab.url)}

    tab.get_by_role("link", name="Show the connections").click()
    expect(row).to_contain_text("signed in as")
    expect(row).to_contain_text("29 days")
    expect(row.get_by_role("button")).to_have_text("Sign in again")
    keep_picture(tab, "sign-in-page.png")
    # Neither the browser's console nor the page's own policy has anything to complain about.
    assert [text for text in problems if "404" not in text] == []


def test_the_page_follows_airflows_switch_between_light_and_dark_and_the_browsers(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert dark != light
    keep_picture(page, "sign-in-page-dark.png")
    for choice, expected in (("light", light), ("dark", dark)):
        page.emulate_media(color_scheme="light" if choice == "dark" else "dark")
        page.evaluate("choice => localStorage.setItem('theme', choice)", choice)
        page.reload()
        assert page.evaluate(ground) == expected


def test_nothing_sticks_out_on_a_phone(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("button", name="Sign in for exact_belgium")).to_be_visible()


def test_a_connection_in_a_secrets_backend_is_found_signed_in_and_then_listed(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    row = page.get_by_role("row").filter(has_text="exact_in_vault")
    expect(row).to_have_count(0)
    page.get_by_label("Another connection").fill("exact_in_vault")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("never signed in")
    row.get_by_role("button", name="Sign in").click()
    sign_in_at_exact(page, site)
    expect(page.get_by_role("status")).to_contain_text("exact_in_vault is signed in as")
    expect(page.get_by_role("main")).to_contain_text("The connection has no default division")
    page.goto(site.page)
    expect(row).to_contain_text("signed in as")


def test_a_viewer_sees_no_connection_and_is_refused(browser: Browser, site: Site):
    page = visit(browser, site, "vic")
    expect(page.get_by_role("main")).to_contain_text("no connection of type Exact Online that you may see")
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)
    # The form that the page does not show, sent all the same.
    page.evaluate(
        "here => { const form = document.createElement('form'); form.method = 'post';"
        " form.action = here + 'sign-in/exact_online_default'; document.body.append(form); form.submit(); }",
        site.page,
    )
    expect(page.get_by_role("heading")).to_have_text("You may not sign in for this connection")
    expect(page.get_by_role("alert")).to_contain_text("needs the right to edit it")


def test_a_forged_callback_is_refused(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    page.get_by_role("button", name="Sign in again for exact_online_default").click()
    expect(page.get_by_label("User name")).to_be_visible()
    before = site.emulator.control.statistics()["calls"]
    address = f"{site.url}/exact-online/callback?code=stampNL001.forged%21code&state=guessed"
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 400
    expect(page.get_by_role("alert")).to_contain_text("belongs to no sign-in that is under way in this browser")
    # The same page is seen by who began in a terminal, and pastes the address there.
    expect(page).to_have_url(address)
    assert site.emulator.control.statistics()["calls"] == before


def test_denied_consent_is_explained(browser: Browser, site: Site):
    page = visit(browser, site, "ann")
    page.get_by_role("button", name="Sign in again for exact_online_default").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("Access was denied on Exact's consent page")


def test_the_servers_log_holds_no_code_token_or_secret(site: Site):
    said = site.log.read_text(encoding="utf-8")
    assert "/exact-online/callback" in said
    control = site.emulator.control
    for secret in ("stampNL001", "access-seeded", "refresh-seeded", control.client_secret, SECRET, "state="):
        assert secret not in said
