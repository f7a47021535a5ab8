"""The sensor, through the real hook, against the emulator."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_exact import accounts
from airflow_provider_exact.client.errors import ExactErrorLimitError, ExactRequestError, ExactTransportError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.sensors.records import ExactOnlineRecordSensor

HOURS = "project/TimeTransactions"
ACCOUNTS = "crm/Accounts"
NOBODY = "Name eq 'Nobody'"


def sensor(**arguments):
    return ExactOnlineRecordSensor(**{"task_id": "wait", "endpoint": ACCOUNTS, "deferrable": False, **arguments})


def rendered(made, **context):
    made.render_template_fields(context)
    return made


def options(emulator):
    call = emulator.calls()[-1]
    return {name: values[0] for name, values in parse_qs(call["query"]).items()}


def a_booking():
    return next(ExactOnlineHook().list_records(HOURS, select=["ID", "HourStatus", "Quantity"], top=1))


@pytest.fixture
def impatient(monkeypatch):
    """Return a sensor whose client does not wait between its own attempts."""

    def make(**arguments):
        made = sensor(**arguments)
        made.hook.get_conn()._sleep = lambda seconds: None
        return made

    return make


def test_key_filter_and_condition_are_one_small_call(connection):
    booking = a_booking()
    before = connection.count()
    found = sensor(
        endpoint=HOURS,
        primary_key=booking["ID"],
        filter="Quantity gt 0 or Quantity lt 0",
        condition={"HourStatus": booking["HourStatus"]},
        select=["HourStatus", "id"],
    ).poke({})
    assert found.is_done
    assert found.xcom_value == {"ID": booking["ID"], "HourStatus": booking["HourStatus"]}
    assert connection.count() == before + 1
    assert options(connection) == {
        "$filter": (
            f"(ID eq guid'{booking['ID']}') and (Quantity gt 0 or Quantity lt 0) "
            f"and (HourStatus eq {booking['HourStatus']})"
        ),
        "$select": "ID,HourStatus",
        "$top": "1",
    }


def test_a_record_that_is_not_there_yet_is_no_error_at_exact(connection):
    assert sensor(primary_key=str(uuid4())).poke({}) is False
    assert [call["status"] for call in connection.calls()] == [200]


def test_a_field_that_does_not_meet_the_condition_is_waited_for(connection):
    hook = ExactOnlineHook()
    made = hook.create_record(ACCOUNTS, {"Name": "Bakkerij", "City": "Assen"})
    wait = sensor(primary_key=made["ID"], condition={"City": "Groningen"}, select="City")
    assert wait.poke({}) is False
    hook.update_record(ACCOUNTS, made["ID"], {"City": "Groningen"})
    assert wait.poke({}).xcom_value == {"ID": made["ID"], "City": "Groningen"}


def test_enough_records_are_returned_as_a_list(connection):
    wait = sensor(filter={"Name": ("startswith", "Awaited")}, min_records=2, select=["Name"])
    hook = ExactOnlineHook()
    hook.create_record(ACCOUNTS, {"Name": "Awaited 1"})
    assert wait.poke({}) is False
    for number in (2, 3):
        hook.create_record(ACCOUNTS, {"Name": f"Awaited {number}"})
    found = wait.poke({})
    assert len(found.xcom_value) == 2
    assert all(set(record) == {"ID", "Name"} for record in found.xcom_value)
    assert options(connection)["$top"] == "2"


def test_templates_fill_in_what_to_wait_for(connection):
    booking = a_booking()
    wait = rendered(
        sensor(
            endpoint="{{ params.endpoint }}",
            primary_key="{{ params.key }}",
            filter="{{ params.nothing }}",
            condition={"Quantity": "{{ params.quantity }}"},
            select="{{ params.nothing }}",
            min_records="{{ params.count }}",
            division="{{ params.division }}",
        ),
        params={
            "endpoint": HOURS.upper(),
            "key": booking["ID"],
            "quantity": booking["Quantity"],
            "count": 1,
            "division": connection.division,
            "nothing": None,
        },
    )
    assert wait.poke({}).xcom_value == {"ID": booking["ID"]}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"endpoint": "Accounts"}, "endpoint"),
        ({"primary_key": ""}, "primary_key"),
        ({"min_records": 0}, "min_records"),
        ({"min_records": None}, "min_records"),
        ({"min_records": 2, "primary_key": str(uuid4())}, "min_records.*primary_key"),
        ({"max_failures": 0}, "max_failures"),
        ({"max_failures": None}, "max_failures"),
    ],
)
def test_what_is_wrong_for_certain_is_refused_while_the_dag_is_parsed(arguments, named):
    with pytest.raises(ExactRequestError, match=named):
        sensor(**arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"primary_key": "{{ params.nothing }}"}, "primary_key"),
        ({"primary_key": "17"}, "^primary_key: expected a GUID"),
        ({"condition": {"HourStat": 1}}, "^condition: .* has no field 'HourStat'"),
        ({"condition": {"Name": []}}, "^condition: the list for Name"),
        ({"select": 5}, "^select: expected names"),
        ({"select": [5]}, "^select: expected names"),
        ({"filter": {"Naam": "x"}}, "Name"),
        ({"condition": {"Blocked": "perhaps"}}, "Blocked"),
        ({"select": ["Nam"]}, "Name"),
        ({"endpoint": "crm/Acounts"}, "crm/Accounts"),
        ({"endpoint": "openingbalance/CurrentYear/Processed", "primary_key": str(uuid4())}, "key"),
        ({"min_records": "{{ params.nothing }}"}, "min_records"),
    ],
)
def test_a_call_that_is_known_to_be_wrong_is_never_made(connection, arguments, named):
    with pytest.raises(AirflowFailException, match=named):
        rendered(sensor(**arguments), params={"nothing": None}).poke({})
    assert connection.calls() == []


def test_execute_returns_what_it_found(connection):
    ExactOnlineHook().create_record(ACCOUNTS, {"Name": "There"})
    [record] = sensor(filter={"Name": "There"}, select="Name").execute({})
    assert record["Name"] == "There"


def test_a_sensor_that_keeps_its_worker_looks_again_after_a_failed_call(connection, impatient):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=8)
    ExactOnlineHook().create_record(ACCOUNTS, {"Name": "There"})
    wait = impatient(filter={"Name": "There"}, poke_interval=0, timeout=60)
    assert len(wait.execute({})) == 1
    assert connection.count(method="GET", status=503) == 8


def test_a_sensor_gives_up_after_too_many_failed_calls_in_a_row(connection, impatient):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=0)
    wait = impatient(filter=NOBODY, poke_interval=0, timeout=60, max_failures=3)
    with pytest.raises(ExactTransportError):
        wait.execute({})
    assert connection.count(method="GET", status=503) == 3 * 4


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_failing_server_skips_a_sensor_that_may_be_skipped(connection, impatient, mode):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=0)
    wait = impatient(filter=NOBODY, max_failures=1, soft_fail=True, mode=mode)
    with pytest.raises(AirflowSkipException, match="503"):
        wait.poke({})


def test_a_success_between_failed_calls_starts_the_count_again(connection, impatient):
    wait = impatient(filter=NOBODY, max_failures=2)
    for _ in range(3):
        connection.fault("status", method="GET", endpoint=ACCOUNTS, times=4)
        assert wait.poke({}) is False
        assert wait.poke({}) is False
    assert connection.count(method="GET", status=503) == 12


def test_at_a_limit_of_the_day_no_call_is_made_before_it_resets(connection, day_limit):
    wait = sensor(filter=NOBODY)
    assert wait.poke({}) is False
    assert wait.poke({}) is False
    assert connection.count(endpoint=ACCOUNTS) == 1


def test_at_a_limit_of_the_day_a_rescheduled_sensor_comes_back_when_it_resets(connection, day_limit):
    with pytest.raises(AirflowRescheduleException) as again:
        sensor(filter=NOBODY, mode="reschedule").poke({})
    assert abs(again.value.reschedule_date.timestamp() - day_limit) < 60


def test_a_rescheduled_sensor_does_not_wait_for_a_reset_past_its_timeout(connection, day_limit):
    with pytest.raises(AirflowRescheduleException) as again:
        sensor(filter=NOBODY, mode="reschedule", timeout=100).poke({})
    assert again.value.reschedule_date < datetime.now(UTC) + timedelta(seconds=101)


@pytest.fixture
def day_limit(connection):
    """Let the next call hit the limit of the day; return when that resets."""
    now = connection.now()
    if now % 86_400 > 86_280:
        # So close to the reset the client sits the limit out itself.
        now = connection.advance(180)
    connection.fault("day_limit", method="GET", endpoint=ACCOUNTS)
    return (now // 86_400 + 1) * 86_400


def test_a_time_out_fails_or_skips_as_airflow_says(connection):
    with pytest.raises(AirflowSensorTimeout):
        sensor(filter=NOBODY, poke_interval=0, timeout=0).execute({})
    with pytest.raises(AirflowSkipException):
        sensor(filter=NOBODY, poke_interval=0, timeout=0, soft_fail=True).execute({})


def test_a_wrong_call_fails_for_good_or_skips(connection):
    with pytest.raises(AirflowFailException):
        sensor(filter="Name eq").execute({})
    with pytest.raises(AirflowSkipException):
        sensor(filter="Name eq", soft_fail=True).execute({})


def deferred(made):
    with pytest.raises(TaskDeferred) as left:
        made.execute({})
    return left.value


@pytest.mark.parametrize("how", [{}, {"mode": "reschedule"}, {"deferrable": True}, {"deferrable": None}])
def test_a_sensor_fails_where_so_many_calls_were_refused_that_no_more_are_made(connection, monkeypatch, how):
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__ERRORS_PER_HOUR", "1")
    with pytest.raises(AirflowFailException):
        sensor(filter="Name eq 1 eq").poke({})
    calls = connection.count()
    with pytest.raises(ExactErrorLimitError, match="not called"):
        sensor(filter=NOBODY, **how).poke({})
    assert connection.count() == calls


def test_a_deferrable_sensor_that_finds_the_record_at_once_does_not_defer(connection):
    ExactOnlineHook().create_record(ACCOUNTS, {"Name": "There"})
    assert len(sensor(filter={"Name": "There"}, deferrable=True).execute({})) == 1


def test_a_deferrable_sensor_looks_once_and_leaves_the_rest_to_the_trigger(connection):
    before = datetime.now(UTC).timestamp()
    left = deferred(
        sensor(
            filter={"Name": ("startswith", "Awaited")},
            condition="City eq 'Assen'",
            min_records=2,
            select="Name",
            poke_interval=30,
            timeout=900,
            max_failures=4,
            division=connection.divisions[1],
            deferrable=True,
        )
    )
    assert len(connection.calls()) == 1
    assert left.method_name == "execute_complete"
    assert timedelta(seconds=890) < left.timeout <= timedelta(seconds=900)
    _, kwargs = left.trigger.serialize()
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert before + 900 <= kwargs.pop("deadline") <= datetime.now(UTC).timestamp() + 900
    assert kwargs == {
        "endpoint": ACCOUNTS,
        "filter": "(startswith(Name,'Awaited')) and (City eq 'Assen')",
        "select": ["ID", "Name"],
        "min_records": 2,
        "poll_interval": 30,
        "max_failures": 4,
        "exact_online_conn_id": "exact_online_default",
        "division": connection.divisions[1],
        "resumes_at": 0.0,
    }


def test_a_deferrable_sensor_hands_on_the_limit_that_it_met(connection, day_limit):
    left = deferred(sensor(filter=NOBODY, deferrable=True))
    assert abs(left.trigger.serialize()[1]["resumes_at"] - day_limit) < 60


def test_a_poking_sensor_leaves_its_worker_at_a_limit_of_the_day_unless_it_is_told_to_keep_it(connection, day_limit):
    wait = sensor(filter=NOBODY, deferrable=None, timeout=900)
    before = datetime.now(UTC).timestamp()
    left = deferred(wait).trigger.serialize()[1]
    assert abs(left["resumes_at"] - day_limit) < 60
    assert before + 890 < left["deadline"] <= datetime.now(UTC).timestamp() + 900
    accounts.forget()
    connection.fault("day_limit", method="GET", endpoint=ACCOUNTS)
    assert sensor(filter=NOBODY, deferrable=False).poke({}) is False


def test_a_resumed_sensor_adds_up_what_it_used(connection):
    wait = sensor(filter=NOBODY, deferrable=True)
    used = deferred(wait).kwargs["used"]
    assert (used["calls"], used["records"]) == (1, 0)
    later = {**used, "calls": 4, "records": 1}
    resumed = sensor(filter=NOBODY)
    event = {"status": "found", "records": [], "used": later}
    resumed.resume_execution("execute_complete", {"event": event, "used": used}, {})
    assert (resumed.used()["calls"], resumed.used()["records"]) == (5, 1)


def test_a_deferrable_sensor_survives_a_failed_first_call(connection):
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=4)
    made = sensor(filter=NOBODY, deferrable=True)
    made.hook.get_conn()._sleep = lambda seconds: None
    deferred(made)


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_deferrable_sensor_with_a_wrong_call_fails_or_skips_at_once(connection, soft_fail):
    with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException):
        sensor(filter="Name eq", deferrable=True, soft_fail=soft_fail).execute({})


def resume(made, event):
    return made.resume_execution("execute_complete", {"event": event}, {})


def test_a_resumed_sensor_returns_what_the_trigger_found():
    found = [{"ID": "1"}]
    assert resume(sensor(filter=NOBODY), {"status": "found", "records": found}) == found
    with_key = sensor(primary_key=str(uuid4()))
    assert resume(with_key, {"status": "found", "records": found}) == {"ID": "1"}


@pytest.mark.parametrize(
    ("event", "raised"),
    [
        ({"status": "timeout"}, AirflowSensorTimeout),
        ({"status": "error", "message": "wrong", "retry": False}, AirflowFailException),
        ({"status": "error", "message": "lost", "retry": True}, AirflowException),
        (None, AirflowException),
        ({}, AirflowException),
        ({"status": "odd"}, AirflowException),
        ({"status": "found"}, AirflowException),
        ("found", AirflowException),
    ],
)
def test_a_resumed_sensor_fails_on_anything_else_or_skips(event, raised):
    with pytest.raises(raised) as failed:
        resume(sensor(filter=NOBODY), event)
    assert type(failed.value) is raised
    with pytest.raises(AirflowSkipException):
        resume(sensor(filter=NOBODY, soft_fail=True), event)


@pytest.mark.parametrize("setting", [True, False])
def test_airflows_setting_decides_where_a_sensor_waits_unless_told(monkeypatch, setting):
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", str(setting))
    assert ExactOnlineRecordSensor(task_id="t", endpoint=ACCOUNTS).deferrable is setting
    for told in (True, False):
        assert ExactOnlineRecordSensor(task_id="t", endpoint=ACCOUNTS, deferrable=told).deferrable is told
