"""
Runs of one incremental extraction through everything that can go wrong: after each, the copy equals the truth.

Between the runs records are created, changed and deleted, and the division is moved; in them processes die by SIGKILL
at any step, connections break, the server fails, tokens are refused, and the daily limit is reached.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.emulator.testing import running_emulator
from airflow_provider_exact.extract.manifest import check_parts, read_manifest
from tests.databases import database_of
from tests.extract.chaos_worker import MOST_KILLS, SURE_KILLS

HOURS = "project/TimeTransactions"
SYNC = "sync/Project/TimeCostTransactions"
DELETED = "sync/Deleted"
FIELDS = ["ID", "Notes", "Quantity", "Date"]
KINDS = ["reset_before", "reset_after", "truncated", "empty", "status", "business_error", "unauthorized", "day_limit"]
KINDS_OF_COPIES = ["files", "sqlite", "postgresql", "mariadb"]
DAY, HOUR = 86_400, 3_600
# What a killed process may have to fetch once more: the pages of a part that was not whole, and the one under way.
PAGES_AT_RISK = 3

pytestmark = pytest.mark.system


@pytest.fixture
def exact(request):
    rows = 9000 if request.node.get_closest_marker("slow") else 4500
    limits = {"calls_per_minute": 1_000_000, "calls_per_day": 1_000_000, "error_limit": 0, "sign_in_ends_access": False}
    with running_emulator(time_transactions=rows, **limits) as emulator:
        if emulator.now() % DAY > DAY - HOUR:
            # So close to the reset of the daily limit, the client waits for it.
            emulator.advance(HOUR)
        yield emulator


@pytest.fixture
def worker():
    """Start the program that extracts, and return what asks it."""
    file = Path(__file__).with_name("chaos_worker.py")
    with subprocess.Popen([sys.executable, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:

        def run(**wanted):
            program.stdin.write(json.dumps(wanted) + "\n")
            program.stdin.flush()
            return json.loads(program.stdout.readline())

        yield run
        program.communicate()


class TableCopy:
    """A table of a database."""

    # About what a run takes that reads everything.
    steps = {"request": 14, "statement": 70, "commit": 6}

    def __init__(self, database):
        self.database = database
        self.where = {"database": database.url, "table": database.name("hours")}

    def take(self, run_id):
        """Do nothing: the run has written it."""

    def content(self):
        rows = self.database.rows("hours")
        assert not any(row["_deleted"] for row in rows)
        return {str(row["ID"]): {name: plain(row[name]) for name in FIELDS} for row in rows}


def plain(value):
    """Return a value of a database as records have it."""
    if isinstance(value, UUID):
        return str(value)
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


class FolderCopy:
    """Puts the files of each run into a copy, as a warehouse would."""

    steps = {"request": 14, "file": 40}
    where = {"database": None, "table": None}

    def __init__(self, folder):
        self.folder = folder
        self.rows = {}

    def take(self, run_id):
        folder = self.folder / run_id
        manifest = read_manifest(folder)
        check_parts(folder, manifest)
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            ["_manifest.json", *(part.name for part in manifest.parts)]
        )
        found = [json.loads(line) for part in manifest.parts for line in (folder / part.name).read_bytes().splitlines()]
        keys = [row["ID"] for row in found]
        assert len(keys) == len(set(keys)) == manifest.rows + manifest.deletions
        if manifest.started is None:
            self.rows = {}
        for row in found:
            if row["_deleted"]:
                self.rows.pop(row["ID"], None)
            else:
                self.rows[row["ID"]] = {name: row[name] for name in FIELDS}

    def content(self):
        return self.rows


def make_changes(client, chance):
    rows = list(client.list_records(HOURS, filter={"HourStatus": 1}, select="ID,Item,Project", top=600))
    picked = chance.sample(rows, 30)
    for number, row in enumerate(picked[:10]):
        client.update_record(HOURS, row["ID"], {"Notes": f"changed {chance.random()}"})
        data = {"Item": row["Item"], "Project": row["Project"], "Quantity": number + 1, "Date": date(2026, 11, 2)}
        client.create_record(HOURS, {**data, "Notes": f"new {chance.random()}"})
    for row in picked[10:15]:
        client.delete_record(HOURS, row["ID"])


def cause_trouble(exact, chance):
    for _ in range(chance.randrange(8)):
        endpoint = chance.choice([SYNC, SYNC, SYNC, DELETED, "system/Divisions"])
        exact.fault(
            chance.choice(KINDS), endpoint=endpoint, nth=chance.randrange(1, 15), times=chance.choice([1, 1, 5])
        )


def fetched(exact, since):
    """Return how many pages of records arrived whole, and how many of these more than once."""
    queries = [
        call["query"]
        for call in exact.calls()
        if call["sequence"] > since and call["endpoint"] == SYNC and call["status"] == 200 and not call["fault"]
    ]
    return len(set(queries)), len(queries) - len(set(queries))


@pytest.fixture(params=KINDS_OF_COPIES)
def copy(request, tmp_path):
    if request.param == "files":
        yield FolderCopy(tmp_path)
        return
    with database_of(request.param, tmp_path) as database:
        yield TableCopy(database)


def differences(found, truth):
    """Return a few records that differ: what was found and what it should be, by their key."""
    keys = sorted(key for key in {*found, *truth} if found.get(key) != truth.get(key))
    return {key: (found.get(key), truth.get(key)) for key in keys[:5]}


def run_rounds(exact, worker, copy, folder, seed, rounds):
    """Extract after each round of changes, through interruptions; return how many processes ended how."""
    chance, cursor, steps, ends = random.Random(seed), None, Counter(copy.steps), Counter()
    moved, limited = chance.sample(range(1, rounds), 2)
    for number in range(rounds):
        client = ExactClient(
            Site.of(None, exact.url), FixedTokenProvider(exact.sign_in()["access_token"]), division=exact.division
        )
        if number:
            make_changes(client, chance)
        if number == moved or chance.randrange(8) == 0:
            # Exact tells the moment of a move to the second, and does not move a division twice in one.
            exact.advance(1)
            exact.move_division(exact.division)
        if number == limited:
            # More often than processes are killed: one of them meets the limit and lives.
            exact.fault("day_limit", endpoint=SYNC, times=MOST_KILLS + 1)
        cause_trouble(exact, chance)
        before = exact.statistics()["total"]
        run = worker(
            url=exact.url,
            division=exact.division,
            folder=str(folder),
            run_id=f"run-{number}",
            cursor=cursor,
            **copy.where,
            seed=f"{seed} {number}",
            steps=steps,
        )
        assert "told" in run, run
        interruptions = sum(count for end, count in run["ends"].items() if end != "succeeded")
        pages, again = fetched(exact, before)
        # Who dies at the end of a run, before that is told, may leave the whole run to be read again.
        assert again <= interruptions * PAGES_AT_RISK + run["finished"] * pages
        exact.clear_faults()
        copy.take(f"run-{number}")
        truth = {row["ID"]: row for row in client.list_records(SYNC, select=FIELDS)}
        assert differences(copy.content(), truth) == {}, f"round {number}"
        cursor, steps = run["cursor"], steps | Counter(run["steps"])
        ends.update(run["ends"])
    print(f"seed {seed}: {dict(ends)}, at most {dict(steps)}")
    assert ends["succeeded"] == rounds
    assert ends["killed"] >= SURE_KILLS * rounds
    assert ends["failed"] >= 1


def test_the_copy_equals_the_truth_after_each_interrupted_run(exact, worker, copy, tmp_path, seed):
    run_rounds(exact, worker, copy, tmp_path, seed, rounds=5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1, 6), indirect=True)
def test_the_copy_equals_the_truth_after_each_of_thirty_interrupted_runs(exact, worker, copy, tmp_path, seed):
    run_rounds(exact, worker, copy, tmp_path, seed, rounds=30)
