"""What is settled without a call: imports, checks while a Dag is parsed, which failures are final."""

import subprocess
import sys
from datetime import date

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_provider_exact.client.errors import (
    ExactNotFoundError,
    ExactRateLimitError,
    ExactRequestError,
    ExactResponseError,
    ExactTokenError,
    ExactTransportError,
)
from airflow_provider_exact.operators.base import given, is_final, no_retry_where_none_helps
from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineFunctionOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)

KEY = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.system
@pytest.mark.smoke
def test_importing_operators_and_sensor_loads_no_http_no_oauth_and_no_catalogue():
    script = """
import sys
from airflow.sdk import DAG
before = set(sys.modules)
import airflow_provider_exact.operators.divisions
import airflow_provider_exact.operators.documents
import airflow_provider_exact.operators.records
import airflow_provider_exact.operators.time_transactions
import airflow_provider_exact.operators.upsert
import airflow_provider_exact.operators.xml
import airflow_provider_exact.sensors.records
added = set(sys.modules) - before
print("ADDED", *sorted(name for name in added if name.split(".")[0] in ("requests", "oauthlib", "urllib3")))
print("HOOK", "airflow_provider_exact.hooks.exact_online" in added)
print("LOADED", sys.modules["airflow_provider_exact.client.catalogue"].load.cache_info().currsize)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-3:] == ["ADDED", "HOOK False", "LOADED 0"]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ExactOnlineListOperator(task_id="t", endpoint=""), "endpoint"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint=None), "endpoint"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="TimeTransactions"), "endpoint"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="project/Projects?$top=1"), "endpoint"),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="crm/Accounts(guid'x')", primary_key=KEY), "endpoint"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts", top=0), "top"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts", top="many"), "top"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts", max_records=0), "max_records"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts", max_records=None), "max_records"),
        (lambda: ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts", top=2000), "top: 2000 is above"),
        (lambda: ExactOnlineFunctionOperator(task_id="t", endpoint="HourTypes"), "endpoint"),
        (
            lambda: ExactOnlineFunctionOperator(task_id="t", endpoint="read/crm/X", top=2, max_records=1),
            "top: 2 is above",
        ),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="crm/Accounts", primary_key=""), "primary_key"),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="crm/Accounts", primary_key=None), "primary_key"),
        (lambda: ExactOnlineDeleteOperator(task_id="t", endpoint="crm/Accounts", primary_key=""), "primary_key"),
        (lambda: ExactOnlineCreateOperator(task_id="t", endpoint="crm/Accounts", data={}), "data"),
        (lambda: ExactOnlineUpdateOperator(task_id="t", endpoint="x/Y", primary_key=KEY, data={}), "data"),
        (lambda: ExactOnlineUpdateOperator(task_id="t", endpoint="x/Y", primary_key="", data={"A": 1}), "primary_key"),
    ],
)
def test_what_is_wrong_for_certain_is_refused_while_the_dag_is_parsed(make, named):
    with pytest.raises(ExactRequestError, match=named):
        make()


def test_what_a_template_or_another_task_fills_in_is_left_for_later():
    with DAG("d", schedule=None):
        found = ExactOnlineListOperator(
            task_id="list", endpoint="{{ params.endpoint }}", top="{{ params.top }}", max_records="{{ params.most }}"
        )
        get = ExactOnlineGetOperator(task_id="get", endpoint="crm/Accounts", primary_key=found.output["x"])
        ExactOnlineCreateOperator(task_id="create", endpoint="crm/Accounts", data=get.output)
    assert get.upstream_task_ids == {"list"}


def test_a_task_is_made_for_each_key_of_another_tasks_list():
    with DAG("d", schedule=None):
        found = ExactOnlineListOperator(task_id="list", endpoint="crm/Accounts", filter="Name eq 'x'")
        mapped = ExactOnlineGetOperator.partial(task_id="get", endpoint="crm/Accounts", select=["Name"]).expand(
            primary_key=found.output.map(lambda record: record["ID"])
        )
    one = mapped.unmap({"primary_key": KEY})
    assert (one.primary_key, one.endpoint, one.select) == (KEY, "crm/Accounts", ["Name"])


@pytest.mark.parametrize(
    ("value", "final"),
    [
        ("plain", True),
        ("{{ ds }}", False),
        ("{% if x %}1{% endif %}", False),
        (7, True),
        (None, True),
        (date(2026, 1, 1), True),
        ({"a": [1, "{{ ds }}"]}, False),
        ({"a": ("x", 1)}, True),
        (object(), False),
    ],
)
def test_a_value_is_final_unless_something_may_still_fill_it_in(value, final):
    assert is_final(value) is final


@pytest.mark.parametrize(("value", "left"), [("", None), ("None", None), (0, 0), (False, False), ("x", "x")])
def test_what_a_template_leaves_of_nothing_counts_as_nothing(value, left):
    assert given(value) == left
    assert type(given(value)) is type(left)


@pytest.mark.parametrize(
    "error",
    [
        ExactTokenError("sign in"),
        ExactRequestError("wrong"),
        ExactNotFoundError("gone"),
        ExactTransportError("lost", outcome_unknown=True),
    ],
)
def test_a_failure_that_no_retry_mends_fails_the_task_for_good(error):
    with pytest.raises(AirflowFailException) as failed, no_retry_where_none_helps():
        raise error
    assert failed.value.__cause__ is error
    assert str(failed.value) == str(error)


@pytest.mark.parametrize(
    "error",
    [
        ExactTransportError("no answer"),
        ExactRateLimitError("tomorrow", resets_at=1.0),
        ExactResponseError("odd"),
        RuntimeError("other"),
    ],
)
def test_a_failure_that_a_retry_may_mend_is_left_to_airflow(error):
    with pytest.raises(type(error)) as failed, no_retry_where_none_helps():
        raise error
    assert failed.value is error
