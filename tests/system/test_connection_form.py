"""The connection form in a real browser, in the Airflow that `make ui` starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version
from playwright.sync_api import expect, sync_playwright

from tests.system.other_program import register
from tests.system.running import ROOT
from tools.demo.emulator import Emulator
from tools.demo.local_airflow import bare_environment, http
from tools.demo.processes import LOOPBACK, Process, end_of, free_port, require_free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Airflow 3.1 takes the form from the hook, whose fields have neither names for their choices nor sections.
FROM_METADATA = Version(version("apache-airflow")) >= Version("3.2")
PICTURES = ROOT / "docs" / "images"


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Emulator]]:
    """Start what `make ui` starts, and end it as Ctrl-C does."""
    folder = tmp_path_factory.mktemp("ui")
    ports = {"--airflow-port": free_port(), "--emulator-port": free_port()}
    options = [str(part) for pair in ports.items() for part in pair]
    log = folder / "output.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "tools.demo", "ui", "--folder", str(folder), *options],
            cwd=ROOT,
            env=bare_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            # A test that runs in the background was told to ignore Ctrl-C, and what it starts would be, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    process = Process("make ui", popen, log)
    try:
        wait_until(
            lambda: bool(process.checked()) and "Ctrl-C ends" in end_of(log),
            "make ui's list of what to do",
            timeout=300,
        )
        yield f"http://{LOOPBACK}:{ports['--airflow-port']}", Emulator(process, ports["--emulator-port"])
    finally:
        popen.send_signal(signal.SIGINT)
        popen.wait(120)
    assert popen.returncode == 0, end_of(log)
    # Everything that it started has ended with it.
    for option, port in ports.items():
        require_free_port(port, "what was ended", option)


@pytest.fixture(scope="module")
def browser_page(chromium: str, ui: tuple[str, Emulator]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1250})
        page.set_default_timeout(60_000)
        # Airflow 3.1 signs a visitor in and then forgets which page was wanted.
        page.goto(ui[0])
        page.get_by_role("link", name="Dags").first.wait_for()
        yield page
        browser.close()


def keep_picture(page: Page, name: str) -> None:
    """Take a picture for the documentation, when asked to: a test run leaves the work tree as it was."""
    if os.environ.get("KEEP_SCREENSHOTS"):
        page.wait_for_timeout(800)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.get_by_role("dialog").screenshot(path=PICTURES / name)


def stored(url: str, conn_id: str) -> dict[str, Any]:
    session = http()
    token = session.get(f"{url}/auth/token", timeout=120).json()["access_token"]
    answer = session.get(
        f"{url}/api/v2/connections/{conn_id}", headers={"Authorization": f"Bearer {token}"}, timeout=120
    )
    answer.raise_for_status()
    return dict(answer.json())


def test_the_connection_of_make_ui_can_be_tested(ui: tuple[str, Emulator], browser_page: Page):
    # Before any test moves the emulator's clock, since one of the Dags may have renewed its token by now.
    url, _ = ui
    browser_page.goto(f"{url}/connections")
    row = browser_page.get_by_role("row").filter(has_text="exact_online_default")
    with browser_page.expect_response("**/connections/test") as answer:
        row.get_by_role("button", name="Test Connection").click()
    tested = answer.value.json()
    assert tested["status"] is True, tested


def test_a_connection_is_made_and_tested_in_the_form(ui: tuple[str, Emulator], browser_page: Page):
    url, emulator = ui
    page = browser_page
    # An app of its own, so that the connection of make ui stays signed in. This moves the emulator's clock.
    client_id, client_secret = register(emulator, 3)
    refresh_token = emulator.refresh_token(client_id)

    page.goto(f"{url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=connection_id]").fill("exact_by_hand")
    form.get_by_role("combobox").first.fill("Exact")
    page.get_by_role("option", name="Exact Online").click()
    form.get_by_label("Server URL").fill(f"http://{LOOPBACK}")
    form.get_by_label("Port").fill(str(emulator.port))
    form.get_by_label("Client ID").fill(client_id)
    form.get_by_label("Client secret", exact=True).fill(client_secret)
    keep_picture(page, "connection-form.png")

    form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.get_by_role("combobox", name="Region").click()
    options = page.get_by_role("option").filter(visible=True)
    expect(options).to_have_count(7)
    expect(options.first).to_have_text("Netherlands (start.exactonline.nl)" if FROM_METADATA else "nl")
    options.filter(has_text="Belgium (start.exactonline.be)" if FROM_METADATA else "be").click()
    form.get_by_label("Division", exact=True).fill(str(emulator.control.division))
    keep_picture(page, "connection-form-extra.png")

    if FROM_METADATA:
        form.get_by_role("button", name="Advanced: tokens", exact=True).click()
    form.locator("input[name=element_refresh_token]").fill(refresh_token)
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()

    connection = stored(url, "exact_by_hand")
    assert (connection["conn_type"], connection["login"]) == ("exact_online", client_id)
    assert '"region": "be"' in connection["extra"]
    assert refresh_token not in connection["extra"]
    assert client_secret not in str(connection)

    row = page.get_by_role("row").filter(has_text="exact_by_hand")
    with page.expect_response("**/connections/test") as answer:
        row.get_by_role("button", name="Test Connection").click()
    tested = answer.value.json()
    assert tested["status"] is True, tested
    expect(page.get_by_text("Test Connection Success").first).to_be_visible()
