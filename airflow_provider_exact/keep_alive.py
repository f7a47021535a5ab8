"""A ready-made Dag that keeps sign-ins alive: an Exact Online refresh token dies after 30 days without use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task


def keep_alive_dag(
    *conn_ids: str,
    dag_id: str = "exact_online_keep_alive",
    schedule: Any = "@weekly",
    **dag_arguments: Any,
) -> DAG:
    """
    Return a Dag that uses each connection once a week, with one small call.

    A connection whose other Dags run at least every few weeks does not need it.

    :param conn_ids: Connections of type ``exact_online``; none means ``exact_online_default``.
    :param dag_arguments: Anything else that a Dag takes, such as ``tags`` or ``default_args``.
    """
    arguments: dict[str, Any] = {
        "description": "Use the sign-ins to Exact Online, so that they do not die of age",
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["exact online"],
        **dag_arguments,
    }
    with DAG(dag_id, schedule=schedule, **arguments) as dag:
        use_sign_in.expand(conn_id=list(conn_ids or ("exact_online_default",)))
    return dag


@task(retries=3, retry_delay=timedelta(hours=1), map_index_template="{{ task.op_kwargs['conn_id'] }}")
def use_sign_in(conn_id: str) -> str:
    """Ask who is signed in; that refreshes the token if it is due."""
    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
    from airflow_provider_exact.operators.base import no_retry_where_none_helps

    with no_retry_where_none_helps():
        me = ExactOnlineHook(conn_id).get_me()
    return str(me.get("FullName") or me.get("UserName"))
