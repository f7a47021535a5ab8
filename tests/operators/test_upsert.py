"""Create or update as a task: one record, a list, a list with a bad record, and a retry."""

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_exact import accounts
from airflow_provider_exact.client.errors import ExactRequestError, ExactTransportError
from airflow_provider_exact.operators.records import ExactOnlineGetOperator
from airflow_provider_exact.operators.upsert import ExactOnlineUpsertOperator
from tests.waiting import wait_in_no_time


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def upsert(data, match="Code"):
    return ExactOnlineUpsertOperator(task_id="upsert", endpoint="crm/Accounts", data=data, match=match)


def test_one_record_is_returned_as_exact_has_it(connection):
    first = run(upsert({"Code": "{{ params.code }}", "Name": "Wadloper"}), params={"code": 4711})
    again = run(upsert({"Code": "4711", "Name": "Wadloper", "City": "Assen"}))
    assert (first["ID"], again["City"]) == (again["ID"], "Assen")
    get = ExactOnlineGetOperator(task_id="get", endpoint="crm/Accounts", match={"Code": "4711"}, select="City")
    assert run(get) == {"ID": first["ID"], "City": "Assen"}


def test_of_a_list_each_key_is_returned_with_what_became_of_it(connection):
    run(upsert({"Code": "2", "Name": "Two"}))
    results = run(upsert(({"Code": "1", "Name": "One"}, {"Code": "2", "Name": "Two!"})))
    assert [(result["Code"], result["outcome"]) for result in results] == [("1", "created"), ("2", "updated")]
    assert run(upsert([])) == []
    for result in results:
        assert run(ExactOnlineGetOperator(task_id="g", endpoint="crm/Accounts", primary_key=result["ID"]))["Code"]


def test_a_refused_record_keeps_no_other_from_being_written(connection):
    records = [{"Code": "1", "Name": "One"}, {"Code": "2", "Naam": "Two"}, {"Code": "3", "Name": "Three"}]
    with pytest.raises(AirflowFailException, match=r"data\[1\]: data: crm/Accounts has no field 'Naam'"):
        run(upsert(records))
    assert connection.calls() == []
    records[1] = {"Code": "2", "Country": "NL"}
    with pytest.raises(
        AirflowFailException, match=r"2 of 3 records of .* are written, 1 failed\. (.|\n)*data\[1\] .*'2'.*Name"
    ):
        run(upsert(records))
    assert connection.count(method="POST", status=201) == 2
    records[1]["Name"] = "Two"
    assert [result["outcome"] for result in run(upsert(records))] == ["updated", "created", "updated"]


def test_it_stops_before_exact_blocks_the_app(connection):
    records = [{"Code": str(number), "Name": "N"} for number in range(8)]
    connection.fault("status", method="POST", endpoint="crm/Accounts", status=400, times=0)
    with pytest.raises(AirflowFailException, match="0 of 8 .* are written, 5 failed, 3 were not tried"):
        run(upsert(records))
    assert connection.count(method="POST") == 5


def test_nothing_is_written_to_a_division_of_another_name(connection):
    operator = ExactOnlineUpsertOperator(
        task_id="u",
        endpoint="crm/Accounts",
        data=[{"Code": "1", "Name": "N"}],
        match="Code",
        expected_division_name="X",
    )
    with pytest.raises(AirflowFailException, match="expected_division_name"):
        run(operator)
    assert connection.count(method="POST") == 0


def test_a_failing_server_is_left_to_airflows_retries_which_write_none_twice(connection):
    records = [{"Code": str(number), "Name": "N"} for number in range(1, 5)]
    connection.fault("status", method="POST", endpoint="crm/Accounts", nth=3, times=3, status=500)
    failing = upsert(records)
    # The hook's client waits between its own attempts; here it does not.
    wait_in_no_time(failing.hook.get_conn())
    with pytest.raises(ExactTransportError, match="nothing was created"):
        run(failing)
    assert [result["outcome"] for result in run(upsert(records))] == ["updated", "updated", "created", "created"]
    assert connection.count(method="POST", status=201) == 4


class Running(dict):
    """Stands for the running task; keeps what it pushes."""

    map_index = -1

    def xcom_push(self, key, value):
        self[key] = value


def test_a_list_goes_on_where_a_limit_of_the_day_stopped_it(connection):
    connection.settings(calls_per_day=5)
    operator = upsert([{"Code": str(number), "Name": "N"} for number in range(1, 4)])
    task = Running()
    with pytest.raises(TaskDeferred):
        operator.execute({"ti": task})
    connection.settings(calls_per_day=1000)
    accounts.forget()
    del operator.hook
    operator.kept = task["exact_online_kept"]["kept"]
    results = operator.execute({"ti": task})
    assert [(result["Code"], result["outcome"]) for result in results] == [
        ("1", "created"),
        ("2", "created"),
        ("3", "created"),
    ]
    assert connection.count(method="POST", status=201) == 3


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: upsert({}), "data"),
        (lambda: upsert({"Code": "1"}, match=""), "match"),
        (lambda: upsert({"Code": "1"}, match=[]), "match"),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="crm/Accounts"), "primary_key"),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="crm/Accounts", match={}), "match"),
        (lambda: ExactOnlineGetOperator(task_id="t", endpoint="x/Y", match={"A": 1}, primary_key="1"), "match"),
    ],
)
def test_what_is_wrong_for_certain_is_refused_while_the_dag_is_parsed(make, named):
    with pytest.raises(ExactRequestError, match=named):
        make()


def test_a_record_that_nothing_matches_fails_the_task_for_good(connection):
    with pytest.raises(AirflowFailException, match="no record has {'Code': 'none'}"):
        run(ExactOnlineGetOperator(task_id="get", endpoint="crm/Accounts", match={"Code": "none"}))
