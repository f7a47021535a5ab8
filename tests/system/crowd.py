"""Many tasks and triggers in one Airflow that share one sign-in, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.consent import consent
from tools.demo.emulator import CONN_ID
from tools.demo.local_airflow import http
from tools.demo.processes import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import Session

    from tests.system.running import Run, RunningAirflow
    from tests.system.server_side import ServerSide


@dataclass
class Crowd:
    """A running Airflow with a process on its server's side."""

    running: RunningAirflow
    server: ServerSide = field(repr=False)
    app: tuple[str, str] = field(repr=False)

    def expire(self) -> None:
        """Let the stored token be an hour older, for Exact and for whoever reads it."""
        self.server.expire(self.running.emulator.url)

    def sign_in_again(self) -> str:
        """Sign in through Exact's form while everything runs; return who signed in."""
        emulator = self.running.emulator
        redirect_uri = f"{self.running.airflow.url}/exact-online/callback"
        asked = {"client_id": self.app[0], "redirect_uri": redirect_uri, "response_type": "code", "state": "s"}
        address = consent(f"{emulator.url}/api/oauth2/auth?{urlencode(asked)}", emulator.control)
        return self.server.sign_in(parse_qs(urlsplit(address).query)["code"][0], redirect_uri)

    def sign_in_on_the_page(self) -> None:
        """Sign in as a person does in the browser, with the API server's own routes."""
        browser = self._browser()
        begun = browser.post(f"{self._page}sign-in/{CONN_ID}", allow_redirects=False, timeout=120)
        assert begun.status_code == 303, begun.text
        answer = browser.get(consent(begun.headers["Location"], self.running.emulator.control), timeout=120)
        assert answer.ok, answer.text

    def page(self) -> str:
        """Return the HTML of the page "Exact Online"."""
        answer = self._browser().get(self._page, timeout=120)
        assert answer.ok, answer.text
        return answer.text

    def secrets(self) -> list[str]:
        """Return every code and token that Exact handed out, and every client secret."""
        return self.running.emulator.control.secrets()

    @property
    def _page(self) -> str:
        return f"{self.running.airflow.url}/exact-online/"

    def _browser(self) -> Session:
        session = http()
        session.cookies.set("_token", self.running.token, domain=LOOPBACK, path="/")
        return session

    def look(self) -> Tally:
        return Tally.of(self.running.emulator.control.statistics())

    def wait_for_states(self, run: Run, states: Mapping[str, int]) -> None:
        """Wait until at least so many tasks of a run are in each of these states."""

        def reached() -> bool:
            counted = Counter(run.tasks().values())
            assert not counted["failed"], self.failures(run)
            return all(counted[state] >= number for state, number in states.items())

        self.running.wait_for(reached, f"{states} of {run.dag_id}")

    def assert_all_succeeded(self, run: Run, number: int) -> None:
        run.wait()
        assert Counter(run.tasks().values()) == {"success": number}, self.failures(run)

    def failures(self, run: Run) -> str:
        """Return how many tasks failed, and the ends of the first two."""
        failed = [name for name, state in run.tasks().items() if state == "failed"]
        return "\n\n".join([f"{len(failed)} failed", *run.ends(*failed[:2]).values()])


@dataclass(frozen=True)
class Tally:
    """What Exact saw so far: refreshes that worked, refreshes that it refused, 401s, sign-ins."""

    refreshes: int
    refused: int
    unauthorized: int
    sign_ins: int

    @classmethod
    def of(cls, statistics: Mapping[str, Any]) -> Tally:
        unauthorized = sum(row["count"] for row in statistics["calls"] if row["status"] == 401)
        refused = sum(statistics["refused_refreshes"].values())
        return cls(statistics["refreshes"], refused, unauthorized, statistics["sign_ins"])

    def since(self, earlier: Tally) -> Tally:
        return Tally(
            self.refreshes - earlier.refreshes,
            self.refused - earlier.refused,
            self.unauthorized - earlier.unauthorized,
            self.sign_ins - earlier.sign_ins,
        )
