"""The operators for project hours, through the real hook, against the emulator."""

import inspect
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.helpers import serialize_template_field

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.time_transactions import TYPES
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.time_transactions import (
    ENDPOINT,
    FIELDS,
    UNCHANGED,
    ExactOnlineCreateTimeTransactionOperator,
    ExactOnlineUpdateTimeTransactionOperator,
)

KEY = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
OTHER = "9a2f1d0e-5f36-4a9e-8d0b-3f2a3c1b7e55"
LEFT_TO_DATA = {"ID", "Price", "Amount"}


def create(**arguments):
    return ExactOnlineCreateTimeTransactionOperator(task_id="create", **arguments)


def update(**arguments):
    return ExactOnlineUpdateTimeTransactionOperator(task_id="update", **arguments)


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


@pytest.fixture
def ids(connection):
    """Return ids of linked records: an item that may be divided, a project, …"""
    hook = ExactOnlineHook()

    def first(endpoint, **wanted):
        return next(iter(hook.list_records(endpoint, filter=wanted, select=["ID"], top=1)))["ID"]

    project = first("project/Projects", BlockEntry=False)
    return {
        "project": project,
        "item": first("logistics/Items", IsTime=1, IsFractionAllowedItem=True),
        "account": next(iter(hook.list_records("crm/Accounts", filter="IsSales eq true", top=1)))["ID"],
        "employee": first("payroll/Employees"),
        "activity": first("project/WBSActivities", Project=project),
        "document": first("documents/Documents"),
    }


def test_every_writable_field_has_an_argument_or_is_left_to_data():
    assert {prop.name: prop.type for prop in catalogue.resolve(ENDPOINT).properties if prop.name in TYPES} == TYPES
    writable = {prop.name for prop in catalogue.resolve(ENDPOINT).properties if "c" in prop.access}
    assert set(FIELDS.values()) == writable - LEFT_TO_DATA
    for operator in (ExactOnlineCreateTimeTransactionOperator, ExactOnlineUpdateTimeTransactionOperator):
        arguments = set(inspect.signature(operator.__init__).parameters)
        assert set(FIELDS) <= arguments
        assert {*FIELDS, "data"} <= set(operator.template_fields)
        assert not any(hasattr(BaseOperator, name) for name in FIELDS)


def test_every_argument_reaches_its_field(connection, ids):
    made = run(
        create(
            item=ids["item"],
            quantity=Decimal("1.5"),
            project=UUID(ids["project"]),
            account=ids["account"],
            date=date(2026, 3, 2),
            employee=ids["employee"],
            activity=ids["activity"],
            notes="It's done",
            start_time=datetime(2026, 3, 2, 9),
            end_time="2026-03-02T10:30:00",
            hour_status="submitted",
            attachment=ids["document"],
            currency="EUR",
            entry_number=77,
            error_text="none",
            skip_validation=True,
            data={"Price": 12.5},
        )
    )
    expected = {
        "Item": ids["item"],
        "Quantity": 1.5,
        "Project": ids["project"],
        "Account": ids["account"],
        "Date": "2026-03-02T00:00:00Z",
        "Employee": ids["employee"],
        "Activity": ids["activity"],
        "Notes": "It's done",
        "StartTime": "2026-03-02T09:00:00Z",
        "EndTime": "2026-03-02T10:30:00Z",
        "HourStatus": 10,
        "Attachment": ids["document"],
        "Currency": "EUR",
        "EntryNumber": 77,
        "ErrorText": "none",
        "SkipValidation": True,
        "Price": 12.5,
    }
    assert {name: made[name] for name in expected} == expected
    assert connection.count(method="POST", endpoint=ENDPOINT) == 1


def test_hours_can_be_booked_on_a_subscription(connection, ids):
    hook = ExactOnlineHook()
    subscription = next(iter(hook.list_records("subscription/Subscriptions", top=1)))
    made = run(
        create(
            item=ids["item"],
            quantity=2,
            subscription=subscription["EntryID"],
            subscription_account=subscription["OrderedBy"],
        )
    )
    assert (made["Subscription"], made["Project"]) == (subscription["EntryID"], None)
    assert made["SubscriptionAccount"] == subscription["OrderedBy"]


def test_text_that_templates_render_to_becomes_what_the_fields_ask_for(connection, ids):
    made = run(
        create(
            item="{{ params.item }}",
            quantity="{{ params.hours }}",
            project="{{ params.project }}",
            account="{{ params.nothing }}",
            date="{{ ds }}",
            hour_status="{{ params.status }}",
            entry_number="{{ params.number }}",
            skip_validation="{{ params.skip }}",
            data={"Notes": "run {{ run_id }}"},
        ),
        params={**ids, "hours": 2.25, "status": "Draft", "number": 5, "skip": False, "nothing": None},
        ds="2026-04-01",
        run_id="r1",
    )
    got = tuple(made[name] for name in ("Quantity", "Date", "HourStatus", "EntryNumber", "SkipValidation", "Notes"))
    assert got == (2.25, "2026-04-01T00:00:00Z", 1, 5, False, "run r1")


@pytest.mark.parametrize(("status", "number"), [("draft", 1), ("REJECTED", 2), (10, 10), ("2", 2)])
def test_a_status_is_named_or_numbered(connection, ids, status, number):
    made = run(create(item=ids["item"], quantity=1, project=ids["project"], hour_status=status))
    assert made["HourStatus"] == number


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"project": KEY, "hour_status": "final"}, "HourStatus: 20 .* set by Exact Online itself"),
        ({"project": KEY, "hour_status": 3}, "HourStatus"),
        ({"project": KEY, "hour_status": "done"}, "HourStatus.*draft"),
        ({}, "project, account, subscription"),
        ({"data": {"Notes": "x"}}, "project, account, subscription"),
        ({"project": KEY, "data": {"Project": KEY}}, "Project: given as project and again in data"),
        ({"project": KEY, "notes": "x", "data": {"notes": "y"}}, "Notes: given as notes"),
        ({"project": KEY, "item": None}, "item"),
        ({"project": KEY, "quantity": None}, "quantity"),
        ({"project": KEY, "quantity": ""}, "quantity"),
        ({"project": KEY, "quantity": "7,5"}, "^quantity: expected a number"),
        ({"project": "P00001"}, "^project: expected a GUID"),
        ({"project": KEY, "date": "31-01-2026"}, "^date: expected a date"),
        ({"project": KEY, "notes": 5}, "^notes: expected text"),
        ({"project": KEY, "entry_number": 1.5}, "^entry_number: expected a whole number"),
        ({"project": KEY, "skip_validation": "perhaps"}, "^skip_validation: expected true or false"),
    ],
)
def test_a_wrong_entry_is_refused_while_the_dag_is_parsed(arguments, named):
    with pytest.raises(ExactRequestError, match=named):
        create(**{"item": KEY, "quantity": 1, **arguments})


def test_what_an_entry_is_booked_on_may_come_in_data():
    create(item=KEY, quantity=1, data={"account": KEY})
    with DAG("d", schedule=None):
        before = BaseOperator(task_id="before")
        create(item=KEY, quantity=1, data=before.output)
    with DAG("d", schedule=None):
        before = BaseOperator(task_id="before")
        create(item=KEY, quantity=1, project=before.output["project"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"project": "{{ params.wrong }}"}, "Project"),
        ({"project": KEY, "quantity": "{{ params.wrong }}"}, "Quantity"),
        ({"project": KEY, "date": "{{ params.wrong }}"}, "Date"),
        ({"project": "{{ params.nothing }}"}, "Account, Project, Subscription"),
        ({"project": KEY, "item": "{{ params.nothing }}"}, "Item"),
        ({"project": KEY, "hour_status": "{{ params.status }}"}, "HourStatus"),
        ({"project": KEY, "data": {"Nots": "x"}}, "Notes"),
        ({"project": KEY, "data": {"ProjectCode": "x"}}, "ProjectCode"),
        ({"project": KEY, "data": "{{ params.status }}"}, "data"),
    ],
)
def test_a_wrong_entry_that_only_the_run_shows_is_never_sent(connection, arguments, named):
    operator = create(**{"item": KEY, "quantity": 1, **arguments})
    with pytest.raises(AirflowFailException, match=named):
        run(operator, params={"nothing": None, "status": "final", "wrong": "31-01-2026"})
    assert connection.calls() == []


def test_an_update_sends_only_what_is_given(connection, ids):
    made = run(create(item=ids["item"], quantity=1, project=ids["project"], notes="before", entry_number=9))
    changed = run(
        update(time_transaction_id="{{ params.key }}", quantity=3, hour_status="submitted", notes=None),
        params={"key": made["ID"]},
    )
    assert (changed["ID"], changed["Quantity"], changed["HourStatus"]) == (made["ID"], 3, 10)
    assert changed["Notes"] is None
    assert (changed["EntryNumber"], changed["Project"]) == (9, ids["project"])
    call = [call for call in connection.calls() if call["endpoint"] == "project/TimeTransactions"][-1]
    assert (call["method"], call["path"].rpartition("/")[2]) == ("PUT", f"TimeTransactions(guid'{made['ID']}')")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "nothing to change"),
        ({"data": {}}, "nothing to change"),
        ({"notes": "x", "time_transaction_id": ""}, "time_transaction_id"),
        ({"notes": "x", "time_transaction_id": None}, "time_transaction_id"),
        ({"hour_status": "processing"}, "HourStatus: 14"),
        ({"hour_status": None}, "HourStatus: None is not a status"),
        ({"notes": "x", "time_transaction_id": "17"}, "^time_transaction_id: expected a GUID"),
        ({"quantity": "sNaN"}, "^quantity: expected a number"),
        ({"item": ""}, "^item: expected a GUID"),
        ({"quantity": 1, "data": {"Quantity": 2}}, "Quantity: given as quantity"),
    ],
)
def test_a_wrong_change_is_refused_while_the_dag_is_parsed(arguments, named):
    with pytest.raises(ExactRequestError, match=named):
        update(**{"time_transaction_id": KEY, **arguments})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"quantity": None}, "Quantity"),
        ({"item": None}, "Item"),
        ({"data": {"Modified": "2026-01-01"}}, "Modified"),
        ({"notes": "x", "time_transaction_id": "{{ params.nothing }}"}, "time_transaction_id"),
        ({"notes": "x", "time_transaction_id": "{{ params.wrong }}"}, "^time_transaction_id: expected a GUID"),
        ({"data": {"HourStatus": None}}, "HourStatus: None"),
        ({"quantity": "{{ params.wrong }}"}, "Quantity: expected a number"),
    ],
)
def test_a_wrong_change_that_only_the_run_shows_is_never_sent(connection, arguments, named):
    operator = update(**{"time_transaction_id": KEY, **arguments})
    with pytest.raises(AirflowFailException, match=named):
        run(operator, params={"nothing": None, "wrong": "sNaN"})
    assert connection.calls() == []


def test_a_template_that_renders_to_nothing_is_empty_text_in_an_update(connection, ids):
    made = run(create(item=ids["item"], quantity=1, project=ids["project"], notes="before", error_text="before"))
    changed = run(
        update(time_transaction_id=made["ID"], notes="{{ params.nothing }}", error_text="None"),
        params={"nothing": None},
    )
    assert changed["Notes"] == ""
    assert changed["ErrorText"] == "None"


def test_an_update_can_be_mapped_over_entries():
    with DAG("d", schedule=None):
        mapped = ExactOnlineUpdateTimeTransactionOperator.partial(task_id="u", hour_status="submitted").expand(
            time_transaction_id=[KEY, OTHER]
        )
    one = mapped.unmap({"time_transaction_id": OTHER})
    assert (one.time_transaction_id, one.hour_status, one.notes) == (OTHER, "submitted", UNCHANGED)


def test_an_unchanged_field_looks_the_same_in_each_parse_of_the_dag():
    assert serialize_template_field(UNCHANGED, "notes") == "(unchanged)"
    assert (str(UNCHANGED), repr(UNCHANGED)) == ("(unchanged)", "(unchanged)")
