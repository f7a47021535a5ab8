"""Pages of the running Airflow in a real browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.system.running import PASSWORDS, ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PICTURES = ROOT / "docs" / "images"
# Milliseconds. A busy machine needs more than the usual 30,000 for a page of Airflow's.
TIMEOUT = 180_000


def visit(browser: Browser, url: str, user: str = "ann", *, width: int = 1200, height: int = 800) -> Page:
    """Open a page as a user of Airflow who is not signed in yet, and sign in to Airflow."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(TIMEOUT)
    page.goto(url)
    # Airflow's own sign-in comes first, and leads back.
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(PASSWORDS[user])
    page.keyboard.press("Enter")
    page.wait_for_url(url)
    return page


def keep_picture(shown: Page | Locator, name: str, **options: bool) -> None:
    """Take a picture for the documentation when ``make screenshots`` asks for it. A test run changes no file."""
    if os.environ.get("KEEP_SCREENSHOTS"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=PICTURES / name, animations="disabled", **options)
