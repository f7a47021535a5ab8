"""Each record once, however often its task runs: what is remembered, where, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact import created
from airflow_provider_exact.client.errors import ExactRateLimitError, ExactTransportError
from airflow_provider_exact.created import Begun, Entry, Notes, VariableMemory
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.documents import ExactOnlineUploadAttachmentOperator
from airflow_provider_exact.operators.records import ExactOnlineCreateOperator
from airflow_provider_exact.operators.time_transactions import ExactOnlineCreateTimeTransactionOperator
from airflow_provider_exact.tokens import variables
from tests.waiting import the_limit_has_reset, wait_in_no_time

ACCOUNTS = "crm/Accounts"
HOURS = "project/TimeTransactions"
INVOICES = "salesinvoice/SalesInvoices"


class Store(dict):
    """Stands for Airflow's store of task states, which takes JSON."""

    def set(self, key, value):
        self[key] = json.loads(json.dumps(value))


class Dying(BaseException):
    """What ends a process in the middle of its work."""


@pytest.fixture(params=["state store", "variable"])
def context(request, connection, server):
    """Return what one task instance sees in each of its tries."""
    pushed = {}
    running = SimpleNamespace(
        dag_id="d",
        task_id="t",
        run_id="r",
        map_index=-1,
        pushed=pushed,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    return {"ti": running} | ({"task_state_store": Store()} if request.param == "state store" else {})


def create(data, **options):
    made = ExactOnlineCreateOperator(**{"task_id": "t", "endpoint": ACCOUNTS, "data": data, **options})
    # What waits here would make the test wait.
    wait_in_no_time(made.hook.get_conn())
    return made


def die_after_sending(operator):
    """Run an operator whose process dies when its first creation was sent."""
    transport = operator.hook.get_conn().transport.inner
    send = transport.send

    def dying(request):
        send(request)
        raise Dying

    transport.send = dying
    return operator


def names():
    accounts = ExactOnlineHook().list_records(ACCOUNTS, filter="substringof('Once',Name)", select="ID,Name")
    return {account["Name"]: account["ID"] for account in accounts}


def posts(emulator):
    return emulator.count(method="POST", endpoint=ACCOUNTS)


def test_a_try_after_one_that_died_finds_what_it_had_created(connection, context):
    with suppress(Dying):
        die_after_sending(create({"Name": "Once"})).execute(context)
    record = create({"Name": "Once"}).execute(context)
    assert names() == {"Once": record["ID"]}
    assert posts(connection) == 1


def test_also_when_its_data_changes_with_each_try(connection, context):
    with suppress(Dying):
        die_after_sending(create({"Name": "Once at 10:00"})).execute(context)
    assert create({"Name": "Once at 10:05"}).execute(context)["Name"] == "Once at 10:00"
    assert posts(connection) == 1


def test_a_try_after_one_that_died_takes_no_record_with_other_lines_for_its_own(connection, context):
    hook = ExactOnlineHook()
    first = {
        path: next(hook.list_records(path, filter="Code ne ''", select="ID", top=1))["ID"]
        for path in (ACCOUNTS, "logistics/Items", "financial/GLAccounts")
    }

    def invoice(quantity, **fields):
        line = {"Item": first["logistics/Items"], "GLAccount": first["financial/GLAccounts"], "Quantity": quantity}
        return {"Journal": "70", "OrderedBy": first[ACCOUNTS], "SalesInvoiceLines": [line], **fields}

    dying = create(invoice(1), endpoint=INVOICES)
    dying.hook.get_conn().create = lambda _: (_ for _ in ()).throw(Dying())
    with suppress(Dying):
        dying.execute(context)
    others = hook.create_record(INVOICES, invoice(99))["InvoiceID"]
    with pytest.raises(AirflowFailException, match=f"may be it.*{others}"):
        create(invoice(1, Remarks="corrected"), endpoint=INVOICES).execute(context)
    mine = create(invoice(1), endpoint=INVOICES).execute(context)["InvoiceID"]
    assert mine != others
    assert connection.count(method="POST", endpoint=INVOICES, status=201) == 2


def test_a_try_after_one_that_died_before_it_sent_anything_creates(connection, context):
    dying = create({"Name": "Once"})
    dying.hook.get_conn().create = lambda _: (_ for _ in ()).throw(Dying())
    with suppress(Dying):
        dying.execute(context)
    create({"Name": "Once"}).execute(context)
    assert posts(connection) == 1


def test_hours_are_written_once_too(connection, context):
    hook = ExactOnlineHook()
    project = next(hook.list_records("project/Projects", filter="Type eq 3", select="ID", top=1))["ID"]
    item = next(hook.list_records("logistics/Items", filter={"IsTime": 1}, select="ID", top=1))["ID"]

    def write():
        return ExactOnlineCreateTimeTransactionOperator(
            task_id="t", project=project, item=item, quantity=2, date=date(2026, 2, 3), notes="Once"
        )

    with suppress(Dying):
        die_after_sending(write()).execute(context)
    entry = write().execute(context)
    assert entry["Quantity"] == 2
    assert write().execute(context)["ID"] == entry["ID"]
    assert connection.count(method="POST", endpoint=HOURS) == 1


def test_a_cleared_task_returns_what_it_created(connection, context):
    record = create({"Name": "Once"}).execute(context)
    assert create({"Name": "Once"}).execute(context) == record
    assert create({"Name": "Once, corrected"}).execute(context) == record
    assert posts(connection) == 1


def test_a_cleared_task_creates_what_is_gone_anew(connection, context):
    key = create({"Name": "Once"}).execute(context)["ID"]
    ExactOnlineHook().delete_record(ACCOUNTS, key)
    assert create({"Name": "Once"}).execute(context)["ID"] != key
    assert posts(connection) == 2
    assert connection.count(status=404) == 0


def test_another_task_run_division_or_endpoint_creates_for_itself(connection, context):
    create({"Name": "Once"}).execute(context)
    create({"Name": "Once"}, division=connection.divisions[1]).execute(context)
    assert posts(connection) == 2
    if "task_state_store" not in context:
        for change in ({"run_id": "r2"}, {"task_id": "t2"}, {"map_index": 1}):
            other = SimpleNamespace(**{**vars(context["ti"]), **change})
            create({"Name": "Once"}).execute({"ti": other})
        assert posts(connection) == 5


def test_many_records_return_their_keys_in_order(connection, context):
    keys = create([{"Name": f"Once {number}"} for number in range(3)]).execute(context)
    assert keys == [names()[f"Once {number}"] for number in range(3)]
    assert create([]).execute(context) == []


def test_equal_rows_are_as_many_records(connection, context):
    connection.fault("reset_after", method="POST", endpoint=ACCOUNTS, nth=2)
    keys = create([{"Name": "Once"}] * 3).execute(context)
    assert len(set(keys)) == 3
    assert posts(connection) == 3


def test_many_records_go_on_behind_a_refused_one_and_a_cleared_task_does_the_rest(connection, context):
    rows = [
        {"Name": "Once 1"},
        {"Name": "Once 2", "Nmae": "x"},
        {"Name": "Once 3", "Parent": str(uuid4())},
        {"Name": "Once 4"},
    ]
    connection.fault("status", method="POST", endpoint=ACCOUNTS, status=400, nth=2)
    with pytest.raises(AirflowFailException, match=r"2 of 4 records of crm/Accounts.*2 failed") as failed:
        create(rows).execute(context)
    assert "data[1]: data: crm/Accounts has no field 'Nmae'" in str(failed.value)
    assert "data[2]: POST crm/Accounts" in str(failed.value)
    pushed = context["ti"].pushed
    assert [key is None for key in pushed["created"]] == [False, True, True, False]
    assert [failure["index"] for failure in pushed["failed"]] == [1, 2]
    rows[1], rows[2] = {"Name": "Once 2"}, {"Name": "Once 3"}
    assert create(rows).execute(context) == [names()[f"Once {number}"] for number in (1, 2, 3, 4)]
    assert connection.count(method="POST", endpoint=ACCOUNTS, status=201) == 4


def test_rows_of_other_data_than_their_records_are_left_and_told(connection, context, caplog):
    keys = create([{"Name": "Once 1"}, {"Name": "Once 2"}]).execute(context)
    assert create([{"Name": "Once 1"}, {"Name": "Once 3"}]).execute(context) == keys
    assert "created records before, of other data than their rows have now" in caplog.text
    assert f"data[1] ({keys[1]})." in caplog.text
    assert set(names()) == {"Once 1", "Once 2"}
    caplog.clear()
    assert create([{"Name": "Once 1"}, {"Name": "Once 2"}, {"Name": "Once 3"}]).execute(context)[:2] == keys
    assert caplog.text == ""
    assert set(names()) == {"Once 1", "Once 2", "Once 3"}


def test_a_row_that_went_wrong_after_its_record_was_created_is_no_failure(connection, context, caplog):
    keys = create([{"Name": "Once"}]).execute(context)
    assert create([{"Nmae": "Once"}]).execute(context) == keys
    assert f"data[0] ({keys[0]})." in caplog.text
    with pytest.raises(AirflowFailException, match=r"1 of 2 records .* are created, 1 failed\. "):
        create([{"Nmae": "Once"}, {"Nmae": "Other"}]).execute(context)


@pytest.mark.parametrize(("status", "calls"), [(400, 5), (403, 1)])
def test_many_records_stop_before_exact_blocks_the_app(connection, context, status, calls):
    connection.fault("status", method="POST", endpoint=ACCOUNTS, status=status, times=0)
    with pytest.raises(AirflowFailException, match=f"{20 - calls} were not tried"):
        create([{"Name": f"Once {number}"} for number in range(20)]).execute(context)
    assert connection.count(method="POST", endpoint=ACCOUNTS, status=status) == calls


def test_many_records_that_a_limit_interrupts_go_on_with_the_rest(connection, context):
    rows = [{"Name": f"Once {number}"} for number in range(6)]
    connection.fault("day_limit", method="POST", endpoint=ACCOUNTS, nth=4)
    with pytest.raises(ExactRateLimitError):
        create(rows, deferrable=False).execute(context)
    the_limit_has_reset()
    assert len(create(rows).execute(context)) == 6
    assert posts(connection) == 7
    assert len(names()) == 6


def test_a_record_that_makes_the_server_fail_does_not_stop_the_others(connection, context):
    rows = [{"Name": f"Once {number}"} for number in range(4)]
    # As Exact says that something exists already.
    connection.fault("business_error", method="POST", endpoint=ACCOUNTS, nth=2, times=3)
    with pytest.raises(ExactTransportError, match=r"3 of 4 .*\n.*data\[1\]: .*bestaat reeds.*nothing was created"):
        create(rows).execute(context)
    assert len(names()) == 3
    assert len(create(rows).execute(context)) == len(names()) == 4


def test_a_server_that_fails_for_one_record_after_another_ends_the_try(connection, context):
    connection.fault("status", method="POST", endpoint=ACCOUNTS, times=0)
    with pytest.raises(ExactTransportError, match="nothing was created"):
        create([{"Name": f"Once {number}"} for number in range(20)]).execute(context)
    assert posts(connection) == 9


def test_a_record_that_can_not_be_looked_for_now_is_left_to_the_next_try(connection, context):
    connection.fault("reset_after", method="POST", endpoint=ACCOUNTS)
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=4)
    with pytest.raises(ExactTransportError, match="Looking for it failed") as failed:
        create({"Name": "Once"}).execute(context)
    assert not failed.value.outcome_unknown
    record = create({"Name": "Once"}).execute(context)
    assert names() == {"Once": record["ID"]}
    assert posts(connection) == 1


def test_without_a_memory_the_same_fails_for_good(connection):
    connection.fault("reset_after", method="POST", endpoint=ACCOUNTS)
    connection.fault("status", method="GET", endpoint=ACCOUNTS, times=4)
    with pytest.raises(AirflowFailException, match="Looking for it failed"):
        create({"Name": "Once"}).execute({})


def test_what_nobody_can_tell_stays_open_until_it_can_be_told(connection, context):
    twin = ExactOnlineHook().create_record(ACCOUNTS, {"Name": "Once"})["ID"]
    connection.advance(30)
    connection.fault("reset_after", method="POST", endpoint=ACCOUNTS)
    for _ in range(2):
        with pytest.raises(AirflowFailException, match=f"{twin}.*with the filter"):
            create({"Name": "Once"}).execute(context)
    ExactOnlineHook().delete_record(ACCOUNTS, twin)
    record = create({"Name": "Once"}).execute(context)
    assert names() == {"Once": record["ID"]}
    assert posts(connection) == 2


def test_nothing_is_sent_that_could_not_be_remembered(connection, context, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise variables.VariableWriteError("full")

    if "task_state_store" in context:
        monkeypatch.setattr(context["task_state_store"], "set", refuse, raising=False)
    monkeypatch.setattr(variables, "write_surely", refuse)
    with pytest.raises(ExactTransportError):
        create({"Name": "Once"}).execute(context)
    assert posts(connection) == 0


def test_more_records_than_can_be_remembered_are_refused(connection, context):
    with pytest.raises(AirflowFailException, match="1001 records are more than the 1000"):
        create([{"Name": "x"}] * 1001).execute(context)
    assert posts(connection) == 0


@pytest.mark.parametrize("data", ["text", 7, [7]])
def test_data_that_is_no_record_is_refused(connection, context, data):
    with pytest.raises(AirflowFailException, match="data: expected a dict"):
        create(data).execute(context)


def test_what_is_remembered_of_a_thousand_records_fits_airflows_store():
    begun = Begun(1_795_000_000.123456, -0.123456, {f"Field{number}": "x" * 300 for number in range(8)})
    entries = [Entry("0123456789", str(uuid4())) for _ in range(999)] + [Entry("0123456789", None, begun)]
    store = Store()
    created.TaskStateMemory(store).write(
        Notes("https://start.exactonline.nl 3100001 project/TimeTransactions", entries)
    )
    assert len(json.dumps(store[created.KEY])) < 65_535
    assert created.TaskStateMemory(store).read().entries[998] == entries[998]


def arranged(entries, marks):
    notes = Notes("x", [entry and Entry(entry, entry.upper()) for entry in entries]).arranged(marks)
    return [entry and entry.key for entry in notes.entries], sorted(entry.key for entry in notes.others)


@pytest.mark.parametrize(
    ("entries", "marks", "expected"),
    [
        (["a", "b"], ["a", "b"], (["A", "B"], [])),
        (["a", "b"], ["b", "a"], (["B", "A"], [])),
        (["a", "b"], ["n", "a", "b"], ([None, "A", "B"], [])),
        (["a", "b", "c"], ["a", "c"], (["A", "C"], ["B"])),
        (["a", "b", "c"], ["a", "x", "c"], (["A", "B", "C"], [])),
        (["a", "a"], ["a", "a", "a"], (["A", "A", None], [])),
        ([None, "b"], ["a", "b"], ([None, "B"], [])),
    ],
)
def test_a_record_is_recognised_by_its_data_or_else_by_its_place(entries, marks, expected):
    assert arranged(entries, marks) == expected


def test_rows_that_are_gone_for_a_while_are_not_created_again():
    once = Notes("x", [Entry("a", 1), Entry("b", 2), Entry("c", 3)]).arranged(["b"])
    again = once.arranged(["a", "b", "n"])
    assert [entry and entry.key for entry in again.entries] == [1, 2, None]


def test_variables_of_runs_of_long_ago_are_deleted(server):
    now = [1_000_000.0]
    keys = []
    for run_id in ("old", "newer", "new"):
        memory = VariableMemory(("d", "t", -1), run_id, clock=lambda: now[0])
        memory.read()
        memory.write(Notes("x"))
        keys.append(memory.key)
        now[0] += created.KEPT_FOR / 2 + 1
    assert [variables.read(key) is not None for key in keys] == [False, True, True]


def test_a_file_is_attached_once_too(connection, context, tmp_path):
    file = tmp_path / "report.txt"
    file.write_text("some content")
    document = ExactOnlineHook().create_record("documents/Documents", {"Subject": "Report", "Type": 55})["ID"]

    def attach():
        return ExactOnlineUploadAttachmentOperator(
            task_id="t", document=document, path=str(file), verify=["Document", "FileName"]
        )

    with suppress(Dying):
        die_after_sending(attach()).execute(context)
    attached = attach().execute(context)
    assert attach().execute(context) == attached
    assert "Attachment" not in attached
    assert connection.count(method="POST", endpoint="documents/DocumentAttachments") == 1
