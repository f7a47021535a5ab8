"""
Run by a test: extracts as a task does, in processes that die and are run again until one succeeds.

A program of its own, so that it forks without threads; what all need is imported once. Each line on standard input is a
JSON object with ``url``, ``division``, ``folder``, ``run_id``, ``cursor``, ``database``, ``table``, ``seed``, and
``steps``, how many steps of each kind a process takes. The answer is what the extraction told, the cursor after it, how
many processes ended how, how many killed ones had begun to finish, and how many steps of each kind the last one took.

A step is a request or its response, an operation on a file, a statement, or a commit. Processes are killed at a step or
some milliseconds later, so that a slow machine kills as often as a fast one. A kind is drawn first, since a kind with
few steps, such as a commit, matters as much as one with many.
"""

import json
import logging
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy import create_engine, event

from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.emulator.testing import EmulatorController
from airflow_provider_exact.extract.cursor import Cursor, of_json, to_json
from airflow_provider_exact.extract.engine import Extraction
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.sources import make_plan
from airflow_provider_exact.extract.sql_table import Table

ENDPOINT = "sync/Project/TimeCostTransactions"
FIELDS = ("ID", "Notes", "Quantity", "Date")
MOST_TRIES = 80
SURE_KILLS = 2
# After so many kills, no process of this run is killed any more.
MOST_KILLS = 6
FILE_OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
SUCCEEDED, FAILED = 0, 1


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Steps:
    """
    Counter of this process's steps.

    :param kill_at: The kind and number of the step to die at; ``None`` for a process that lives.
    :param delay: Seconds from that step to the death.
    """

    def __init__(self, kill_at, delay):
        self.kill_at = kill_at
        self.delay = delay
        self.taken = Counter()

    def take(self, kind):
        self.taken[kind] += 1
        if (kind, self.taken[kind]) == self.kill_at:
            if not self.delay:
                die()
            # The signal has no handler, so it ends the process.
            signal.setitimer(signal.ITIMER_REAL, self.delay)

    def watch_client(self, client):
        send = client.transport.inner.send

        def watched(request):
            self.take("request")
            response = send(request)
            self.take("request")
            return response

        client.transport.inner.send = watched

    def watch_folder(self, folder):
        def operation(name, arguments):
            if name in FILE_OPERATIONS and str(folder) in str(arguments[0]):
                self.take("file")

        sys.addaudithook(operation)

    def watch_engine(self, engine):
        for name in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(engine, name, lambda *_: self.take("statement"))
        event.listen(engine, "commit", lambda _: self.take("commit"))


def attempt(wanted, steps, told):
    """Extract once, in this process; one that is to be killed, and came to its end, dies before it tells of that."""
    token = EmulatorController(wanted["url"]).sign_in()["access_token"]
    client = ExactClient(Site.of(None, wanted["url"]), FixedTokenProvider(token), division=wanted["division"])
    client._sleep = lambda _: None
    cursor = wanted["cursor"] and of_json(Cursor, wanted["cursor"], "The test")
    plan = make_plan(ENDPOINT, division=wanted["division"], select=FIELDS, mode="incremental")
    steps.watch_client(client)
    if wanted["database"] is None:
        folder = Path(wanted["folder"]) / wanted["run_id"]
        steps.watch_folder(folder)
        destination = Files(folder, run_id=wanted["run_id"], identity="chaos", rows_per_file=2000)
    else:
        engine = create_engine(wanted["database"])
        steps.watch_engine(engine)
        destination = Table(engine, wanted["table"], run=wanted["run_id"], batch_size=2000)
        cursor = destination.cursor(plan)
    if steps.kill_at is not None:
        finish = destination.finish

        def finish_and_die(checkpoint):
            # First, since the signal may also come in the middle.
            told.touch()
            finish(checkpoint)
            die()

        destination.finish = finish_and_die
    outcome = Extraction(client, plan, destination, cursor, logging.getLogger("chaos")).run()
    answer = {"told": outcome.told, "cursor": to_json(outcome.cursor), "steps": steps.taken}
    told.write_text(json.dumps(answer))


def run(wanted):
    """Run tries until one succeeds; the first ``SURE_KILLS`` are killed, of the others most."""
    ends, finished, chance = Counter(), 0, random.Random(wanted["seed"])
    told = Path(wanted["folder"]) / "told.json"
    for number in range(MOST_TRIES):
        kill = number < SURE_KILLS or (ends["killed"] < MOST_KILLS and chance.randrange(4))
        kind = chance.choice(sorted(wanted["steps"]))
        kill_at = kind, 1 + chance.randrange(wanted["steps"][kind])
        steps = Steps(kill_at if kill else None, chance.choice([0, 0, 0.005, 0.02]) * chance.random())
        if (child := os.fork()) == 0:
            code = FAILED
            try:
                attempt(wanted, steps, told)
                code = SUCCEEDED
            except Exception as error:  # noqa: BLE001 - whatever it is, Airflow would try again
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                if number < SURE_KILLS:
                    # A fault came before the step to be killed at.
                    die()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        end = "killed" if os.WIFSIGNALED(status) else ("succeeded", "failed")[os.WEXITSTATUS(status)]
        ends[end] += 1
        if end == "succeeded":
            answer = json.loads(told.read_text())
            told.unlink()
            return {**answer, "ends": dict(ends), "finished": finished}
        finished += told.exists()
        told.unlink(missing_ok=True)
    return {"ends": dict(ends)}


def main():
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
