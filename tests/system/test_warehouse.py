"""Tables and files that example Dags keep in step under a scheduler, compared with Exact row by row."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.extract.sources import make_plan
from tests.databases import Database, database_of
from tests.system.other_program import OtherProgram, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.running import Run, RunningAirflow

HOURS = "project/TimeTransactions"
TABLES = {
    "accounts": "crm/Accounts",
    "items": "logistics/Items",
    "projects": "project/Projects",
    "time_cost_transactions": "sync/Project/TimeCostTransactions",
}


@dataclass
class Warehouse:
    """A schema in PostgreSQL, and another program on the same Exact Online that knows the truth."""

    running: RunningAirflow
    database: Database
    client_id: str

    def client(self, division: int) -> ExactClient:
        """Return a client with a new sign-in of its own, which lives ten minutes."""
        site = Site.of(None, self.running.emulator.url)
        token = self.running.emulator.control.sign_in(client_id=self.client_id)["access_token"]
        return ExactClient(site, FixedTokenProvider(token), division=division)

    def load(self) -> Run:
        run = self.running.trigger("example_warehouse", schema=self.database.schema)
        run.wait()
        run.assert_succeeded()
        return run

    def assert_equals_the_truth(self) -> None:
        for table, endpoint in TABLES.items():
            held: dict[int, dict[str, dict[str, Any]]] = {}
            for row in self.database.rows(table):
                held.setdefault(row["_division"], {})[str(row["ID"])] = row
            assert set(held) == set(self.running.emulator.control.divisions)
            for division, rows in held.items():
                plan = make_plan(endpoint, division=division, mode="incremental")
                names = [column.name for column in plan.columns]
                truth = {
                    record["ID"]: {name: plain(record.get(name)) for name in names}
                    for record in self.client(division).list_records(plan.source.path, select=names)
                }
                assert set(rows) == set(truth), (table, division)
                different = [
                    (key, name, plain(rows[key][name]), value)
                    for key, record in truth.items()
                    for name, value in record.items()
                    if plain(rows[key][name]) != value
                ]
                assert different == [], (table, division, different[:5])


def plain(value: object) -> object:
    """Return a value as text where a database and Exact write it differently."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str) and value[4:5] == value[7:8] == "-" and value.endswith("Z"):
        return datetime.fromisoformat(value).replace(tzinfo=None)
    return value


@pytest.fixture
def warehouse(running: RunningAirflow, tmp_path: Path) -> Iterator[Warehouse]:
    with database_of("postgresql", tmp_path) as database:
        url = database.engine.url
        connection = {
            "connection_id": "warehouse",
            "conn_type": "generic",
            "host": url.host,
            "port": url.port,
            "login": url.username,
            "schema": url.database,
            "extra": json.dumps({"sqlalchemy_scheme": "postgresql+pg8000"}),
        }
        running.api("POST", "connections", json=connection)
        client_id, _ = register(running.emulator, 3)
        yield Warehouse(running, database, client_id)


def change(client: ExactClient) -> None:
    """Create, change and delete records of each kind."""
    tag = f"Changed in {client.division}"
    account, other = client.list_records("sync/CRM/Accounts", select="ID,Name", filter="Timestamp gt 1L", top=2)
    client.update_record("crm/Accounts", account["ID"], {"Name": tag})
    client.delete_record(
        "crm/Accounts", client.create_record("crm/Accounts", {"Name": "Gone before it was seen"})["ID"]
    )
    client.create_record("crm/Accounts", {"Name": "New", "City": '\'s-Hertogenbosch "oost" ✓'})
    project = next(client.list_records("project/Projects", select="ID", top=1))
    client.update_record("project/Projects", project["ID"], {"Description": tag})
    item = next(client.list_records("sync/Logistics/Items", select="ID", filter="Timestamp gt 1L", top=1))
    client.update_record("logistics/Items", item["ID"], {"Description": tag})
    hours = list(client.list_records(HOURS, filter={"HourStatus": 1}, select="ID,Item,Project", top=3))
    client.update_record(HOURS, hours[0]["ID"], {"Notes": tag})
    client.delete_record(HOURS, hours[1]["ID"])
    data = {"Item": hours[2]["Item"], "Project": hours[2]["Project"], "Quantity": 2, "Date": date(2026, 11, 2)}
    client.create_record(HOURS, {**data, "Notes": tag})
    assert other


def test_the_tables_equal_the_truth_after_each_run(warehouse: Warehouse):
    control = warehouse.running.emulator.control
    warehouse.load()
    warehouse.assert_equals_the_truth()
    hours = warehouse.database.rows("time_cost_transactions")
    with warehouse.database.engine.connect() as connection:
        view = f'"{warehouse.database.schema}".project_hours'
        [seen] = connection.exec_driver_sql(f"SELECT count(*), count(project), sum(quantity) FROM {view}").fetchall()
    assert tuple(seen) == (len(hours), len(hours), pytest.approx(sum(row["Quantity"] for row in hours)))

    moved = control.divisions[-1]
    for division in control.divisions:
        change(warehouse.client(division))
    control.move_division(moved)
    change(warehouse.client(moved))
    run = warehouse.load()
    warehouse.assert_equals_the_truth()
    log = run.log("load_accounts", map_index=2)
    assert f"Everything is read again: Exact moved division {moved}" in log

    # Nothing changed: for each of the twelve one call for records, one for deletions, and none for the move.
    before = control.statistics()["total"]
    warehouse.load()
    warehouse.assert_equals_the_truth()
    calls = Counter(call["endpoint"] for call in control.calls() if call["sequence"] > before)
    assert calls["system/Divisions"] == 1
    assert calls["sync/Deleted"] == 12


def test_a_cleared_run_replaces_its_files(running: RunningAirflow, tmp_path: Path):
    OtherProgram(running.emulator).create("crm/Accounts", {"Name": "New for the extraction"})
    first = running.run("example_extract", folder=str(tmp_path))
    first.assert_succeeded()
    division = running.emulator.control.division
    folder = tmp_path / "crm" / "Accounts" / str(division)
    [made] = folder.iterdir()
    text = (made / "_manifest.json").read_text()
    before = json.loads(text)
    assert before["rows"] > 0

    clearing = {"dry_run": False, "dag_run_id": first.run_id, "only_failed": False, "task_ids": ["extract_accounts"]}
    running.api("POST", "dags/example_extract/clearTaskInstances", json=clearing)
    running.wait_for(lambda: (made / "_manifest.json").read_text() != text, "another manifest")
    first.wait()
    [again] = folder.iterdir()
    assert again == made
    after = json.loads((again / "_manifest.json").read_text())
    # Not from where the cursor is by now.
    assert (after["started"], after["rows"]) == (before["started"], before["rows"])
    assert after["parts"][0]["name"] != before["parts"][0]["name"]
    assert {path.name for path in again.iterdir()} == {"_manifest.json", *(part["name"] for part in after["parts"])}
