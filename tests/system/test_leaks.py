"""The search for secrets finds them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.system.leaks import all_forms, files_with, forms

SECRET = 'a secret/with+odd=signs&%21!"?'


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {SECRET}",
        urlencode({"client_secret": SECRET}),
        f"https://exact.test/?token={quote(SECRET)}",
        json.dumps({"access_token": SECRET}),
        str({"access_token": SECRET}),
        *(
            base64.b64encode(f"{before}:{SECRET}:{after}".encode()).decode()
            for before in ("", "i", "id")
            for after in "xy"
        ),
        base64.urlsafe_b64encode(f"client:{SECRET}".encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(text: str):
    assert any(form in text for form in forms(SECRET))


def test_files_are_named_in_which_one_stands(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "leaking.log").write_text(f"token: {SECRET}")
    (tmp_path / "quiet.log").write_text("token: ***")
    assert files_with(tmp_path, all_forms([SECRET, "another"])) == ["deep/leaking.log"]
