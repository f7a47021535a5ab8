"""Events of assets, as they arrive in Airflow."""

import pytest
from airflow.sdk import DAG, Asset, AssetAlias

from airflow_provider_exact.transfers import outlets
from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator
from tests.transfers.extracting import Extracting, cursor

ACCOUNTS = "exactonline://start.exactonline.nl/1/crm/Accounts"
IMPORTS = "from tests.transfers.extracting import Extracting\nfrom airflow.sdk import Asset, AssetAlias"
ALIAS = "exactonline:crm/Accounts"
TOLD = {"rows": 1, "deletions": 0, "calls": 1, "manifest": "s3://bucket/accounts/_manifest.json"}


def without_cursor(extra):
    return {name: value for name, value in extra.items() if name != "cursor"}


def test_an_event_tells_the_rows_the_cursor_and_where_they_went(dags, succeed, events):
    succeed(dags("Extracting(task_id='read')", "told", imports=IMPORTS))
    [(uri, name, extra, _, aliases)] = events()
    assert (uri, name, aliases) == (ACCOUNTS, ACCOUNTS, [ALIAS])
    assert without_cursor(extra) == TOLD
    assert extra["cursor"] == {"source": "sync/CRM/Accounts", "timestamp": 1, "read_at": 0.0}


def test_mapped_and_templated_tasks_tell_of_the_asset_that_they_turned_out_to_read(dags, succeed, events):
    succeed(dags("Extracting.partial(task_id='mapped').expand(division=[1, 2])", "mapped_told", imports=IMPORTS))
    succeed(dags("Extracting(task_id='late', endpoint='{{ \"crm/Contacts\" }}')", "late", imports=IMPORTS))
    assert sorted((index, uri, aliases) for uri, _, _, index, aliases in events()) == [
        (-1, ACCOUNTS.replace("Accounts", "Contacts"), ["exactonline:crm/Contacts"]),
        (0, ACCOUNTS, [ALIAS]),
        (1, ACCOUNTS.replace("/1/", "/2/"), [ALIAS]),
    ]


@pytest.mark.parametrize(
    ("arguments", "declared"),
    [
        ({"endpoint": "CRM/accounts"}, [AssetAlias(ALIAS)]),
        ({"endpoint": "crm/Accounts", "outlets": Asset("other")}, [Asset("other"), AssetAlias(ALIAS)]),
        ({"endpoint": "crm/Accounts", "outlets": [AssetAlias("mine")]}, [AssetAlias("mine")]),
        ({"endpoint": "crm/Accounts", "outlets": [Asset(ACCOUNTS)]}, [Asset(ACCOUNTS)]),
        ({"endpoint": "{{ params.endpoint }}"}, []),
        ({"endpoint": "crm/Acounts"}, []),
        ({}, []),
    ],
)
def test_mapped_tasks_declare_the_alias_of_their_endpoint_before_they_run(arguments, declared):
    # PostgreSQL refuses the second of two tasks that make an alias at the same moment.
    with DAG("early", schedule=None):
        mapped = ExactOnlineToFileOperator.partial(task_id="read", path="/data", **arguments).expand(division=[1, 2])
    assert mapped.outlets == declared


def test_mapped_tasks_keep_the_outlets_of_the_dags_default_arguments():
    with DAG("defaults", schedule=None, default_args={"outlets": [Asset("other")]}):
        shared = ExactOnlineToFileOperator.partial(task_id="read", path="/data", endpoint="crm/Accounts")
    assert shared.expand(division=[1]).outlets == [Asset("other"), AssetAlias(ALIAS)]


def test_an_asset_that_the_dag_declares_gets_one_event_with_the_extra(dags, succeed, events):
    tasks = f"Extracting(task_id='read', outlets=[Asset(name='accounts', uri='{ACCOUNTS}'), Asset('other')])"
    succeed(dags(tasks, "declared", imports=IMPORTS))
    found = {name: (uri, without_cursor(extra), aliases) for uri, name, extra, _, aliases in events()}
    assert found == {"accounts": (ACCOUNTS, TOLD, []), "other": ("other", {}, [])}


def test_each_mapped_task_updates_its_own_of_the_declared_assets(dags, succeed, events):
    uris = [ACCOUNTS, ACCOUNTS.replace("/1/", "/2/")]
    tasks = f"Extracting.partial(task_id='read', outlets=[Asset(u) for u in {uris}]).expand(division=[1, 2])"
    succeed(dags(tasks, "mapped_declared", imports=IMPORTS))
    assert sorted((uri, index) for uri, _, _, index, _ in events()) == [(uris[0], 0), (uris[1], 1)]


def test_an_alias_of_the_users_own_is_the_one_that_counts(dags, succeed, events):
    succeed(dags("Extracting(task_id='read', outlets=[AssetAlias('mine')])", "aliased", imports=IMPORTS))
    assert [(uri, aliases) for uri, _, _, _, aliases in events()] == [(ACCOUNTS, ["mine"])]


def test_the_event_is_for_the_asset_that_another_dag_named_its_own_way(dags, succeed, events):
    consumer = (
        f"from airflow.sdk import Asset\nBaseOperator(task_id='t', inlets=[Asset(name='mine', uri='{ACCOUNTS}')])"
    )
    dags(consumer, dag_id="consumer", imports="from airflow.sdk import BaseOperator")
    succeed(dags("Extracting(task_id='read')", "producer", imports=IMPORTS))
    assert [(uri, name) for uri, name, *_ in events()] == [(ACCOUNTS, "mine")]


@pytest.mark.parametrize("endpoint", ["{{ params.endpoint }}", "crm/Acounts"])
def test_an_endpoint_that_is_not_known_yet_or_wrong_declares_nothing(endpoint):
    assert Extracting(task_id="read", endpoint=endpoint).outlets == []


def test_a_list_of_outlets_that_tasks_share_stays_as_it_is():
    shared = []
    for endpoint in ("crm/Accounts", "crm/Contacts"):
        task = Extracting(task_id="read", endpoint=endpoint, outlets=shared)
        assert task.outlets == [AssetAlias(f"exactonline:{endpoint}")]
    assert shared == []


def test_nothing_is_told_outside_of_a_task():
    outlets.tell(Extracting(task_id="read"), {}, None, {})


def test_an_event_leaves_out_what_is_not_known_and_the_marks_of_records():
    long = cursor(7, recent=("a",) * 1000)
    assert outlets.event_extra(rows=3, deletions=1, cursor=long, table="exact.accounts") == {
        "rows": 3,
        "deletions": 1,
        "table": "exact.accounts",
        "cursor": {"source": "sync/CRM/Accounts", "timestamp": 7, "read_at": 0.0},
    }
