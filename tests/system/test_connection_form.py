"""The connection form in a real browser."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version
from playwright.sync_api import TimeoutError, expect

from tests.system.browsing import TIMEOUT, keep_picture, visit
from tools.demo.processes import LOOPBACK, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.system.running import RunningAirflow

AIRFLOW = Version(version("apache-airflow")).release
# Airflow 3.1 takes the form from the hook, whose fields have neither names for their choices nor sections.
FROM_METADATA = AIRFLOW >= (3, 2)
# From Airflow 3.4 on, the form shows all sections at once.
FOLDED = AIRFLOW < (3, 4)

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def connections(browser: Browser, running: RunningAirflow) -> Page:
    """Return Airflow's list of connections, whose form is already known."""
    # Airflow 3.2 reads the providers for its first form without a lock. A connection test in that moment breaks the
    # form until the API server starts again (KeyError, then "wtforms.__spec__ is not set").
    running.api("GET", "connections/hook_meta", root="ui")
    expect.set_options(timeout=TIMEOUT)
    return visit(browser, f"{running.airflow.url}/connections", width=1000, height=1250)


def choose_type(page: Page, name: str) -> None:
    """Choose a type of connection; the form forgets what was typed before it has heard of all types."""
    option = page.get_by_role("option", name=name)

    def is_offered() -> bool:
        page.get_by_role("dialog").get_by_role("combobox").first.fill(name)
        with suppress(TimeoutError):
            option.wait_for(timeout=2_000)
        return option.is_visible()

    wait_until(is_offered, f"the type {name} in the form", timeout=TIMEOUT / 1000)
    option.click()


def test_the_default_connection_can_be_tested(connections: Page):
    row = connections.get_by_role("row").filter(has_text="exact_online_default")
    with connections.expect_response("**/connections/test") as answer:
        row.get_by_role("button", name="Test Connection").click()
    tested = answer.value.json()
    assert tested["status"] is True, tested


def test_a_connection_is_made_and_tested_in_the_form(running: RunningAirflow, connections: Page):
    page, emulator = connections, running.start_emulator("form")
    exact = emulator.control
    refresh_token = emulator.refresh_token()

    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("input[name=connection_id]").fill("exact_by_hand")
    choose_type(page, "Exact Online")
    form.get_by_label("Server URL").fill(f"http://{LOOPBACK}")
    form.get_by_label("Port").fill(str(emulator.port))
    form.get_by_label("Client ID").fill(exact.client_id)
    form.get_by_label("Client secret", exact=True).fill(exact.client_secret)
    keep_picture(form, "connection-form.png")

    if FOLDED:
        form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.get_by_role("combobox", name="Region").click()
    options = page.get_by_role("option").filter(visible=True)
    expect(options).to_have_count(7)
    expect(options.first).to_have_text("Netherlands (start.exactonline.nl)" if FROM_METADATA else "nl")
    options.filter(has_text="Belgium (start.exactonline.be)" if FROM_METADATA else "be").click()
    form.get_by_label("Division", exact=True).fill(str(exact.division))
    keep_picture(form, "connection-form-extra.png")

    if FROM_METADATA and FOLDED:
        form.get_by_role("button", name="Advanced: tokens", exact=True).click()
    form.locator("input[name=element_refresh_token]").fill(refresh_token)
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()

    connection = running.api("GET", "connections/exact_by_hand")
    assert (connection["conn_type"], connection["login"]) == ("exact_online", exact.client_id)
    assert '"region": "be"' in connection["extra"]
    assert refresh_token not in connection["extra"]
    assert exact.client_secret not in str(connection)

    row = page.get_by_role("row").filter(has_text="exact_by_hand")
    with page.expect_response("**/connections/test") as answer:
        row.get_by_role("button", name="Test Connection").click()
    tested = answer.value.json()
    assert tested["status"] is True, tested
    if FROM_METADATA:
        # "Test Connection Successful" in Airflow 3.4; 3.1 only colours the button.
        expect(page.get_by_text("Test Connection Success").first).to_be_visible()
