"""A clock that the emulator and the client share, so that a test moves both at once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.server_clock import ServerClock
from airflow_provider_exact.client.auth.token import App, AuthorizationCode, Token
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider, RefreshingTokenProvider
from airflow_provider_exact.client.auth.token_store import MemoryTokenStore
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import RequestsTransport
from tests.consent import consent


@dataclass
class Exact:
    """An emulator, and clients of it whose sleeping moves the clock instead of waiting."""

    emulator: object
    offset: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self):
        return time.time() + self.offset

    def advance(self, seconds):
        self.offset += seconds
        self.emulator.advance(seconds)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.advance(seconds)

    @property
    def site(self):
        return Site.of(None, self.emulator.url)

    def grants(self, **changes):
        app = {"client_id": self.emulator.client_id, "client_secret": self.emulator.client_secret, **changes}
        return Grants(self.site, App(**app), (60, 60), ServerClock(self.clock))

    def signed_in(self):
        """Return a token as a sign-in a moment ago handed it out."""
        pair = self.emulator.sign_in()
        return Token(pair["access_token"], pair["refresh_token"], self.clock(), self.clock() + 600)

    def code(self, redirect_uri):
        """Sign in on Exact's page; return the code that the browser is sent back with."""
        back = consent(self.grants().authorize_url(redirect_uri, "state"), self.emulator)
        return AuthorizationCode(parse_qs(urlsplit(back).query)["code"][0])

    def provider(self, token=None):
        store = MemoryTokenStore(token or self.signed_in())
        return RefreshingTokenProvider(store, self.grants(), advice="Sign in, please.", sleep=self.sleep)

    def client(self, tokens=None, timeout=(60, 60), **options):
        return ExactClient(
            self.site,
            tokens or FixedTokenProvider(self.emulator.sign_in()["access_token"]),
            division=self.emulator.division,
            transport=RequestsTransport(timeout=timeout),
            clock=self.clock,
            sleep=self.sleep,
            jitter=lambda: 0.5,
            **options,
        )


@pytest.fixture
def exact(emulator):
    return Exact(emulator)
