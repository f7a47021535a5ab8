"""
Run by a test: extracts as a task does, in processes that die and are run again until one succeeds.

A program of its own, so that it forks without threads; what all need is imported once. Each line on standard input is a
JSON object with ``url``, ``division``, ``folder``, ``run_id``, ``cursor``, ``database``, ``table`` and ``seed``; it is
answered with what the extraction told, the cursor after it, and how many processes ended how.
"""

import json
import logging
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy import create_engine

from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.token_store import FixedTokenStore
from airflow_provider_exact.emulator.testing import EmulatorController
from airflow_provider_exact.extract.cursor import Cursor, of_json, to_json
from airflow_provider_exact.extract.engine import Extraction
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.sources import make_plan
from airflow_provider_exact.extract.sql_table import Table

ENDPOINT = "sync/Project/TimeCostTransactions"
FIELDS = ("ID", "Notes", "Quantity", "Date")
MOST_TRIES = 80
SUCCEEDED, FAILED = 0, 1


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def doom(chance):
    """Have this process die at some moment, more often than not."""
    if chance.randrange(4):
        signal.signal(signal.SIGALRM, lambda *_: die())
        signal.setitimer(signal.ITIMER_REAL, chance.choice([0.02, 0.05, 0.2, 0.6]) * chance.random())


def attempt(wanted, seed, told):
    """Extract once, in this process."""
    token = EmulatorController(wanted["url"]).sign_in()["access_token"]
    client = ExactClient(Site.of(None, wanted["url"]), FixedTokenStore(token), division=wanted["division"])
    client._sleep = lambda _: None
    cursor = wanted["cursor"] and of_json(Cursor, wanted["cursor"], "The test")
    plan = make_plan(ENDPOINT, division=wanted["division"], select=FIELDS, mode="incremental")
    if wanted["database"] is None:
        folder = Path(wanted["folder"]) / wanted["run_id"]
        destination = Files(folder, run_id=wanted["run_id"], identity="chaos", rows_per_file=2000)
    else:
        destination = Table(create_engine(wanted["database"]), wanted["table"], run=wanted["run_id"], batch_size=2000)
        cursor = destination.cursor(plan)
    doom(random.Random(seed))
    outcome = Extraction(client, plan, destination, cursor, logging.getLogger("chaos")).run()
    signal.setitimer(signal.ITIMER_REAL, 0)
    told.write_text(json.dumps({"told": outcome.told, "cursor": to_json(outcome.cursor)}))


def run(wanted):
    """Run tries until one succeeds."""
    ends = Counter()
    told = Path(wanted["folder"]) / "told.json"
    for number in range(MOST_TRIES):
        if (child := os.fork()) == 0:
            code = FAILED
            try:
                attempt(wanted, f"{wanted['seed']} {number}", told)
                code = SUCCEEDED
            except Exception as error:  # noqa: BLE001 - whatever it is, Airflow would try again
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        end = "killed" if os.WIFSIGNALED(status) else ("succeeded", "failed")[os.WEXITSTATUS(status)]
        ends[end] += 1
        if end == "succeeded":
            return {**json.loads(told.read_text()), "ends": dict(ends)}
    return {"ends": dict(ends)}


def main():
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
