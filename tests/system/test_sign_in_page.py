"""The page "Exact Online" in a real browser: an Airflow with users, below a path, with a secrets backend."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from airflow_provider_exact.connection import ConnectionSettings
from airflow_provider_exact.plugin.addresses import CALLBACK, MOUNT
from tests.sealed import sealed
from tests.system.browsing import TIMEOUT, keep_picture, visit
from tools.demo.processes import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.system.running import RunningAirflow
    from tools.demo.emulator import Emulator

DAY = 86_400
VAULT_APP = "0e5f0000-0000-4000-8000-000000000077"
SECRET = "the client secret of these tests"
# Whether or not somebody signed in before.
SIGN_IN = re.compile("^Sign in( again)? for exact_finance, exact_projects$")
FORGED = "callback?code=stampNL001.forged%21code&state=guessed"


@dataclass(frozen=True)
class Site:
    """The page and the emulator that its connections lead to."""

    running: RunningAirflow
    emulator: Emulator

    @property
    def url(self) -> str:
        return self.running.airflow.url

    @property
    def page(self) -> str:
        return f"{self.url}/exact-online/"

    def keep_token(self, conn_id: str, user: str, *, days: float) -> None:
        """Keep the token of a sign-in of some days ago, as Airflow would have it."""
        at = time.time() - days * DAY
        token = {"access_token": "access-seeded", "refresh_token": "refresh-seeded", "issued_at": at}
        token |= {"expires_at": at + 600, "signed_in": {"user": user, "divisions": 2, "at": at}}
        settings = ConnectionSettings(conn_id, conn_id, SECRET, region="nl")
        variable = {"key": settings.token_key, "value": sealed(settings, token)}
        self.running.api("POST", "variables", json=variable)


@pytest.fixture(scope="module")
def site(running: RunningAirflow, connections_file: Path) -> Site:
    expect.set_options(timeout=TIMEOUT)
    emulator = running.start_emulator("page")
    app = {"login": emulator.control.client_id, "password": SECRET}
    # To a browser another site than Airflow's, as Exact is.
    exact = emulator.url.replace(LOOPBACK, "localhost")
    ours: dict[str, Any] = {**app, "host": exact, "password": emulator.control.client_secret}
    vault = {"login": VAULT_APP, "password": SECRET}
    emulator.control.register_app(
        VAULT_APP, SECRET, "Vault", redirect_uris=(f"{running.airflow.url}{MOUNT}{CALLBACK}",)
    )
    in_vault = {"exact_in_vault": {**ours, **vault, "conn_type": "exact_online"}}
    connections_file.write_text(json.dumps(in_vault), encoding="utf-8")
    connections = {
        "exact_finance": {**ours, "extra": json.dumps({"division": emulator.control.division})},
        # With the same app: both share a sign-in.
        "exact_projects": {**ours, "extra": json.dumps({"division": emulator.control.divisions[1]})},
        "exact_belgium": {**app, "extra": json.dumps({"region": "be", "division": 402118})},
        "exact_holding": {**app, "login": "exact_holding", "extra": json.dumps({"region": "nl", "division": 2054380})},
        "exact_stock": {**app, "login": "exact_stock", "extra": json.dumps({"region": "nl", "division": 2054381})},
        "exact_mixed_up": {**app, "host": "https://start.exactonline.nl", "extra": json.dumps({"region": "be"})},
    }
    for conn_id, fields in connections.items():
        running.connect(conn_id, fields)
    found = Site(running, emulator)
    found.keep_token("exact_holding", "Fatima El Amrani", days=25.5)
    found.keep_token("exact_stock", "Jan Jansen", days=31)
    return found


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
    page = visit(browser, site.page)
    page.goto(f"{site.url}/connections")
    page.get_by_role("button", name="Admin").click()
    keep_picture(page, "sign-in-menu.png", full_page=True)
    with page.context.expect_page() as opened:
        page.get_by_role("menuitem", name="Exact Online").click()
    tab = opened.value
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    expect(tab).to_have_url(site.page)
    row = tab.get_by_role("row").filter(has_text="exact_finance")
    expect(row).to_contain_text("never signed in")

    tab_to(tab, "Sign in for exact_finance, exact_projects")
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(rf"^http://localhost:{site.emulator.port}/api/oauth2/auth\?"))
    sign_in_at_exact(tab, site)

    # The code that the address brought along is not left in it.
    expect(tab).to_have_url(f"{site.url}/exact-online/callback")
    expect(tab.get_by_role("status")).to_contain_text("The connection exact_finance is signed in as")
    for division in site.emulator.control.divisions:
        expect(tab.get_by_role("row").filter(has_text=str(division))).to_be_visible()
    keep_picture(tab, "sign-in-done.png", full_page=True)
    assert tab.context.cookies(tab.url)
    assert "exact_online_sign_in" not in {cookie["name"] for cookie in tab.context.cookies(tab.url)}

    tab.get_by_role("link", name="Show the connections").click()
    expect(row).to_contain_text("signed in as")
    expect(row).to_contain_text("29 days")
    expect(row.get_by_role("button")).to_have_text("Sign in again")
    keep_picture(tab, "sign-in-page.png", full_page=True)
    # Neither the browser's console nor the page's own policy has anything to complain about.
    assert [text for text in problems if "404" not in text] == []


def test_the_page_follows_airflows_switch_between_light_and_dark_and_the_browsers(browser: Browser, site: Site):
    page = visit(browser, site.page)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert dark != light
    keep_picture(page, "sign-in-page-dark.png", full_page=True)
    for choice, expected in (("light", light), ("dark", dark)):
        page.emulate_media(color_scheme="light" if choice == "dark" else "dark")
        page.evaluate("choice => localStorage.setItem('theme', choice)", choice)
        page.reload()
        assert page.evaluate(ground) == expected


def test_nothing_sticks_out_on_a_phone(browser: Browser, site: Site):
    page = visit(browser, site.page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.get_by_role("button", name="Sign in for exact_belgium")).to_be_visible()


def test_a_connection_in_a_secrets_backend_is_found_signed_in_and_then_listed(browser: Browser, site: Site):
    page = visit(browser, site.page)
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
    page = visit(browser, site.page, "vic")
    expect(page.get_by_role("main")).to_contain_text("no connection of type Exact Online that you may see")
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)
    # The form that the page does not show, sent all the same.
    page.evaluate(
        "here => { const form = document.createElement('form'); form.method = 'post';"
        " form.action = here + 'sign-in/exact_finance'; document.body.append(form); form.submit(); }",
        site.page,
    )
    expect(page.get_by_role("heading")).to_have_text("You may not sign in for this connection")
    expect(page.get_by_role("alert")).to_contain_text("needs the right to edit it")


def test_a_forged_callback_is_refused(browser: Browser, site: Site):
    page = visit(browser, site.page)
    page.get_by_role("button", name=SIGN_IN).click()
    expect(page.get_by_label("User name")).to_be_visible()
    before = site.emulator.control.statistics()["calls"]
    address = site.page + FORGED
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 400
    expect(page.get_by_role("alert")).to_contain_text("belongs to no sign-in that is under way in this browser")
    # The same page is seen by who began in a terminal, and pastes the address there.
    expect(page).to_have_url(address)
    assert site.emulator.control.statistics()["calls"] == before


def test_denied_consent_is_explained(browser: Browser, site: Site):
    page = visit(browser, site.page)
    page.get_by_role("button", name=SIGN_IN).click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("Access was denied on Exact's consent page")


def test_the_servers_log_holds_no_code_token_or_secret(browser: Browser, site: Site):
    log = site.running.airflow.log_folder / "api-server.log"
    visit(browser, site.page).goto(site.page + FORGED)
    site.running.wait_for(lambda: "/exact-online/callback" in log.read_text(encoding="utf-8"), "the call in the log")
    said = log.read_text(encoding="utf-8")
    about_the_page = [line for line in said.splitlines() if "/exact-online/callback" in line]
    assert [line for line in about_the_page if re.search(r"\b(code|state)=", line)] == []
    control = site.emulator.control
    for secret in ("stampNL001", "access-seeded", "refresh-seeded", control.client_secret, SECRET):
        assert secret not in said
