"""The operator that writes files: what is asked of Exact, what is in the folder, and what Airflow learns of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact.assets import create_asset
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactRequestError
from airflow_provider_exact.extract.sources import make_plan
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.transfers import cursors
from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator, filled_in

ACCOUNTS = "sync/CRM/Accounts"
HOURS = "project/TimeTransactions"
IMPORTS = "from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator"


def operator(path, **options):
    options = {"endpoint": "crm/Accounts", "select": ["ID", "Name"], **options}
    return ExactOnlineToFileOperator(task_id="extract", path=str(path), **options)


def rows_of(folder):
    manifest = json.loads((Path(folder) / "_manifest.json").read_text())
    return [
        json.loads(line)
        for part in manifest["parts"]
        for line in (Path(folder) / part["name"]).read_bytes().splitlines()
    ]


def run(task, run_id="one", try_number=1, map_index=-1):
    """Execute as a task of a Dag run does, in a process that may write Variables."""
    ti = SimpleNamespace(
        dag_id="extracts", task_id="extract", run_id=run_id, map_index=map_index, try_number=try_number
    )
    return task.execute({"ti": ti})


def test_the_records_are_in_the_folder_and_only_their_number_is_returned(connection, tmp_path):
    told = operator(tmp_path / "{endpoint}" / "{division}").execute({})
    folder = tmp_path / "crm" / "Accounts" / str(connection.division)
    wanted = {row["ID"]: row["Name"] for row in ExactOnlineHook().list_records(ACCOUNTS, select="ID,Name")}
    assert {row["ID"]: row["Name"] for row in rows_of(folder)} == wanted
    assert told == {
        "endpoint": "crm/Accounts",
        "source": ACCOUNTS,
        "division": connection.division,
        "mode": "full",
        "reload": None,
        "manifest": str(folder / "_manifest.json"),
        "rows": len(wanted),
        "deletions": 0,
        "parts": 1,
        "bytes": told["bytes"],
    }
    # One for the moment of the division's move, by which a later try knows that the row versions are still the same.
    assert json.loads((folder / "_manifest.json").read_text())["calls"] == 2


def test_each_call_names_the_fields(connection, tmp_path):
    operator(tmp_path / "a").execute({})
    operator(tmp_path / "b", select=None, endpoint="financial/Journals").execute({})
    queries = [call["query"] for call in connection.calls() if call["method"] == "GET"]
    assert len(queries) == 3
    assert all("select=" in query for query in queries)


@pytest.mark.parametrize(("format", "compression"), [("csv", "gzip"), ("jsonl", "zstd"), ("parquet", None)])
def test_every_format_can_be_asked_for(connection, tmp_path, format, compression):
    told = operator(tmp_path, format=format, compression=compression).execute({})
    manifest = json.loads((tmp_path / "_manifest.json").read_text())
    assert (manifest["format"], manifest["compression"]) == (format, compression)
    assert told["rows"] == manifest["rows"] > 100


def test_a_full_run_replaces_the_files_of_the_run_before(connection, server, tmp_path):
    run(operator(tmp_path), "one")
    first = {path.name for path in tmp_path.iterdir()}
    ExactOnlineHook().create_record("crm/Accounts", {"Name": "One more"})
    run(operator(tmp_path), "two")
    assert "One more" in {row["Name"] for row in rows_of(tmp_path)}
    assert {path.name for path in tmp_path.iterdir()} & first == {"_manifest.json"}


def test_a_division_may_get_another_place_in_the_list_that_is_mapped_over(connection, server, tmp_path):
    for run_id, divisions in (("one", connection.divisions[1:]), ("two", connection.divisions)):
        for number, division in enumerate(divisions):
            run(operator(tmp_path / "{division}", division=division), run_id, map_index=number)
    manifests = [json.loads(path.read_text()) for path in tmp_path.glob("*/_manifest.json")]
    assert [manifest["run_id"] for manifest in manifests] == ["two"] * 3


def test_an_incremental_run_goes_on_where_the_last_one_ended(connection, dags, succeed, tmp_path):
    dag = dags(
        f"""
        ExactOnlineToFileOperator(
            task_id="extract",
            endpoint="crm/Accounts",
            select=["ID", "Name"],
            mode="incremental",
            path="{tmp_path}/{{{{ ds }}}}",
        )
        """,
        "files",
        imports=IMPORTS,
    )

    def run(day):
        return succeed(dag, logical_date=datetime(2026, 11, day, tzinfo=UTC))["extract", -1]

    run(1)
    hook = ExactOnlineHook()
    made = hook.create_record("crm/Accounts", {"Name": "One more"})
    gone = rows_of(tmp_path / "2026-11-01")[0]["ID"]
    hook.delete_record("crm/Accounts", gone)
    told = run(2)
    assert (told["rows"], told["deletions"]) == (1, 1)
    assert [(row["ID"], row["Name"], row["_deleted"]) for row in rows_of(tmp_path / "2026-11-02")] == [
        (made["ID"], "One more", False),
        (gone, None, True),
    ]
    assert run(3)["rows"] == 0


def test_a_run_that_is_cleared_after_a_reset_reads_everything(connection, server, tmp_path, monkeypatch):
    # As before Airflow 3.3: the state stores of assets need more of a task than there is here.
    monkeypatch.setattr(cursors, "has_asset_store", lambda: False)
    task = operator(tmp_path / "{run}", mode="incremental")
    everything = run(task, "one")["rows"]
    assert run(task, "two")["rows"] == 0
    uri = create_asset(region_or_host=connection.url, division=connection.division, endpoint="crm/Accounts").uri
    store = cursors.cursor_store({"ti": SimpleNamespace(dag_id="extracts", task_id="extract")}, uri, destination="")
    store.put(store.get().by_a_person(None, now=1e9))
    assert run(task, "two")["rows"] == everything
    assert store.get().by_hand is None
    assert run(task, "three")["rows"] == 0


def test_a_daily_limit_in_the_middle_costs_no_page_twice(connection, tmp_path):
    options = {"endpoint": HOURS, "select": "ID,Notes", "prefer": "plain", "deferrable": False}
    connection.settings(calls_per_minute=1_000_000)
    connection.fault("day_limit", endpoint=HOURS, nth=20)
    with pytest.raises(ExactRateLimitError):
        run(operator(tmp_path, **options))
    from airflow_provider_exact import accounts

    accounts.forget()
    told = run(operator(tmp_path, **options), try_number=2)
    assert told["rows"] == len({row["ID"] for row in rows_of(tmp_path)}) == 3000
    assert connection.count(endpoint=HOURS, status=200) == 50
    assert json.loads((tmp_path / "_manifest.json").read_text())["pages"] == 50


def test_nothing_found_is_a_complete_and_empty_folder(connection, tmp_path):
    told = operator(tmp_path, filter="Name eq 'nobody'").execute({})
    assert (told["rows"], told["parts"]) == (0, 1)
    assert rows_of(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint": "Accounts"}, "endpoint: expected 'service/Endpoint'"),
        ({"mode": "daily"}, "mode: expected 'full' or 'incremental', not 'daily'"),
        ({"format": "xlsx"}, "format: expected one of jsonl, csv, parquet, not 'xlsx'"),
        ({"compression": "rar"}, "compression: expected one of gzip, zstd, not 'rar'"),
        ({"rows_per_file": 0}, "rows_per_file: expected a whole number above 0"),
        ({"path": ""}, "path: a value is needed"),
    ],
)
def test_what_can_not_be_right_is_refused_while_the_dag_is_read(options, words):
    arguments = {"task_id": "extract", "endpoint": "crm/Accounts", "path": "out", **options}
    with pytest.raises(ExactRequestError) as refused:
        ExactOnlineToFileOperator(**arguments)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"select": "Nam"}, "select: crm/Accounts has no field 'Nam'"),
        ({"prefer": "quick"}, "prefer: expected one of sync, bulk, plain"),
        ({"types": {"Name": "Text"}}, "types: Name can't be 'Text'"),
        ({"endpoint": "system/Me", "mode": "incremental"}, "extract it with mode='full'"),
    ],
)
def test_what_can_not_be_right_is_refused_before_any_call(connection, tmp_path, options, words):
    with pytest.raises(AirflowFailException) as refused:
        operator(tmp_path / "out", **options).execute({})
    assert words in str(refused.value)
    assert connection.count() == 0
    assert not (tmp_path / "out").exists()


def test_the_run_is_a_name_that_fits_everywhere(connection, tmp_path):
    run(operator(tmp_path / "{run}"), "manual__2026-11-21T16:47:03.384049+00:00")
    assert [path.name for path in tmp_path.iterdir()] == ["manual__2026-11-21T16_47_03.384049_00_00"]


# Of the paths of Airflow 3.1, among themselves.
@pytest.mark.filterwarnings("ignore:in a future version of UPath:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", ["text", "disk", "object store"])
def test_every_kind_of_path_has_its_places_filled_in(connection, tmp_path, kind):
    from airflow.sdk import ObjectStoragePath

    folder = f"{tmp_path}/{{endpoint}}/{{division}}/{{run}}"
    path = {"text": str, "disk": Path, "object store": lambda text: ObjectStoragePath(f"file://{text}")}[kind](folder)
    task = ExactOnlineToFileOperator(task_id="extract", endpoint="crm/Accounts", select=["ID"], path=path)
    run(task, "a run")
    assert rows_of(tmp_path / "crm" / "Accounts" / str(connection.division) / "a_run")


def test_a_path_that_is_filled_in_keeps_its_connection():
    from airflow.sdk import ObjectStoragePath

    plan = make_plan("crm/Accounts", division=7, mode="full")
    found = filled_in(ObjectStoragePath("s3://aws_default@lake/{division}/{run}"), plan, "one")
    assert str(found) == "s3://aws_default@lake/7/one"


def test_a_file_where_the_folder_should_be_is_named(connection, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AirflowFailException, match="path: "):
        operator(tmp_path / "file").execute({})
    assert (tmp_path / "file").read_text() == "mine"


def test_in_airflow_mapped_divisions_have_a_cursor_and_an_event_each(dags, succeed, events, connection, tmp_path):
    dag = dags(
        f"""
        ExactOnlineToFileOperator.partial(
            task_id="extract",
            endpoint="crm/Accounts",
            select=["ID", "Name"],
            mode="incremental",
            path="{tmp_path}/{{division}}/{{run}}",
        ).expand(division={list(connection.divisions)})
        """,
        "mapped_files",
        imports=IMPORTS,
    )
    first, second = succeed(dag), succeed(dag)
    assert [told["rows"] > 0 for told in first.values()] == [True] * 3
    assert [told["rows"] for told in second.values()] == [0, 0, 0]
    host = connection.url.removeprefix("http://")
    told = events()
    assert sorted(uri for uri, *_ in told) == sorted(
        f"exactonline://{host}/{division}/crm/Accounts" for division in connection.divisions for _ in range(2)
    )
    assert {"rows", "deletions", "calls", "cursor", "manifest"} <= set(told[0][2])


def test_openlineage_learns_what_was_read_and_written(connection, tmp_path):
    task = operator(tmp_path)
    assert task.get_openlineage_facets_on_complete(None) is None
    task.execute({})
    found = task.get_openlineage_facets_on_complete(None)
    assert [one.name for one in found.inputs] == [f"{connection.division}/crm/Accounts"]
    [written] = found.outputs
    assert (written.namespace, written.name) == ("file", str(tmp_path))
    assert set(written.facets["columnLineage"].fields) == {"ID", "Name", "Timestamp"}
