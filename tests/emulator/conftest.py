"""A signed-in session that speaks HTTP to the emulator, without our own client."""

from dataclasses import dataclass, field

import pytest
import requests

from airflow_provider_exact.emulator.testing import EmulatorController


@dataclass
class Exact:
    """Calls for one division with one access token."""

    emulator: EmulatorController
    division: int
    tokens: dict[str, str] = field(repr=False)
    accept: str = "application/json"
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        # To look for a proxy in the environment takes as long as a call.
        self.session.trust_env = False

    def url(self, path: str) -> str:
        if path.startswith(("http:", "https:")):
            return path
        if path == "current/Me":
            return f"{self.emulator.url}/api/v1/current/Me"
        if path.startswith("beta/"):
            return f"{self.emulator.url}/api/v1/beta/{self.division}/{path.removeprefix('beta/')}"
        return f"{self.emulator.url}/api/v1/{self.division}/{path}"

    def call(self, method, path, *, query=None, body=None, headers=None):
        sent = {"Authorization": f"Bearer {self.tokens['access_token']}", "Accept": self.accept, "Connection": "close"}
        params = {f"${name}": value for name, value in (query or {}).items()}
        sent |= headers or {}
        return self.session.request(method, self.url(path), params=params, json=body, headers=sent, timeout=60)

    def get(self, path, **query):
        return self.call("GET", path, query=query)

    def rows(self, path, **query):
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        content = answer.json()["d"]
        return content if isinstance(content, list) else content["results"]

    def every(self, path, **query):
        """Return the records of all pages and the number of pages."""
        answer = self.get(path, **query)
        found, pages = [], 0
        while True:
            assert answer.status_code == 200, answer.text
            page = answer.json()["d"]
            found += page["results"]
            pages += 1
            if "__next" not in page:
                return found, pages
            answer = self.get(page["__next"])

    def post(self, path, body, **headers):
        return self.call("POST", path, body=body, headers=headers)

    def put(self, path, body, **headers):
        return self.call("PUT", path, body=body, headers=headers)

    def delete(self, path):
        return self.call("DELETE", path)

    def hours(self, **fields):
        """Return the body of valid project hours, with changes."""
        item = self.rows("logistics/Items", filter="Code eq 'ADVIES'", select="ID")[0]["ID"]
        project = self.rows("project/Projects", top="1", select="ID")[0]["ID"]
        return {"Item": item, "Project": project, "Quantity": 1.5, **fields}


def message(answer):
    """Return the text of an error answer, after a look at its shape."""
    content = answer.json()
    assert content == {"error": {"code": "", "message": {"lang": "", "value": content["error"]["message"]["value"]}}}
    return content["error"]["message"]["value"]


@pytest.fixture
def error_text():
    return message


@pytest.fixture
def exact(emulator):
    emulator.settings(calls_per_minute=100_000, calls_per_day=1_000_000, error_limit=0)
    return Exact(emulator, emulator.division, emulator.sign_in())


@pytest.fixture
def sign_in(emulator):
    """Return a function that signs in once more, with the emulator's own limits."""

    def make(division=None, **how):
        return Exact(emulator, division or emulator.division, emulator.sign_in(**how))

    return make
