"""Every endpoint of the catalogue through the operators: listed or called, got by its key, written where it can be."""

import json
from datetime import date

import pytest

from airflow_provider_exact import accounts
from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.operators.records import (
    ExactOnlineCreateOperator,
    ExactOnlineDeleteOperator,
    ExactOnlineFunctionOperator,
    ExactOnlineGetOperator,
    ExactOnlineListOperator,
    ExactOnlineUpdateOperator,
)

EVERY = sorted(load().values(), key=lambda endpoint: endpoint.path)
READ = [e for e in EVERY if "GET" in e.methods and not e.is_function and e.path != "current/Me"]
FUNCTIONS = [e for e in EVERY if "GET" in e.methods and e.is_function]
WRITTEN = [e for e in EVERY if "POST" in e.methods]
ID = "00000000-0000-0000-0000-00000000000a"
# What a Dag's author would pass for each of Exact's types.
VALUES = {
    "Guid": ID,
    "DateTime": date(2026, 1, 1),
    "Int16": 7,
    "Int32": 7,
    "Int64": 7,
    "Byte": 1,
    "Boolean": True,
    "Double": 7.0,
    "String": "zeven",
    "Binary": b"zeven",
    None: "zeven",
}
# Fields that must name a record that is there.
NAMED = {
    "Account": "crm/Accounts",
    "Employee": "payroll/Employees",
    "Item": "logistics/Items",
    "Project": "project/Projects",
    "Subscription": "subscription/Subscriptions",
}


@pytest.fixture(scope="module")
def exact(running):
    """Return an emulator for the whole walk, whose clock stands still: the token stays good."""
    running.reset()
    accounts.forget()
    running.hold()
    running.settings(calls_per_minute=100_000, calls_per_day=1_000_000, error_limit=0)
    extra = {"division": running.division, "access_token": running.sign_in()["access_token"]}
    made = {"conn_type": "exact_online", "host": running.url, "extra": extra}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT", json.dumps(made))
        yield running


def run(operator):
    return operator.execute({})


def a_filter(endpoint):
    """Return a filter that Exact wants before it lists anything; all seeded records have these fields."""
    usual = [name for name in ("Created", "Modified", "ID") if name in endpoint.filter_fields]
    prop = endpoint.property(usual[0] if usual else endpoint.filter_fields[0])
    return {prop.name: ("!=", VALUES[prop.type])}


def list_of(endpoint, **options):
    if endpoint.filter_mandatory:
        options["filter"] = a_filter(endpoint)
    return run(ExactOnlineListOperator(task_id="list", endpoint=endpoint.path, **options))


def key_of(endpoint, record):
    key = {field.name: record[field.name] for field in endpoint.key}
    return key if len(key) > 1 else next(iter(key.values()))


def test_the_walk_goes_past_every_endpoint():
    assert len(EVERY) == 460
    assert {e.path for e in (*READ, *FUNCTIONS, *WRITTEN)} | {"current/Me"} == {e.path for e in EVERY}


@pytest.mark.parametrize("endpoint", READ, ids=lambda endpoint: endpoint.path)
def test_an_endpoint_is_listed_and_one_record_got_by_its_key(exact, endpoint):
    keys = [field.name for field in endpoint.key]
    # The first column by name and the first page only: what a cautious Dag would do on any endpoint.
    rows = list_of(endpoint, top=3, select=keys or None)
    if endpoint.path == "sync/Deleted":
        assert rows == []
        return
    assert 1 <= len(rows) <= 3
    if keys:
        get = ExactOnlineGetOperator(task_id="get", endpoint=endpoint.path, primary_key=key_of(endpoint, rows[0]))
        record = run(get)
        assert {name: record[name] for name in keys} == {name: rows[0][name] for name in keys}
        assert set(record) <= {prop.name for prop in endpoint.properties}


@pytest.mark.parametrize("endpoint", FUNCTIONS, ids=lambda endpoint: endpoint.path)
def test_a_function_is_called_with_values_for_its_parameters(exact, endpoint):
    given = {field.name: VALUES[field.type] for field in endpoint.parameters or ()}
    if "projectId" in given:
        given["projectId"] = a_record("project/Projects")
    if "endPoint" in given:
        given["endPoint"] = "Projects"
    rows = run(ExactOnlineFunctionOperator(task_id="call", endpoint=endpoint.path, parameters=given))
    known = {prop.name for prop in endpoint.properties} or {endpoint.name}
    assert all(set(row) <= known for row in rows)


def a_record(path):
    endpoint = load()[path.casefold()]
    return key_of(endpoint, list_of(endpoint, top=1)[0])


def data_for(endpoint):
    data = {}
    for prop in endpoint.properties:
        if prop.mandatory and prop.is_writable("POST"):
            data[prop.name] = value_for(prop)
    if endpoint.path in ("project/TimeTransactions", "project/CostTransactions"):
        data |= {"Project": a_record("project/Projects"), "Item": hour_type()}
    for field in endpoint.key:
        if field.type in {"String", "DateTime"} or len(endpoint.key) > 1:
            data[field.name] = VALUES[field.type]
    if data:
        return data
    # Where nothing is mandatory, anything is still something.
    keys = {field.name for field in endpoint.key}
    writable = [prop for prop in endpoint.properties if prop.is_writable("POST") and prop.target is None]
    first = min(writable, key=lambda prop: prop.name in keys)
    return {first.name: value_for(first)}


def hour_type():
    time = {"IsTime": 1, "IsFractionAllowedItem": True}
    return run(ExactOnlineListOperator(task_id="items", endpoint="logistics/Items", filter=time, top=1))[0]["ID"]


def value_for(prop):
    if prop.target is None:
        return a_record(NAMED[prop.name]) if prop.name in NAMED else VALUES[prop.type]
    lines = next((e for e in WRITTEN if e.name == prop.target), None)
    return [data_for(lines)] if lines else [{}]


@pytest.mark.parametrize("endpoint", WRITTEN, ids=lambda endpoint: endpoint.path)
def test_an_endpoint_is_written_to_as_far_as_its_methods_go(exact, endpoint):
    create = ExactOnlineCreateOperator(task_id="create", endpoint=endpoint.path, data=data_for(endpoint))
    created = run(create)
    assert created
    if not endpoint.key:
        return
    key = {"endpoint": endpoint.path, "primary_key": key_of(endpoint, created)}
    keys = {field.name for field in endpoint.key}
    change = next((p for p in endpoint.properties if p.type == "String" and changeable(p, keys)), None)
    if "PUT" in endpoint.methods and change is not None:
        changed = run(ExactOnlineUpdateOperator(task_id="update", data={change.name: "anders"}, **key))
        assert changed[change.name].strip() == "anders"
        if "GET" in endpoint.methods:
            again = run(ExactOnlineGetOperator(task_id="get", **key))
            assert again[change.name].strip() == "anders"
    if "DELETE" in endpoint.methods:
        assert run(ExactOnlineDeleteOperator(task_id="delete", **key)) is True
        assert run(ExactOnlineDeleteOperator(task_id="again", missing_ok=True, **key)) is False


def changeable(prop, keys):
    return prop.is_writable("PUT") and prop.name not in keys and prop.target is None


def test_the_signed_in_user_is_read_without_a_division(exact):
    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

    assert ExactOnlineHook().get_me()["CurrentDivision"] == exact.division
