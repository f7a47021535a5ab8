"""The operators for records of any endpoint, through the real hook, against the emulator."""

import json
import os
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact.client.errors import ExactRateLimitError, ExactTransportError
from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineFunctionOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)
from airflow_provider_exact.operators.time_transactions import ExactOnlineUpdateTimeTransactionOperator
from airflow_provider_exact.operators.upsert import ExactOnlineUpsertOperator
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor
from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator
from tests.waiting import wait_in_no_time

HOURS = "project/TimeTransactions"
PROJECTS = "project/Projects"
KEY = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def last_call(emulator):
    call = emulator.calls()[-1]
    options = {name: values[0] for name, values in parse_qs(call["query"]).items()}
    return call["method"], call["path"].rpartition("/v1/")[2], options


def a_project(**options):
    return run(ExactOnlineListOperator(task_id="one", endpoint=PROJECTS, top=1, **options))[0]


def test_every_option_of_a_list_is_in_the_request(connection):
    records = run(
        ExactOnlineListOperator(
            task_id="list",
            endpoint="Project/projects",
            filter={"BlockEntry": False, "Code": ("<", "P00050")},
            select=["ID", "Code"],
            expand="ProjectRestrictionItems",
            order_by="Code desc",
            top=3,
        )
    )
    assert [record["Code"] for record in records] == ["P00049", "P00048", "P00047"]
    assert last_call(connection) == (
        "GET",
        f"{connection.division}/project/Projects",
        {
            "$filter": "BlockEntry eq false and Code lt 'P00050'",
            "$select": "ID,Code",
            "$expand": "ProjectRestrictionItems",
            "$orderby": "Code desc",
            "$top": "3",
        },
    )


def test_templates_reach_the_request_as_what_they_render_to(connection):
    other = connection.divisions[1]
    records = run(
        ExactOnlineListOperator(
            task_id="list",
            endpoint="{{ params.endpoint }}",
            filter={"Date": [(">=", "{{ ds }}"), ("<", "{{ macros_end }}")]},
            select="{{ params.fields }}",
            order_by="{{ params.order }}",
            top="{{ params.top }}",
            division="{{ params.division }}",
        ),
        params={"endpoint": HOURS, "fields": "ID,Date", "order": "Date", "top": 2, "division": other},
        ds="2020-01-01",
        macros_end="2090-01-01",
    )
    assert len(records) == 2
    _, path, options = last_call(connection)
    assert path == f"{other}/{HOURS}"
    assert options == {
        "$filter": "Date ge datetime'2020-01-01T00:00:00' and Date lt datetime'2090-01-01T00:00:00'",
        "$select": "ID,Date",
        "$orderby": "Date",
        "$top": "2",
    }


def test_templates_that_render_to_nothing_count_as_not_given(connection):
    nothing = "{{ params.nothing }}"
    list_projects = ExactOnlineListOperator(
        task_id="list",
        endpoint=PROJECTS,
        filter=nothing,
        select="ID",
        expand=nothing,
        order_by=nothing,
        top=nothing,
        division=nothing,
    )
    assert len(run(list_projects, params={"nothing": None})) == 90
    call = connection.calls()[0]
    assert (call["division"], call["query"]) == (connection.division, "$select=ID")


def test_a_list_goes_over_pages_up_to_its_bound(connection):
    assert len(run(ExactOnlineListOperator(task_id="list", endpoint=PROJECTS, select="ID", max_records=90))) == 90
    assert connection.count(endpoint=PROJECTS) == 2


def test_a_list_above_its_bound_stops_reading_and_says_what_to_do(connection):
    with pytest.raises(AirflowFailException, match=r"more than 100 .* filter, .*top, .*max_records, .*list_records"):
        run(ExactOnlineListOperator(task_id="list", endpoint=HOURS, select="ID", max_records=100))
    # The second page holds number 101; the emulator has fifty pages.
    assert connection.count(endpoint=HOURS) == 2


def test_bounds_that_only_templates_show_to_clash_fail_before_a_call(connection):
    clash = ExactOnlineListOperator(task_id="list", endpoint=PROJECTS, top="{{ params.top }}", max_records=10)
    with pytest.raises(AirflowFailException, match="top: 11 is above max_records"):
        run(clash, params={"top": 11})
    assert connection.calls() == []


def test_a_list_of_the_default_bound_returns_a_thousand_and_not_one_more(connection):
    with pytest.raises(AirflowFailException, match="more than 1000 records"):
        run(ExactOnlineListOperator(task_id="list", endpoint="sync/Project/TimeCostTransactions", select="ID"))
    assert len(run(ExactOnlineListOperator(task_id="list", endpoint=HOURS, select="ID", top=1000))) == 1000


def test_a_record_is_read_by_its_key(connection):
    project = a_project(select=["ID", "Code"])
    got = run(
        ExactOnlineGetOperator(
            task_id="get",
            endpoint=PROJECTS,
            primary_key="{{ params.key }}",
            select="Code,Description",
            expand="ProjectRestrictionItems",
        ),
        params={"key": project["ID"]},
    )
    assert got["Code"] == project["Code"]
    assert "Description" in got
    assert "Manager" not in got
    method, path, options = last_call(connection)
    assert (method, path) == ("GET", f"{connection.division}/{PROJECTS}(guid'{project['ID']}')")
    assert options == {"$select": "Code,Description", "$expand": "ProjectRestrictionItems"}


def test_a_key_that_is_not_there_fails_for_good(connection):
    with pytest.raises(AirflowFailException, match=PROJECTS):
        run(ExactOnlineGetOperator(task_id="get", endpoint=PROJECTS, primary_key=str(uuid4())))
    assert connection.count(endpoint=PROJECTS, status=404) == 1


@pytest.mark.parametrize("rendered", ["", None])
def test_a_key_that_renders_to_nothing_fails_before_a_call(connection, rendered):
    for operator in (
        ExactOnlineGetOperator(task_id="get", endpoint=PROJECTS, primary_key="{{ params.key }}"),
        ExactOnlineUpdateOperator(
            task_id="update", endpoint=PROJECTS, primary_key="{{ params.key }}", data={"Notes": "x"}
        ),
        ExactOnlineDeleteOperator(task_id="delete", endpoint=PROJECTS, primary_key="{{ params.key }}"),
    ):
        with pytest.raises(AirflowFailException, match="primary_key"):
            run(operator, params={"key": rendered})
    assert connection.calls() == []


def test_a_record_is_created_changed_and_deleted(connection):
    created = run(
        ExactOnlineCreateOperator(
            task_id="create", endpoint="crm/Accounts", data={"Name": "{{ params.name }}", "Country": "NL"}
        ),
        params={"name": "Bakkerij"},
    )
    assert (created["Name"], created["Country"]) == ("Bakkerij", "NL")
    key = created["ID"]
    changed = run(
        ExactOnlineUpdateOperator(
            task_id="update",
            endpoint="crm/Accounts",
            primary_key=key,
            data={"City": "Assen", "StartDate": datetime(2026, 2, 1)},
        )
    )
    assert (changed["ID"], changed["City"], changed["StartDate"]) == (key, "Assen", "2026-02-01T00:00:00Z")
    assert changed["Name"] == "Bakkerij"
    delete = ExactOnlineDeleteOperator(task_id="delete", endpoint="crm/Accounts", primary_key=key)
    assert run(delete) is True
    methods = [call["method"] for call in connection.calls() if call["endpoint"] == "crm/Accounts"]
    assert methods == ["POST", "PUT", "DELETE"]


def test_a_function_is_called_with_parameters_from_templates(connection):
    call = ExactOnlineFunctionOperator(
        task_id="call",
        endpoint="{{ params.endpoint }}",
        parameters={"numberOfWeeks": "{{ params.weeks }}"},
        select="EntryId,{{ params.field }}",
        top="{{ params.top }}",
    )
    asked = {"endpoint": "read/project/RecentCostsByNumberOfWeeks", "weeks": 520, "field": "Date", "top": 2}
    records = run(call, params=asked)
    assert [set(record) for record in records] == [{"EntryId", "Date"}] * 2
    _, path, options = last_call(connection)
    assert path == f"{connection.division}/read/project/RecentCostsByNumberOfWeeks"
    assert options == {"numberOfWeeks": "520", "$select": "EntryId,Date", "$top": "2"}


def test_a_function_that_answers_too_much_for_one_xcom_fails(connection):
    with pytest.raises(AirflowFailException, match="more than 1 records.*call_function"):
        run(ExactOnlineFunctionOperator(task_id="call", endpoint="read/project/HourTypes", max_records=1))


class Pushed(dict):
    """Stands for the running task, and keeps what it pushes."""

    def xcom_push(self, key, value):
        self[key] = value


def test_the_key_of_a_record_is_pushed_under_its_own_name(connection):
    pushed = Pushed()
    create = ExactOnlineCreateOperator(task_id="create", endpoint="CRM/Accounts", data={"Name": "Bakkerij"})
    record = create.execute({"ti": pushed})
    assert pushed == {"ID": record["ID"]}
    key = {"endpoint": "crm/Accounts", "primary_key": record["ID"]}
    for operator in (
        ExactOnlineUpdateOperator(task_id="update", data={"City": "Assen"}, **key),
        ExactOnlineGetOperator(task_id="get", select="ID,Name", **key),
    ):
        pushed.clear()
        operator.execute({"ti": pushed})
        assert pushed == {"ID": record["ID"]}


def test_a_key_that_was_not_read_or_may_not_be_pushed_is_not_pushed(connection):
    pushed = Pushed()
    key = {"endpoint": PROJECTS, "primary_key": a_project()["ID"]}
    ExactOnlineGetOperator(task_id="get", select="Code", **key).execute({"ti": pushed})
    ExactOnlineGetOperator(task_id="get", do_xcom_push=False, **key).execute({"ti": pushed})
    assert pushed == {}


def test_deleting_what_is_gone_fails_unless_that_is_fine(connection):
    gone = {"task_id": "delete", "endpoint": "crm/Accounts", "primary_key": str(uuid4())}
    assert run(ExactOnlineDeleteOperator(**gone, missing_ok=True)) is False
    with pytest.raises(AirflowFailException, match=r"not found \(404\)\. Check the key .* With missing_ok=True"):
        run(ExactOnlineDeleteOperator(**gone))


@pytest.mark.parametrize(
    ("operator", "named"),
    [
        (ExactOnlineListOperator(task_id="t", endpoint="project/TimeTransaction"), "project/TimeTransactions"),
        (ExactOnlineListOperator(task_id="t", endpoint=PROJECTS, filter={"Cod": "x"}), "Code"),
        (ExactOnlineListOperator(task_id="t", endpoint=PROJECTS, select="Descripton"), "Description"),
        (ExactOnlineListOperator(task_id="t", endpoint="crm/AcceptQuotation"), "POST"),
        (ExactOnlineListOperator(task_id="t", endpoint="crm/Accounts"), "Or list sync/CRM/Accounts"),
        (ExactOnlineListOperator(task_id="t", endpoint="bulk/CRM/Contacts"), "fields named"),
        (ExactOnlineListOperator(task_id="t", endpoint="read/project/HoursByDate", filter="Id eq 1"), "a function"),
        (ExactOnlineFunctionOperator(task_id="t", endpoint="read/project/HoursByDate"), "needs checkDate"),
        (ExactOnlineFunctionOperator(task_id="t", endpoint=PROJECTS, parameters={"ID": 1}), "not a function"),
        (ExactOnlineGetOperator(task_id="t", endpoint=PROJECTS, primary_key="17"), "primary_key"),
        (ExactOnlineCreateOperator(task_id="t", endpoint="crm/Accounts", data={"City": "Assen"}), "Name"),
        (ExactOnlineCreateOperator(task_id="t", endpoint="crm/Accounts", data={"Name": "x", "Citty": "y"}), "City"),
        (ExactOnlineCreateOperator(task_id="t", endpoint="sync/CRM/Accounts", data={"Name": "x"}), "GET"),
        (
            ExactOnlineUpdateOperator(task_id="t", endpoint=HOURS, primary_key=str(uuid4()), data={"Created": "x"}),
            "Created",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_call_that_is_known_to_be_wrong_is_never_made(connection, operator, named):
    with pytest.raises(AirflowFailException, match=named):
        run(operator)
    assert connection.calls() == []


def test_a_creation_whose_answer_is_lost_is_found(connection):
    connection.fault("reset_after", method="POST")
    created = run(ExactOnlineCreateOperator(task_id="create", endpoint="crm/Accounts", data={"Name": "Lost"}))
    assert created["Name"] == "Lost"
    assert connection.count(method="POST") == 1


def test_a_failing_server_is_left_to_airflows_retries(connection):
    connection.fault("status", endpoint=PROJECTS, times=0)
    list_projects = ExactOnlineListOperator(task_id="list", endpoint=PROJECTS)
    # The hook's client waits between its own attempts; here it does not.
    wait_in_no_time(list_projects.hook.get_conn())
    with pytest.raises(ExactTransportError):
        run(list_projects)


def test_a_limit_of_the_day_is_left_to_airflows_retries_with_its_moment(connection):
    connection.settings(calls_per_day=1)
    now = datetime.fromtimestamp(connection.now(), tz=UTC)
    if now.hour == 23 and now.minute >= 58:
        # So close to the reset a call sits the limit out.
        connection.advance(180)
        now += timedelta(seconds=180)
    a_project()
    with pytest.raises(ExactRateLimitError) as limited:
        a_project(deferrable=False)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert abs(limited.value.resets_at - midnight.timestamp()) < 60


def test_a_connection_without_division_is_told_so(connection, monkeypatch):
    made = json.loads(os.environ["AIRFLOW_CONN_EXACT_ONLINE_DEFAULT"])
    del made["extra"]["division"]
    monkeypatch.setenv("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT", json.dumps(made))
    with pytest.raises(AirflowFailException, match="division"):
        a_project()
    assert a_project(division=connection.division)["Code"]


def test_the_connection_is_a_template_too(connection, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_EXACT_ONLINE_DEFAULT"])
    monkeypatch.delenv("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT")
    list_projects = ExactOnlineListOperator(
        task_id="list", endpoint=PROJECTS, top=1, exact_online_conn_id="{{ params.conn }}"
    )
    assert len(run(list_projects, params={"conn": "other"})) == 1


def test_an_expired_token_fails_for_good_and_is_shown_nowhere(connection, caplog):
    connection.advance(700)
    token = json.loads(os.environ["AIRFLOW_CONN_EXACT_ONLINE_DEFAULT"])["extra"]["access_token"]
    with pytest.raises(AirflowFailException, match="[Ss]ign in") as failed:
        a_project()
    assert token not in str(failed.value)
    assert token not in repr(failed.value.__cause__)
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("operator", "named"),
    [
        (lambda **fields: ExactOnlineListOperator(**fields, filter="{{ params.fields }}"), "filter"),
        (lambda **fields: ExactOnlineGetOperator(**fields, match="{{ params.fields }}"), "match"),
        (lambda **fields: ExactOnlineCreateOperator(**fields, data="{{ params.fields }}"), "data"),
        (lambda **fields: ExactOnlineUpdateOperator(**fields, primary_key=KEY, data="{{ params.fields }}"), "data"),
        (lambda **fields: ExactOnlineUpsertOperator(**fields, match="Code", data="{{ params.fields }}"), "data"),
        (lambda **fields: ExactOnlineFunctionOperator(**fields, parameters="{{ params.fields }}"), "parameters"),
        (lambda **fields: ExactOnlineRecordSensor(**fields, condition="{{ params.fields }}"), "condition"),
        (
            lambda endpoint, **fields: ExactOnlineUpdateTimeTransactionOperator(
                **fields, time_transaction_id=KEY, data="{{ params.fields }}"
            ),
            "data",
        ),
        (
            lambda **fields: ExactOnlineToFileOperator(**fields, path="out", filter="{{ params.fields }}"),
            "filter",
        ),
    ],
)
def test_a_dict_that_a_template_made_text_is_refused_with_what_to_set(connection, operator, named):
    made = operator(task_id="t", endpoint=PROJECTS)
    with pytest.raises(
        AirflowFailException, match=f"^{named}: expected .* not the text .*render_template_as_native_obj"
    ):
        run(made, params={"fields": {"Name": "x"}})
    assert connection.calls() == []
