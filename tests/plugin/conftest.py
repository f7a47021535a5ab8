"""An Airflow API server in a thread of this process, and people who visit it."""

from __future__ import annotations

import json
import threading
import warnings
from dataclasses import dataclass

import pytest
import requests

from tests.consent import consent

CONN_ID = "exact_online_default"
PAGE = "/exact-online/"


class Visitor:
    """Somebody with a browser; ``role`` is one of Airflow's, or None for who is not signed in to Airflow."""

    def __init__(self, url, name=None, role=None):
        self.url = url
        self.browser = requests.Session()
        self.browser.trust_env = False
        if role is not None:
            from airflow.api_fastapi.app import get_auth_manager
            from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
            self.browser.cookies.set("_token", token, domain="127.0.0.1", path="/")

    def get(self, path=PAGE, **query):
        return self.browser.get(self.url + path, params=query, allow_redirects=False, timeout=120)

    def begin(self, conn_id=CONN_ID):
        """Press the button of a connection."""
        address = f"{self.url}/exact-online/sign-in/{conn_id}"
        return self.browser.post(address, allow_redirects=False, timeout=120)

    def consent(self, begun, emulator, **form):
        """Fill in Exact's form, and return the address that Exact sends the browser to."""
        assert begun.status_code == 303, begun.text
        return consent(begun.headers["Location"], emulator, browser=self.browser, **form)

    def come_back(self, address):
        return self.browser.get(address, allow_redirects=False, timeout=120)


@dataclass
class Airflow:
    url: str

    def visitor(self, name="ann", role="admin"):
        return Visitor(self.url, name, role)


@pytest.fixture(scope="module")
def served(migrated_database):
    """Serve Airflow's own app, with the plugin that its entry point names."""
    import uvicorn

    from airflow_provider_exact.emulator.server import address_of, listen

    bound = listen("127.0.0.1", 0)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        environment.setenv("AIRFLOW__API__BASE_URL", address_of(bound))
        environment.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of these tests only, long enough for SHA512" * 2)
        with warnings.catch_warnings():
            # What Airflow imports along the way warns of things that are not ours.
            warnings.simplefilter("ignore")
            from airflow.api_fastapi.app import create_app

            app = create_app(apps="core")
        config = uvicorn.Config(app, loop="asyncio", ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield Airflow(address_of(bound))
        server.should_exit = True
        thread.join(120)
    bound.close()


@pytest.fixture
def airflow(served, server):
    """Return the served Airflow, without Variables and connections of other tests."""
    return served


@pytest.fixture
def put_connection(monkeypatch, emulator):
    """Return a function that makes a connection to the emulator, with some fields other than they would be."""

    def put(conn_id=CONN_ID, *, extra=None, **fields):
        made = {
            "conn_type": "exact_online",
            "host": emulator.url,
            "login": emulator.client_id,
            "password": emulator.client_secret,
            "extra": {"division": emulator.division} if extra is None else extra,
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(made | fields))

    return put


@pytest.fixture
def ann(airflow):
    """Return an administrator of Airflow."""
    return airflow.visitor()
