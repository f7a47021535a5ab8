"""A Dag file that runs as ``airflow dags test`` runs it: with Airflow's own API server inside, and no scheduler."""

from __future__ import annotations

import functools
import textwrap
import warnings

import pytest

# By Dag: Airflow's API server in this process remembers the tasks that it saw first.
TASK_IDS: dict[str, set[str]] = {}


@pytest.fixture(scope="session")
def one_api_server():
    """Let Airflow before 3.3 keep its API server for the next run too, as later versions do: making one takes 5 s."""
    from airflow.sdk.execution_time import supervisor

    with pytest.MonkeyPatch.context() as patch:
        if not hasattr(supervisor.in_process_api_server, "cache_info"):
            patch.setattr(supervisor, "in_process_api_server", functools.cache(supervisor.in_process_api_server))
        yield


@pytest.fixture
def dags(server, tmp_path, monkeypatch):
    """
    Return a function that takes a Dag's tasks as text, and returns the Dag to run; nothing is left of others.

    Dags with different tasks want different ids, in all tests together.
    """
    from airflow.models.asset import AssetActive, AssetAliasModel, AssetEvent, AssetModel
    from airflow.sdk.execution_time.context import OutletEventAccessors
    from airflow.utils.session import create_session

    from tests.transfers.running import read

    # A Dag that was changed a moment ago may be changed again.
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")
    # What one process found out about assets; a worker has one for each task.
    OutletEventAccessors._asset_ref_cache.clear()
    with create_session() as session:
        for model in (AssetEvent, AssetActive, AssetModel, AssetAliasModel):
            session.query(model).delete()

    def make(tasks, dag_id="sync", imports=""):
        path = tmp_path / f"{dag_id}.py"
        text = f"{imports}\nfrom airflow.sdk import DAG\nwith DAG({dag_id!r}, schedule=None):\n"
        path.write_text(text + textwrap.indent(textwrap.dedent(tasks), "    "))
        dag = read(path)
        task_ids = TASK_IDS.setdefault(dag_id, set(dag.task_ids))
        assert task_ids == set(dag.task_ids), f"another test has a Dag {dag_id!r}, with the tasks {task_ids}"
        return dag

    return make


@pytest.fixture
def succeed(one_api_server):
    """Return a function that runs a Dag, and returns what its tasks returned, by task and map index."""

    def run(dag, **options):
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with warnings.catch_warnings():
            # Airflow's own, when it makes an API server inside this process.
            warnings.simplefilter("ignore")
            dag_run = dag.test(**options)
        states = {f"{ti.task_id}[{ti.map_index}]": ti.state for ti in dag_run.get_task_instances()}
        assert set(states.values()) == {"success"}, states
        with create_session() as session:
            rows = session.query(XComModel).filter_by(run_id=dag_run.run_id, key="return_value").all()
            return {(row.task_id, row.map_index): XComModel.deserialize_value(row) for row in rows}

    return run


@pytest.fixture
def events(server):
    """Return a function that returns the events of assets: URI, name, extra, map index and aliases."""

    def known():
        from airflow.models.asset import AssetEvent
        from airflow.utils.session import create_session

        with create_session() as session:
            return [
                (
                    event.asset.uri,
                    event.asset.name,
                    event.extra,
                    event.source_map_index,
                    sorted(alias.name for alias in event.source_aliases),
                )
                for event in session.query(AssetEvent).order_by(AssetEvent.id)
            ]

    return known
