"""Tasks that a limit of the day interrupts, and how they go on."""

from __future__ import annotations

import copy
import json
import time

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_provider_exact import accounts
from airflow_provider_exact.client.errors import ExactErrorLimitError, ExactRateLimitError
from airflow_provider_exact.operators.base import KEPT, USAGE, ExactOnlineOperator
from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineListOperator,
)
from airflow_provider_exact.triggers.limits import ExactOnlineLimitTrigger
from tests.waiting import wait_in_no_time

HOURS = "project/TimeTransactions"
ACCOUNTS = "crm/Accounts"


class TaskInstance:
    """What a task pushes, as JSON, in the way of Airflow's own."""

    dag_id, task_id, run_id, map_index = "d", "t", "r", 3

    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = json.dumps(value)

    def xcom_pull(self, key, map_indexes):
        assert map_indexes == self.map_index
        return json.loads(self.pushed[key]) if key in self.pushed else None


@pytest.fixture
def ti(monkeypatch):
    from airflow.sdk.execution_time.xcom import XCom

    made = TaskInstance()
    identity = (made.task_id, made.dag_id, made.run_id, made.map_index)

    def delete(key, *whose):
        assert whose == identity
        del made.pushed[key]

    monkeypatch.setattr(XCom, "delete", delete)
    return made


def in_another_process(task):
    """Return the task as Airflow makes it anew from the Dag file, in a process that knows of no limit."""
    accounts.forget()
    fresh = copy.copy(task)
    fresh.__dict__.pop("hook", None)
    fresh.kept = {}
    return fresh


def left(task, ti):
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({"ti": ti})
    return deferred.value


def gone_on(task, ti):
    return in_another_process(task).go_on({"ti": ti}, {"status": "reset"})


def test_a_list_goes_on_with_the_page_that_was_refused(connection, ti):
    connection.settings(calls_per_minute=60)
    connection.fault("day_limit", method="GET", endpoint=HOURS, nth=3)
    task = ExactOnlineListOperator(task_id="t", endpoint=HOURS, select="ID", max_records=300, top=250)
    deferral = left(task, ti)
    assert isinstance(deferral.trigger, ExactOnlineLimitTrigger)
    assert (deferral.method_name, deferral.timeout) == ("go_on", None)
    midnight = (time.time() // 86_400 + 1) * 86_400
    assert midnight < deferral.trigger.resets_at < midnight + 70
    again = in_another_process(task)
    records = again.go_on({"ti": ti}, {"status": "reset"})
    assert len({record["ID"] for record in records}) == 250
    again.post_execute({"ti": ti})
    usage = json.loads(ti.pushed.pop(USAGE))
    assert (usage["calls"], usage["records"], usage["limited"], usage["division"]) == (6, 300, 1, connection.division)
    assert usage["left_this_minute"] == 55
    served = [call["query"] for call in connection.calls() if call["status"] == 200]
    assert len(served) == len(set(served)) == 5
    assert ti.pushed == {}


def test_a_list_is_interrupted_as_often_as_it_takes(connection, ti):
    for nth in (2, 3, 4):
        connection.fault("day_limit", method="GET", endpoint=HOURS, nth=nth)
    task = ExactOnlineListOperator(task_id="t", endpoint=HOURS, select="ID", max_records=300, top=250)
    left(task, ti)
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            gone_on(task, ti)
    assert len(gone_on(task, ti)) == 250
    assert connection.count(method="GET", endpoint=HOURS, status=200) == 5


def test_a_try_that_failed_leaves_nothing_to_the_next_one(connection, ti):
    connection.fault("business_error", method="GET", endpoint=HOURS, nth=2, times=4)
    task = ExactOnlineListOperator(task_id="t", endpoint=HOURS, select="ID", max_records=300, top=250)
    wait_in_no_time(task.hook.get_conn())
    with pytest.raises(Exception, match="500"):
        task.execute({"ti": ti})
    assert len({record["ID"] for record in task.execute({"ti": ti})}) == 250


def test_what_is_kept_holds_no_token_and_a_link_to_another_list_is_refused(connection, ti):
    connection.fault("day_limit", method="GET", endpoint=HOURS, nth=2)
    task = ExactOnlineListOperator(task_id="t", endpoint=HOURS, select="ID", max_records=5000)
    left(task, ti)
    assert not [secret for secret in connection.secrets() if secret in ti.pushed[KEPT]]
    for link in (
        f"http://elsewhere.example/api/v1/{connection.division}/{HOURS}",
        f"{connection.url}/api/v1/1/{HOURS}",
    ):
        ti.xcom_push(KEPT, {"kept": {"records": [], "next_url": link}, "used": {}})
        with pytest.raises(AirflowException, match="another list"):
            gone_on(task, ti)
    assert connection.count(method="GET", endpoint=HOURS) == 2


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (ExactOnlineCreateOperator(task_id="t", endpoint=ACCOUNTS, data={"Name": "Once"}), "POST"),
        (ExactOnlineDeleteOperator(task_id="t", endpoint=ACCOUNTS, primary_key="x", missing_ok=True), "DELETE"),
    ],
)
def test_other_operators_make_the_call_that_was_refused(connection, ti, task, method):
    if method == "DELETE":
        task.primary_key = task.hook.create_record(ACCOUNTS, {"Name": "Once"})["ID"]
    connection.fault("day_limit", method=method, endpoint=ACCOUNTS)
    left(task, ti)
    gone_on(task, ti)
    statuses = [call["status"] for call in connection.calls() if call["method"] == method]
    assert statuses[-2:] == [429, 201 if method == "POST" else 204]


def test_a_task_that_is_not_to_leave_its_worker_fails_with_the_moment(connection, ti):
    connection.fault("day_limit", method="GET", endpoint=ACCOUNTS)
    task = ExactOnlineListOperator(task_id="t", endpoint=ACCOUNTS, filter="Status eq 'C'", deferrable=False)
    with pytest.raises(ExactRateLimitError) as limited:
        task.execute({"ti": ti})
    assert limited.value.resets_at > time.time()


def test_too_many_errors_fail_the_task_rather_than_hide_it(ti):
    class Refused(ExactOnlineOperator):
        def execute(self, context):
            with self.calling(context):
                raise ExactErrorLimitError("mend it", resets_at=time.time() + 3600)

    with pytest.raises(ExactErrorLimitError):
        Refused(task_id="t").execute({"ti": ti})


@pytest.mark.parametrize("event", [None, {}, {"status": "other"}])
def test_an_unknown_event_fails_the_task(event, ti):
    with pytest.raises(AirflowException, match="does not know"):
        ExactOnlineListOperator(task_id="t", endpoint=HOURS).go_on({"ti": ti}, event)


def test_a_task_tells_what_it_used_and_what_is_left_even_when_it_fails(connection, ti, capsys):
    connection.settings(calls_per_minute=60)
    task = ExactOnlineListOperator(task_id="t", endpoint=HOURS, filter="Nonsense eq 1")
    with pytest.raises(AirflowException):
        task.execute({"ti": ti})
    assert (
        f"1 calls, 0 records, 0 seconds waited in 0 waits, 0 calls beyond a limit; left in division "
        f"{connection.division}: 59 of 60 a minute, 4999 of 5000 a day"
    ) in capsys.readouterr().out


def test_a_task_that_made_no_call_or_pushes_no_xcom_tells_none(connection, ti):
    task = ExactOnlineListOperator(task_id="t", endpoint="project/Projects", top=1, do_xcom_push=False)
    task.post_execute({"ti": ti})
    task.execute({"ti": ti})
    task.post_execute({"ti": ti})
    assert ti.pushed == {}
