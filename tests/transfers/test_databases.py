import json
import subprocess
import sys

import pytest
from sqlalchemy.engine import make_url

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.transfers.databases import engine_of


@pytest.fixture
def define(monkeypatch):
    def define(**fields):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))
        return "warehouse"

    return define


def refusal(conn_id):
    with pytest.raises(ExactRequestError) as caught:
        engine_of(conn_id)
    return str(caught.value)


def test_a_connection_of_any_type_works_with_a_scheme(database, define):
    url = make_url(database.url)
    fields = {"login": url.username, "host": url.host, "port": url.port, "schema": url.database}
    if database.kind == "sqlite":
        fields = {"host": url.database}
    fields = {name: value for name, value in fields.items() if value is not None}
    engine = engine_of(define(conn_type="generic", extra={"sqlalchemy_scheme": url.drivername}, **fields))
    assert engine.url == url
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_options_of_the_driver_come_from_the_extra(define):
    extra = {"sqlalchemy_scheme": "mysql+pymysql", "sqlalchemy_query": {"charset": "utf8mb4"}}
    engine = engine_of(define(conn_type="mysql", host="db.test", login="me", password="p@ss/word", extra=extra))
    assert (
        engine.url.render_as_string(hide_password=False) == "mysql+pymysql://me:p%40ss%2Fword@db.test?charset=utf8mb4"
    )


def test_without_a_scheme_the_provider_s_own_hook_is_asked(tmp_path, define):
    engine = engine_of(define(conn_type="sqlite", host=str(tmp_path / "a.db")))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE found (a INTEGER)")
    engine.dispose()
    assert (tmp_path / "a.db").stat().st_size


def test_no_error_of_the_engine_shows_a_record(tmp_path, define):
    for fields in ({"conn_type": "sqlite"}, {"conn_type": "generic", "extra": {"sqlalchemy_scheme": "sqlite"}}):
        engine = engine_of(define(host=str(tmp_path / "a.db"), **fields))
        assert engine.hide_parameters


@pytest.mark.parametrize("conn_type", ["mssql", "generic", "nonsense"])
def test_a_type_without_its_provider_says_what_to_do(define, conn_type):
    said = refusal(define(conn_type=conn_type, host="db.test"))
    assert f"of the type {conn_type!r}, and no provider for it is installed" in said
    assert "sqlalchemy_scheme" in said


def test_a_connection_to_something_else_is_refused(define):
    assert "'exact_online', which is no database" in refusal(define(conn_type="exact_online"))


@pytest.mark.parametrize("scheme", ["mssql+pyodbc", "nonsense", "postgresql+nonsense"])
def test_a_driver_that_is_not_there_is_named(define, scheme):
    said = refusal(define(conn_type="postgres", password="hidden", extra={"sqlalchemy_scheme": scheme}))
    assert "'warehouse' can't be used" in said
    assert scheme.rpartition("+")[2] in said
    assert "hidden" not in said


@pytest.mark.system
@pytest.mark.smoke
def test_without_sqlalchemy_the_extra_is_named():
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from airflow_provider_exact.transfers.databases import engine_of\n"
        "from airflow_provider_exact.client.errors import ExactRequestError\n"
        "try:\n    engine_of('x')\nexcept ExactRequestError as error:\n    print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'airflow-provider-exact[sql]'" in said
