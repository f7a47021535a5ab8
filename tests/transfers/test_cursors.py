"""Cursors in Airflow's stores: which place they take, who may change them, and that none gets lost in between."""

import logging

import pytest

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.cursor import to_json
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.transfers.cursors import CursorStore, asset_key, variable_shelf
from airflow_provider_exact.transfers.shelves import has_asset_store
from tests.transfers.extracting import cursor

ACCOUNTS = "exactonline://start.exactonline.nl/1/crm/Accounts"
IMPORTS = "from tests.transfers.extracting import Extracting, Failing\nfrom airflow.sdk import AssetAlias"
VARIABLE = "exact_online_cursor__sync.read__start.exactonline.nl__1__crm.Accounts"

needs_asset_store = pytest.mark.skipif(not has_asset_store(), reason="Airflow before 3.3 has no state stores")


def in_variables(dag_id="sync", task_id="read", asset=ACCOUNTS, **options):
    """Return the store of a task where there are only Variables."""
    return CursorStore(dag_id, task_id, asset, [variable_shelf(dag_id, task_id, asset)], clock=lambda: 1e9, **options)


@pytest.fixture
def by_a_person(server):
    """Set or reset a cursor in the Variable as the command does."""

    def change(timestamp):
        store = in_variables()
        made = store.get().by_a_person(None if timestamp is None else cursor(timestamp), now=2e9)
        store.put(made)
        return made.by_hand

    return change


@pytest.fixture
def in_asset_store(server):
    """Return a function that returns all cursors in the state stores of assets, by URI and key."""

    def known():
        from airflow.models.asset import AssetModel
        from airflow.models.asset_state_store import AssetStateStoreModel
        from airflow.utils.session import create_session

        with create_session() as session:
            rows = session.query(AssetModel.uri, AssetStateStoreModel).join(
                AssetModel, AssetModel.id == AssetStateStoreModel.asset_id
            )
            return {(uri, row.key): row.value for uri, row in rows}

    return known


def activate_assets():
    """Do what a scheduler does once a minute."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.utils.session import create_session

    with create_session() as session:
        SchedulerJobRunner(Job())._update_asset_orphanage(session=session)


def test_what_is_set_is_found_again(server):
    store = in_variables(destination="s3://bucket/accounts")
    assert store.get() is None
    store.set(cursor(5, recent=("a", "b")))
    store.set(cursor(7))
    kept = in_variables().get()
    assert kept.cursor == cursor(7)
    assert (kept.dag_id, kept.task_id, kept.asset) == ("sync", "read", ACCOUNTS)
    assert (kept.destination, kept.updated_at, kept.revision) == ("s3://bucket/accounts", 1e9, 2)
    assert kept.by_hand is None
    store.delete()
    assert store.get() is None


def test_tasks_divisions_and_endpoints_have_cursors_of_their_own(server):
    others = [
        in_variables(task_id="other"),
        in_variables(dag_id="other"),
        in_variables(asset=ACCOUNTS.replace("/1/", "/2/")),
        in_variables(asset=ACCOUNTS.replace("crm/", "bulk/CRM/")),
        in_variables(asset=ACCOUNTS.replace(".nl", ".be")),
        in_variables(dag_id="a.b", task_id="c"),
        in_variables(dag_id="a", task_id="b.c"),
    ]
    for number, store in enumerate(others):
        store.set(cursor(number))
    assert [store.get().cursor.timestamp for store in others] == list(range(7))


def test_keys_are_readable_and_never_too_long_or_in_odd_letters():
    assert variable_shelf("sync", "read", ACCOUNTS).key == VARIABLE
    assert asset_key("sync", "group.read") == "exact_online_cursor__sync.group.read"
    long = [variable_shelf("d" * 250, "t" * 249 + last, ACCOUNTS).key for last in "ab"]
    odd = [variable_shelf(f"verk{letter}pen", "read", ACCOUNTS).key for letter in "öø"]
    assert all(len(key) <= 250 for key in long)
    assert all(key.isascii() for key in odd)
    assert len({*long, *odd}) == 4


def test_a_reset_is_obeyed_once(by_a_person):
    store = in_variables()
    store.set(cursor(5))
    by_a_person(None)
    kept = store.get()
    assert (kept.cursor, kept.before) == (None, cursor(5))
    store.set(cursor(9))
    assert store.get().cursor == cursor(9)
    assert store.get().by_hand is None


def test_a_reset_while_a_task_runs_is_left_for_the_next_run(by_a_person, caplog):
    store = in_variables()
    store.set(cursor(5))
    store.get()
    by_a_person(None)
    with caplog.at_level(logging.WARNING):
        store.set(cursor(9))
    assert "Somebody set or reset the cursor" in caplog.text
    assert in_variables().get().cursor is None


def test_each_change_by_a_person_has_a_mark_that_a_database_can_remember(by_a_person):
    store = in_variables()
    store.set(cursor(5))
    assert store.get().by_hand is None
    marks = []
    for timestamp in (3, None, 3):
        marks.append(by_a_person(timestamp))
        assert in_variables().get().by_hand == marks[-1]
    assert len(set(marks)) == 3


def test_a_database_goes_on_when_airflow_does_not_take_the_copy(server, monkeypatch, caplog):
    # A Variable that the environment hides: what is stored can't be read back.
    monkeypatch.setenv(f"AIRFLOW_VAR_{VARIABLE.upper()}", "{}")
    with caplog.at_level(logging.WARNING):
        in_variables().copy(cursor(5))
    assert "safe in the database" in caplog.text


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"dag_id": 1}'])
def test_a_damaged_cursor_is_told_and_not_taken_for_none(server, text):
    variables.write(VARIABLE, text, description="")
    with pytest.raises(ExactRequestError, match=VARIABLE):
        in_variables().get()


def test_nothing_is_kept_outside_of_a_task():
    from airflow_provider_exact.transfers.cursors import cursor_store

    assert cursor_store({}, ACCOUNTS, destination="") is None


def test_a_task_goes_on_with_its_cursor(dags, succeed):
    dag = dags("Extracting(task_id='read')", imports=IMPORTS)
    assert succeed(dag) == {}
    assert succeed(dag) == {("read", -1): 1}
    assert succeed(dag) == {("read", -1): 2}


@pytest.mark.skipif(has_asset_store(), reason="since Airflow 3.3 the asset's state store comes first")
def test_before_airflow_3_3_a_variable_keeps_it(dags, succeed):
    succeed(dags("Extracting(task_id='read')", imports=IMPORTS))
    assert in_variables().get().cursor == cursor(1)


@needs_asset_store
def test_the_cursor_moves_to_the_state_store_once_the_asset_is_active(dags, succeed, in_asset_store):
    dag = dags("Extracting(task_id='read')", imports=IMPORTS)
    succeed(dag)
    assert in_asset_store() == {}
    assert in_variables().get().cursor == cursor(1)
    activate_assets()
    assert succeed(dag) == {("read", -1): 1}
    assert in_variables().get() is None
    assert list(in_asset_store()) == [(ACCOUNTS, "exact_online_cursor__sync.read")]
    # An asset of an alias stays active when no Dag names it.
    activate_assets()
    assert succeed(dag) == {("read", -1): 2}


@needs_asset_store
def test_of_two_cursors_the_newer_counts_wherever_it_is(dags, succeed, in_asset_store):
    dag = dags("Extracting(task_id='read')", imports=IMPORTS)
    succeed(dag)
    older = in_variables().get()
    activate_assets()
    succeed(dag)
    # As a task leaves it that is killed between the two.
    in_variables().put(older)
    assert succeed(dag) == {("read", -1): 2}
    assert in_variables().get() is None
    newer = older.by_a_person(cursor(100), now=2e9).by_a_person(cursor(100), now=2e9).by_a_person(cursor(100), now=2e9)
    in_variables().put(newer)
    assert succeed(dag) == {("read", -1): 100}
    assert succeed(dag) == {("read", -1): 101}


@needs_asset_store
def test_a_cursor_too_long_for_the_state_store_is_in_a_variable(dags, succeed, in_asset_store):
    short = dags("Extracting(task_id='read')", imports=IMPORTS)
    succeed(short)
    activate_assets()
    succeed(short)
    succeed(dags("Extracting(task_id='read', marks=10_000)", imports=IMPORTS))
    assert len(in_variables().get().cursor.recent) == 10_000
    assert in_asset_store() == {}
    assert succeed(short) == {("read", -1): 3}
    assert in_variables().get() is None


@needs_asset_store
def test_a_declared_asset_takes_the_cursor_from_the_first_run_on(dags, succeed, in_asset_store):
    asset = "create_asset(region_or_host='nl', division=1, endpoint='crm/Accounts')"
    dag = dags(
        f"Extracting(task_id='read', outlets=[{asset}])",
        "declared",
        imports=f"{IMPORTS}\nfrom airflow_provider_exact.assets import create_asset",
    )
    succeed(dag)
    assert list(in_asset_store()) == [(ACCOUNTS, "exact_online_cursor__declared.read")]
    assert succeed(dag) == {("read", -1): 1}


def test_mapped_tasks_have_a_cursor_for_each_division(dags, succeed):
    dag = dags("Extracting.partial(task_id='read').expand(division=[1, 2])", "mapped", imports=IMPORTS)
    succeed(dag)
    dag = dags("Extracting.partial(task_id='read').expand(division=[3, 2, 1])", "mapped", imports=IMPORTS)
    # By division, not by map index.
    assert succeed(dag) == {("read", 1): 1, ("read", 2): 1}


@needs_asset_store
def test_the_progress_of_each_mapped_task_outlives_a_failed_try(dags, succeed):
    tasks = "Failing.partial(task_id='read', retries=1, retry_delay=0.1).expand(params=[{}, {}])"
    dag = dags(tasks, "failing", imports=IMPORTS)
    assert succeed(dag) == {("read", 0): {"page": 7, "of": [0]}, ("read", 1): {"page": 7, "of": [1]}}


@pytest.mark.skipif(has_asset_store(), reason="Airflow 3.3 has a store for it")
def test_before_airflow_3_3_there_is_no_store_for_progress(dags, succeed):
    assert succeed(dags("Failing(task_id='read')", "failing", imports=IMPORTS)) == {("read", -1): "none"}


def test_the_kept_json_is_plain(server):
    store = in_variables()
    store.set(cursor(5))
    assert to_json(store.get())["cursor"]["timestamp"] == 5
