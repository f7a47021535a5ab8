"""Where something is written: the name of the division in the log, and the check of it before a write."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.sdk import DAG

from airflow_provider_exact import division_names
from airflow_provider_exact.client.errors import ExactRequestError, ExactTransportError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineUpdateOperator,
)
from airflow_provider_exact.operators.time_transactions import ExactOnlineCreateTimeTransactionOperator
from airflow_provider_exact.operators.xml import ExactOnlineXmlUploadOperator
from tests.waiting import wait_in_no_time

ACCOUNTS = "crm/Accounts"
NAME = "Noorderlicht Techniek B.V."


def create(**options):
    return ExactOnlineCreateOperator(task_id="create", endpoint=ACCOUNTS, data={"Name": "Bakkerij"}, **options)


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def looked_up(emulator):
    return emulator.count(endpoint="system/Divisions")


def test_the_line_about_a_write_names_the_division(connection, server, capsys):
    key = create().execute({})["ID"]
    ExactOnlineUpdateOperator(task_id="u", endpoint=ACCOUNTS, primary_key=key, data={"City": "Assen"}).execute({})
    ExactOnlineDeleteOperator(task_id="d", endpoint=ACCOUNTS, primary_key=key).execute({})
    written = capsys.readouterr().out
    for done in ("Created", "Updated", "Deleted"):
        assert f"{done} {key} of {ACCOUNTS} in division {connection.division} ({NAME})" in written
    assert looked_up(connection) == 1


def test_a_name_is_looked_up_again_after_a_day(connection, server):
    client = ExactOnlineHook().get_conn()
    for at in (0, 80_000, 87_000):
        assert division_names.name_of("exact_online_default", client, clock=lambda at=at: 1e9 + at) == NAME
    assert looked_up(connection) == 2


def test_a_name_that_may_not_be_read_costs_one_error_a_day(connection, server):
    connection.fault("status", endpoint="system/Divisions", status=403, times=0)
    for _ in range(3):
        create().execute({})
    assert looked_up(connection) == 1


def test_a_look_up_that_fails_does_not_fail_the_task(connection, server):
    connection.fault("day_limit", endpoint="system/Divisions", times=0)
    assert create().execute({})["Name"] == "Bakkerij"


@pytest.mark.parametrize("name", [NAME, "  noorderlicht techniek b.v. ", None])
def test_what_is_written_to_the_expected_division_is_written(connection, server, name):
    assert create(expected_division_name=name).execute({})["Name"] == "Bakkerij"


def writes(name):
    common = {"task_id": "t", "expected_division_name": "{{ params.name }}"}
    key = {"endpoint": ACCOUNTS, "primary_key": "00000000-0000-0000-0000-000000000001"}
    yield create(expected_division_name="{{ params.name }}")
    yield ExactOnlineUpdateOperator(**common, **key, data={"City": "Assen"})
    yield ExactOnlineDeleteOperator(**common, **key)
    yield ExactOnlineXmlUploadOperator(**common, topic="GLAccounts", xml="<eExact/>")
    yield ExactOnlineCreateTimeTransactionOperator(
        **common, item=key["primary_key"], quantity=1, project=key["primary_key"]
    )


def test_nothing_is_written_to_a_division_of_another_name(connection, server):
    for operator in writes("Zilvermeeuw Advies B.V."):
        context = {"params": {"name": "Zilvermeeuw Advies B.V."}}
        operator.render_template_fields(context)
        with pytest.raises(AirflowFailException, match=rf"{connection.division} is '{NAME}', not 'Zilvermeeuw"):
            operator.execute(context)
    assert {call["method"] for call in connection.calls()} == {"GET"}


def test_nothing_is_written_where_the_name_can_not_be_read(connection, server):
    connection.fault("status", endpoint="system/Divisions", status=403, times=0)
    with pytest.raises(AirflowFailException, match="can't be read with this sign-in"):
        create(expected_division_name=NAME).execute({})
    assert {call["method"] for call in connection.calls()} == {"GET"}


def test_a_division_that_was_renamed_is_looked_up_before_it_is_refused(connection, server):
    hook = ExactOnlineHook()
    division_names._note("exact_online_default", {connection.division: division_names.Known("Old name", 9e9)})
    assert hook.division_name() == "Old name"
    assert create(expected_division_name=NAME).execute({})["Name"] == "Bakkerij"
    assert hook.division_name() == NAME


def test_a_limit_of_the_day_defers_the_check_of_the_name(connection, server):
    connection.fault("day_limit", endpoint="system/Divisions", times=0)
    task = SimpleNamespace(xcom_push=lambda **_: None)
    with pytest.raises(TaskDeferred) as deferred:
        create(expected_division_name=NAME).execute({"ti": task})
    assert deferred.value.trigger.resets_at > time.time()
    assert {call["method"] for call in connection.calls()} == {"GET"}


def test_an_outage_leaves_the_check_of_the_name_to_a_retry(connection, server):
    connection.fault("status", endpoint="system/Divisions", status=503, times=0)
    operator = create(expected_division_name=NAME)
    wait_in_no_time(operator.hook.get_conn())
    with pytest.raises(ExactTransportError, match="503"):
        operator.execute({})
    connection.clear_faults()
    assert create(expected_division_name=NAME).execute({})["Name"] == "Bakkerij"


@pytest.mark.parametrize("argument", ["division", "expected_division_name"])
@pytest.mark.parametrize("template", ["{{ params.nothing }}", "{{ params.nothing or '' }}", "{{ params.nosuch }} "])
def test_a_template_that_renders_to_nothing_does_not_pass_for_an_argument_left_out(
    connection, server, argument, template
):
    with pytest.raises(AirflowFailException, match=rf"{argument}: its template rendered to nothing"):
        run(create(**{argument: template}), params={"nothing": None})
    assert connection.calls() == []


@pytest.mark.parametrize("argument", ["division", "expected_division_name"])
def test_nor_does_one_that_renders_to_none_itself(connection, server, argument):
    with DAG("d", schedule=None, render_template_as_native_obj=True):
        operator = create(**{argument: "{{ params.nothing }}"})
    with pytest.raises(AirflowFailException, match=rf"{argument}: its template rendered to nothing"):
        run(operator, params={"nothing": None})
    assert connection.calls() == []


@pytest.mark.parametrize("argument", ["division", "expected_division_name"])
def test_an_argument_that_is_empty_text_is_refused_while_the_dag_is_parsed(argument):
    with pytest.raises(ExactRequestError, match=f"{argument}: a value is needed"):
        create(**{argument: ""})
