"""Person at Exact's sign-in page."""

from __future__ import annotations

from typing import Any

import requests


def consent(address: str, emulator: Any, *, browser: Any = requests, **changes: Any) -> str:
    """
    Fill in the form of an authorize URL, and return the address of the redirect.

    :param changes: Changes to the form of the usual user with all divisions.
    """
    form = {"user_name": emulator.user_name, "password": emulator.password, "decision": "allow"}
    form |= {"division": [str(division) for division in emulator.divisions]} | changes
    answer = browser.post(address, data=form, allow_redirects=False, timeout=120)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]
