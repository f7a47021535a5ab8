"""What OpenLineage gets to know, in its own classes and in the events that Airflow sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from airflow_provider_exact.assets import convert_asset_to_openlineage
from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.lineage import Output, folder_output, lineage, table_output
from tests.transfers.extracting import Telling, extraction

SITE = "exactonline://start.exactonline.nl"
DELETED = Column("_deleted", "Boolean")


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("s3://aws_default@bucket/exact/accounts/", "s3://bucket", "exact/accounts"),
        ("gcs://bucket/accounts", "gs://bucket", "accounts"),
        ("abfs://azure@container/accounts", "abfs://container", "accounts"),
        ("s3://bucket", "s3://bucket", "/"),
        ("file:///data/accounts", "file", "/data/accounts"),
        ("/data/accounts/", "file", "/data/accounts"),
        (Path("/data/accounts"), "file", "/data/accounts"),
        ("accounts", "file", str(Path("accounts").absolute())),
    ],
)
def test_a_folder_has_openlineages_name_and_no_connection(path, namespace, name):
    found = folder_output(path)
    assert (found.namespace, found.name) == (namespace, name)


@pytest.mark.parametrize(
    ("url", "table", "namespace", "name"),
    [
        ("postgresql+pg8000://me:secret@db:5433/books", "exact.accounts", "postgres://db:5433", "books.exact.accounts"),
        ("postgresql://db/books", "accounts", "postgres://db:5432", "books.public.accounts"),
        ("mariadb+pymysql://db/books", "accounts", "mysql://db:3306", "books.accounts"),
        ("mysql://db/books", "other.accounts", "mysql://db:3306", "other.accounts"),
        ("mssql://db/books", "accounts", "mssql://db:1433", "books.dbo.accounts"),
        ("sqlite:////data/books.db", "accounts", "sqlite:///data/books.db", "main.accounts"),
    ],
)
def test_a_table_has_the_name_that_sql_operators_give_it(url, table, namespace, name):
    found = table_output(make_url(url), table)
    assert (found.namespace, found.name) == (namespace, name)


def test_each_column_comes_from_the_field_of_its_name():
    found = lineage(*extraction(), folder_output("s3://bucket/accounts", [DELETED]))
    source, deletions = found.inputs
    assert (source.namespace, source.name) == (SITE, "1/crm/Accounts")
    assert [(field.name, field.type) for field in source.facets["schema"].fields] == [
        ("ID", "Edm.Guid"),
        ("Name", "Edm.String"),
    ]
    assert source.facets["documentation"].description == "1000 a page"
    assert (deletions.namespace, deletions.name) == (SITE, "1/sync/Deleted")
    [written] = found.outputs
    assert (written.namespace, written.name) == ("s3://bucket", "accounts")
    assert [field.name for field in written.facets["schema"].fields] == ["ID", "Name", "_deleted"]
    taken = {
        name: [(one.namespace, one.name, one.field) for one in fields.inputFields]
        for name, fields in written.facets["columnLineage"].fields.items()
    }
    assert taken == {
        "ID": [(SITE, "1/crm/Accounts", "ID")],
        "Name": [(SITE, "1/crm/Accounts", "Name")],
        "_deleted": [(SITE, "1/sync/Deleted", "EntityKey")],
    }
    statistics = written.outputFacets["outputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (3, 512, 2)


def test_a_full_extraction_does_not_read_deletions():
    found = lineage(*extraction(mode="full"), Output("file", "/data"))
    assert [dataset.name for dataset in found.inputs] == ["1/crm/Accounts"]
    assert list(found.outputs[0].facets["columnLineage"].fields) == ["ID", "Name"]


def test_openlineage_knows_an_asset_by_its_site_division_and_endpoint():
    found = convert_asset_to_openlineage(extraction()[0], None)
    assert (found.namespace, found.name) == (SITE, "1/crm/Accounts")


def test_nothing_is_told_where_nobody_listens(monkeypatch):
    told = Telling(task_id="t")
    assert told.get_openlineage_facets_on_complete(None) is not None
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage.extractors", None)
    assert told.get_openlineage_facets_on_complete(None) is None


@pytest.mark.system
@pytest.mark.smoke
def test_airflow_sends_inputs_outputs_and_columns_when_a_task_completes(migrated_database, tmp_path):
    """With the provider's own listener, in a real run, into a file."""
    dag = tmp_path / "told.py"
    dag.write_text(
        "from airflow.sdk import DAG\nfrom tests.transfers.extracting import Telling\n"
        "with DAG('told', schedule=None):\n    Telling(task_id='read')\n"
    )
    events = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    settings = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "60",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.transfers.running", str(dag)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    sent = [json.loads(line) for line in events.read_text().splitlines()]
    [event] = [one for one in sent if one["eventType"] == "COMPLETE" and one["job"]["name"] == "told.read"]
    assert [dataset["name"] for dataset in event["inputs"]] == ["1/crm/Accounts", "1/sync/Deleted"]
    [output] = event["outputs"]
    assert (output["namespace"], output["name"]) == ("s3://bucket", "accounts")
    assert set(output["facets"]["columnLineage"]["fields"]) == {"ID", "Name", "_deleted"}
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 3
