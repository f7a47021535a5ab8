"""
Refresher with a stop, or an outage of Airflow's database, at each step of a refresh.

Each scenario has a separate app, connection and way to the database. The first process refreshes an expired token and
stops at a step; a second process needs a token meanwhile. Afterwards the next expiry shows whether the sign-in lives.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from airflow_provider_exact.emulator.testing import emulator_process
from tests.sealed import sealed, settings_of
from tests.system.airflow_database import PORT, postgresql_settings
from tests.tokens.gate import gates
from tests.tokens.stepping import STEPS

pytestmark = pytest.mark.system

CONN_ID = "exact_online_default"
# How long a test waits for an event: a token call and the wait for a holder together take less.
LIMIT = 400
GRACE_SECONDS = 600
STOPS = (2, 17, 25)
OUTAGES = (5, 20, 40)


@dataclass(frozen=True)
class Scenario:
    """Stop or outage of some seconds at a step; ``grace`` lets Exact accept a refresh token twice."""

    number: int
    step: str
    kind: str
    seconds: float
    grace: bool


def short_form():
    """Return each step once as a stop longer than a lease, and once as an outage."""
    for number, step in enumerate(STEPS):
        yield Scenario(number, step, "stop", 17, grace=number % 2 == 0)
        yield Scenario(number + len(STEPS), step, "outage", 5, grace=number % 2 == 1)


def long_form():
    kinds = [("stop", seconds) for seconds in STOPS] + [("outage", seconds) for seconds in OUTAGES]
    found = [(step, *kind, grace) for grace in (False, True) for kind in kinds for step in STEPS]
    return [Scenario(number, *each) for number, each in enumerate(found)]


class Program:
    """The program ``stepping.py``, asked from several threads."""

    def __init__(self, process):
        self._process = process
        self._events = {}
        self._guard = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            event = json.loads(line)
            self._queue(event["child"]).put(event)

    def _queue(self, child):
        with self._guard:
            return self._events.setdefault(child, queue.Queue())

    def _write(self, wanted):
        with self._guard:
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()

    def start(self, child, environment, step=None):
        self._write({"child": child, "environment": environment, "step": step})

    def resume(self, child):
        self._write({"resume": child})

    def event(self, child):
        return self._queue(child).get(timeout=LIMIT)

    def outcome(self, child):
        while "outcome" not in (event := self.event(child)):
            assert event["stopped"]
        return event["outcome"]


@dataclass
class Stage:
    """Program, emulators and database of all scenarios."""

    program: Program
    emulators: dict
    engine: sa.Engine
    database: str
    make_gate: object
    settings: dict = field(default_factory=dict)

    def set(self, scenario):
        """Sign in with a separate app for the scenario."""
        emulator = self.emulators[scenario.grace]
        client_id = f"0e5f0000-0000-4000-8000-{scenario.number:012d}"
        emulator.register_app(client_id, "secret", f"Scenario {scenario.number}")
        settings = settings_of(
            emulator,
            CONN_ID,
            client_id=client_id,
            client_secret="secret",
            token_variable=f"exact_online_token__{client_id}",
        )
        pair = emulator.sign_in(client_id=client_id)
        self.settings[scenario] = settings
        tokens = {"access_token": pair["access_token"], "refresh_token": pair["refresh_token"]}
        self.keep(settings, json.loads(sealed(settings, tokens)))

    def keep(self, settings, tokens):
        """Store a token that expired a moment ago, by the clock of the processes."""
        from airflow.models import Variable

        now = time.time()
        with Session(self.engine) as session, session.begin():
            session.execute(sa.delete(Variable).where(Variable.key == settings.token_key))
            content = tokens | {"issued_at": now - 601, "expires_at": now - 1}
            session.add(Variable(key=settings.token_key, val=json.dumps(content)))

    def kept(self, settings):
        from airflow.models import Variable

        with Session(self.engine) as session:
            found = session.scalars(sa.select(Variable).where(Variable.key == settings.token_key)).one()
            return json.loads(found.get_val())

    def environment(self, scenario, port):
        settings = self.settings[scenario]
        extra = {"token_variable": settings.token_variable}
        made = {"conn_type": "exact_online", "host": settings.server_url, "login": settings.client_id}
        made |= {"password": settings.client_secret, "extra": extra}
        return {
            f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(made),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.replace(f":{PORT}/", f":{port}/"),
        }

    def play(self, scenario):
        """Return the outcomes of the stopped process and of the second process."""
        gate = self.make_gate()
        environment = self.environment(scenario, gate.port)
        holder, other = f"{scenario.number} holder", f"{scenario.number} other"
        self.program.start(holder, environment, scenario.step)
        event = self.program.event(holder)
        assert event.get("stopped"), event
        if scenario.kind == "outage":
            gate.shut()
            self.program.resume(holder)
        self.program.start(other, environment)
        # The scenario is the length of the stop or outage.
        threading.Event().wait(scenario.seconds)
        if scenario.kind == "outage":
            gate.open()
        else:
            self.program.resume(holder)
        return [self.program.outcome(holder), self.program.outcome(other)]

    def survives(self, scenario):
        """Return the outcome of a process after one more expiry."""
        child = f"{scenario.number} next"
        self.program.start(child, self.environment(scenario, PORT))
        return self.program.outcome(child)

    def expire(self):
        """Let all stored tokens expire, at Exact and by the clock of the processes."""
        for emulator in self.emulators.values():
            emulator.advance(601)
        for settings in self.settings.values():
            self.keep(settings, self.kept(settings))


@pytest.fixture(scope="module")
def stage():
    with ExitStack() as stack:
        database = stack.enter_context(postgresql_settings(required=True))["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        engine = sa.create_engine(database)
        stack.callback(engine.dispose)
        from airflow.models import import_all_models
        from airflow.models.base import Base

        import_all_models()
        Base.metadata.create_all(engine)
        emulators = {
            False: stack.enter_context(emulator_process()),
            True: stack.enter_context(emulator_process("--refresh-grace-seconds", str(GRACE_SECONDS))),
        }
        environment = os.environ | {"_AIRFLOW_PROCESS_CONTEXT": "server"}
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        environment["PYTHONPATH"] = str(Path.cwd())
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, Path(__file__).with_name("stepping.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        stack.callback(process.stdin.close)
        yield Stage(Program(process), emulators, engine, database, stack.enter_context(gates(PORT)))


def play_all(stage, scenarios, at_once):
    for scenario in scenarios:
        stage.set(scenario)
    for emulator in stage.emulators.values():
        emulator.advance(571)
    with ThreadPoolExecutor(at_once) as pool:
        outcomes = dict(zip(scenarios, pool.map(stage.play, scenarios), strict=True))
        stage.expire()
        for scenario, outcome in zip(scenarios, pool.map(stage.survives, scenarios), strict=True):
            outcomes[scenario].append(outcome)
    return outcomes


def report(outcomes):
    """Print a line for each scenario: token calls by status, and failures."""
    for scenario, each in outcomes.items():
        calls = [status for outcome in each[:2] for status in outcome["token_calls"]]
        refreshes, refusals = calls.count(200), len(calls) - calls.count(200)
        failures = [outcome["error"] for outcome in each if "error" in outcome]
        print(
            f"{scenario.kind:7} {scenario.seconds:3} s  {'grace' if scenario.grace else 'strict':7} {scenario.step:15}"
            f" refreshes {refreshes} refused {refusals} {' '.join(failures)}"
        )


def check(outcomes):
    report(outcomes)
    failed = {s: [o for o in each if "error" in o] for s, each in outcomes.items() if any("error" in o for o in each)}
    assert failed == {}
    for scenario, each in outcomes.items():
        calls = [status for outcome in each[:2] for status in outcome["token_calls"]]
        # Only with grace, Exact accepts a second refresh.
        assert 1 <= calls.count(200) <= (2 if scenario.grace else 1), scenario


def test_a_sign_in_survives_a_refresher_that_is_stopped_or_cut_off_at_each_step(stage):
    scenarios = list(short_form())
    check(play_all(stage, scenarios, len(scenarios)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_sign_in_survives_every_length_of_a_stop_or_an_outage(stage):
    check(play_all(stage, long_form(), 24))
