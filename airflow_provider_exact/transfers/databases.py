"""
From an Airflow connection to a database that SQLAlchemy speaks to.

The hook of the connection's own provider knows best. With ``sqlalchemy_scheme`` in the connection's extra, such as
``postgresql+pg8000``, no provider is needed, and the driver is the one that is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.errors import ExactRequestError

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from sqlalchemy.engine import URL, Engine

# Their hooks put the scheme into an address of another form.
BY_THEIR_HOOK = frozenset({"jdbc", "odbc"})
# A connection may have ended while Exact made us wait; an error is not to show records of a company.
OPTIONS = {"pool_pre_ping": True, "hide_parameters": True}


def engine_of(sql_conn_id: str) -> Engine:
    """
    Return an engine that is the caller's own, to be disposed of.

    :raises ExactRequestError: the connection leads to no database, or a package is missing.
    """
    try:
        import sqlalchemy
    except ImportError:
        raise ExactRequestError(_needs_extra("is not installed")) from None
    if sqlalchemy.__version__.startswith("1."):
        raise ExactRequestError(_needs_extra(f"is version {sqlalchemy.__version__}"))
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(sql_conn_id)
    scheme = connection.extra_dejson.get("sqlalchemy_scheme")
    try:
        if scheme and connection.conn_type not in BY_THEIR_HOOK:
            return sqlalchemy.create_engine(url_of(connection, scheme), **OPTIONS)
        engine: Engine = _hook_of(connection, sql_conn_id).get_sqlalchemy_engine(engine_kwargs=dict(OPTIONS))
    except (ImportError, sqlalchemy.exc.ArgumentError) as error:
        # SQLAlchemy's own words for a driver or dialect that is not there; neither shows the address.
        raise ExactRequestError(
            f"sql_conn_id: {sql_conn_id!r} can't be used: {error}. Install the driver, or name another one in the "
            'connection\'s extra, such as {"sqlalchemy_scheme": "postgresql+psycopg"}.'
        ) from error
    return engine


def url_of(connection: Connection, scheme: str) -> URL:
    """Return the address that a connection's fields make; ``sqlalchemy_query`` in its extra holds options."""
    import sqlalchemy

    query = connection.extra_dejson.get("sqlalchemy_query", {})
    if scheme.partition("+")[0] == "sqlite":
        # As Airflow's own SQLite connections have it.
        return sqlalchemy.URL.create(scheme, database=connection.host or connection.schema, query=query)
    return sqlalchemy.URL.create(
        scheme,
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query=query,
    )


def _hook_of(connection: Connection, sql_conn_id: str) -> Any:
    from airflow.providers.common.compat.sdk import AirflowException

    try:
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except (AirflowException, AttributeError):
        # How Airflow says that no provider has this type, or that the type has no hook.
        raise ExactRequestError(
            f"sql_conn_id: {sql_conn_id!r} is of the type {connection.conn_type!r}, and no provider for it is "
            "installed. Install it, or name SQLAlchemy's dialect and driver in the connection's extra, such as "
            '{"sqlalchemy_scheme": "postgresql+psycopg"}.'
        ) from None
    if not hasattr(hook, "get_sqlalchemy_engine"):
        raise ExactRequestError(
            f"sql_conn_id: {sql_conn_id!r} is of the type {connection.conn_type!r}, which is no database. Name the "
            "connection of one, such as of the type 'postgres'."
        )
    return hook


def _needs_extra(why: str) -> str:
    return f"ExactOnlineToSqlOperator needs SQLAlchemy 2, which {why} here: pip install 'airflow-provider-exact[sql]'."
