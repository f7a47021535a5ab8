"""How many calls it takes to find out that nothing changed, counted by the emulator."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.emulator.testing import emulator_process
from airflow_provider_exact.extract.engine import Extraction
from airflow_provider_exact.extract.files import Files
from airflow_provider_exact.extract.sources import make_plan

# Of one Exact tells what was deleted, of the other it does not.
ENDPOINTS = ("sync/Project/TimeCostTransactions", "sync/Financial/PurchaseEntries")


def calls_of_a_run_without_changes() -> dict[str, int]:
    """Return the calls of an incremental run after another one, by endpoint."""
    found = {}
    log = logging.getLogger(__name__)
    log.disabled = True
    with tempfile.TemporaryDirectory() as folder, emulator_process("--calls-per-minute", "10000") as emulator:
        tokens = FixedTokenProvider(emulator.sign_in()["access_token"])
        client = ExactClient(Site(emulator.url), tokens, division=emulator.division)
        for endpoint in ENDPOINTS:
            plan, cursor = make_plan(endpoint, division=emulator.division, mode="incremental"), None
            for run in ("first", "second"):
                before = emulator.count()
                files = Files(Path(folder) / endpoint / run, run_id=run, identity="benchmark")
                cursor = Extraction(client, plan, files, cursor, log).run().cursor
                found[endpoint] = emulator.count() - before
    return found
