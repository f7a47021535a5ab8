from __future__ import annotations

from airflow_provider_exact.keep_alive import keep_alive_dag, use_sign_in


def test_each_connection_becomes_a_task_instance_once_a_week():
    dag = keep_alive_dag("one", "two", tags=["ours"])
    (task,) = dag.tasks
    assert task.op_kwargs_expand_input.value == {"conn_id": ["one", "two"]}
    assert (dag.dag_id, dag.schedule, dag.tags, dag.catchup) == ("exact_online_keep_alive", "@weekly", {"ours"}, False)


def test_without_connections_it_is_the_default_one():
    (task,) = keep_alive_dag(dag_id="other").tasks
    assert task.op_kwargs_expand_input.value == {"conn_id": ["exact_online_default"]}


def test_it_makes_one_small_call(connection):
    assert use_sign_in.function("exact_online_default") == "Daniel Emmers"
    assert connection.statistics()["total"] == 1
