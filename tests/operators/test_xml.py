"""The XML API, up and down, against the emulator."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact.client.errors import (
    ExactRequestError,
    ExactResponseError,
    ExactTransportError,
    ExactXmlError,
)
from airflow_provider_exact.client.xml_api import NotXmlError, XmlMessage, parsed
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.xml import ExactOnlineXmlDownloadOperator, ExactOnlineXmlUploadOperator
from tests.waiting import wait_in_no_time

UPLOAD = "docs/XMLUpload.aspx"
DOWNLOAD = "docs/XMLDownload.aspx"
TWO = """<?xml version="1.0" encoding="utf-16"?>
<eExact><Accounts>
  <Account code="4711"><Name>{{ params.name }}</Name></Account>
  <Account code="1001"><City>Gent</City></Account>
</Accounts></eExact>"""
ONE_WRONG = """<eExact><Accounts>
  <Account code="4712"><Name>Wadloper</Name></Account>
  <Account code="4713"><Fax>1</Fax></Account>
  <Account code="4714"/>
</Accounts></eExact>"""


@pytest.fixture
def hook(connection):
    hook = ExactOnlineHook()
    # The client waits between its own attempts; here it does not.
    wait_in_no_time(hook.get_conn())
    return hook


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def account(hook, code):
    return next(hook.list_records("crm/Accounts", filter={"Code": code.rjust(18)}, top=1), None)


# Up


def test_an_upload_stores_each_record_and_returns_what_became_of_it(connection, hook):
    messages = run(ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml=TWO), params={"name": "Bakkerij é"})
    assert messages == [
        {"type": "2", "text": "Aangemaakt", "topic": "Account", "key": "4711"},
        {"type": "2", "text": "Gewijzigd", "topic": "Account", "key": "1001"},
    ]
    assert account(hook, "4711")["Name"] == "Bakkerij é"
    assert account(hook, "1001")["City"] == "Gent"
    call = next(call for call in connection.calls() if call["endpoint"] == UPLOAD)
    assert call["query"] == f"Topic=Accounts&_Division_={connection.division}"
    assert (call["division"], call["method"]) == (connection.division, "POST")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_file_is_sent_as_it_is(hook, tmp_path, encoding):
    text = f"<?xml version='1.0' encoding='{encoding}'?>"
    text += "<eExact><Items><Item code='ADVIES'><Description>Adviës</Description></Item></Items></eExact>"
    (tmp_path / "items.xml").write_bytes(text.encode(encoding))
    upload = ExactOnlineXmlUploadOperator(task_id="up", topic="Items", path="{{ params.path }}")
    assert len(run(upload, params={"path": str(tmp_path / "items.xml")})) == 1
    assert next(hook.list_records("logistics/Items", filter={"Code": "ADVIES"}))["Description"] == "Adviës"


@pytest.mark.parametrize("form", [bytes, ElementTree.fromstring, str])
def test_the_hook_takes_bytes_elements_and_text(hook, form):
    xml = (
        "<eExact><GLAccounts><GLAccount code='9999'><Description>Nieuw</Description></GLAccount></GLAccounts></eExact>"
    )
    assert hook.upload_xml("GLAccounts", xml.encode() if form is bytes else form(xml))[0].key == "9999"


def test_a_refused_record_fails_the_task_and_is_named_though_the_answer_is_a_200(connection, hook, caplog):
    upload = ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml=ONE_WRONG)
    with pytest.raises(AirflowFailException) as failed:
        run(upload)
    assert connection.count(endpoint=UPLOAD, status=200) == 1
    words = str(failed.value)
    assert "2 of 3 records were refused, 1 stored" in words
    assert "Account 4713: Unknown element: Fax · Account 4714: Mandatory: Name" in words
    assert f"division {connection.division}" in words
    # What was stored is there, and told.
    assert account(hook, "4712")["Name"] == "Wadloper"
    with pytest.raises(ExactXmlError) as refused:
        hook.upload_xml("Accounts", ONE_WRONG)
    assert [(message.key, message.type) for message in refused.value.messages] == [
        ("4712", "2"),
        ("4713", "0"),
        ("4714", "0"),
    ]


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"kind": "reset_after"}, 1),
        ({"kind": "truncated"}, 1),
        ({"kind": "empty"}, 1),
        ({"kind": "status", "status": 500}, 1),
        ({"kind": "minute_limit"}, 2),
    ],
)
def test_an_upload_is_sent_again_only_when_nothing_was_done(connection, hook, fault, sent):
    connection.fault(method="POST", endpoint=UPLOAD, **fault)
    upload = ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml=TWO.replace("{{ params.name }}", "B"))
    upload.hook = hook
    if sent == 1:
        with pytest.raises(AirflowFailException, match="is not known: look"):
            run(upload)
    else:
        assert len(run(upload)) == 2
    assert connection.count(method="POST", endpoint=UPLOAD) == sent


def test_a_try_that_was_killed_is_not_followed_by_a_second_upload(connection, hook):
    upload = ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml=TWO.replace("{{ params.name }}", "B"))
    upload.hook = hook
    kept = {}
    context = {"task_state_store": SimpleNamespace(get=kept.get, set=kept.__setitem__)}
    send = hook.upload_xml

    def send_and_die(*given):
        send(*given)
        raise KeyboardInterrupt

    hook.upload_xml = send_and_die
    with pytest.raises(KeyboardInterrupt):
        upload.execute(context)
    hook.upload_xml = send
    with pytest.raises(AirflowFailException, match="An earlier try .* Look in Exact Online"):
        upload.execute(context)
    assert connection.count(endpoint=UPLOAD) == 1
    # Cleared by a person who looked.
    assert len(upload.execute(context)) == 2
    assert len(upload.execute(context)) == 2
    assert connection.count(endpoint=UPLOAD) == 3


def test_an_answer_without_a_message_leaves_the_outcome_open(connection, hook):
    with pytest.raises(ExactTransportError, match="no message about any record") as caught:
        hook.upload_xml("Accounts", "<eExact><Items/></eExact>")
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("topic", "xml", "words"),
    [
        ("Accounts", "<eExact>", "xml: .* is not well-formed"),
        ("Accounts", "", "is not well-formed"),
        ("Accounts", b"", "xml: the content is empty"),
        ("Accounts", "<!DOCTYPE a [<!ENTITY b 'c'>]><eExact>&b;</eExact>", "document type"),
        ("Accounts", b"<?xml version='1.0' encoding='nonsense'?><eExact/>", "unknown encoding"),
        ("Accounts", None, "xml: expected bytes or a path"),
        ("Acc ounts", "<eExact/>", "topic"),
        ("", "<eExact/>", "topic"),
    ],
)
def test_what_cannot_be_right_is_refused_before_the_call(connection, hook, topic, xml, words):
    with pytest.raises(ExactRequestError, match=words):
        hook.upload_xml(topic, xml)
    assert connection.calls() == []


def test_a_document_is_given_as_text_or_as_a_file(connection):
    for given in ({}, {"xml": "<eExact/>", "path": "x.xml"}, {"xml": ""}):
        with pytest.raises(ExactRequestError, match="xml, path"):
            ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", **given)
    with pytest.raises(AirflowFailException, match="xml, path"):
        run(
            ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml="{{ params.nothing }}"),
            params={"nothing": None},
        )
    assert connection.calls() == []


def test_a_message_of_an_unknown_type_is_not_taken_for_success():
    assert XmlMessage("2", "x").is_done
    assert not XmlMessage("1", "x").is_done
    assert str(XmlMessage("1", "Careful", "Item", "A")) == "Item A: Careful (message of type 1)"


# Down


def test_a_download_goes_over_the_pages_and_makes_one_document(connection, tmp_path):
    down = ExactOnlineXmlDownloadOperator(task_id="down", topic="{{ params.topic }}", path=str(tmp_path / "a.xml"))
    connection.settings(xml_page_size=60)
    got = run(down, params={"topic": "Accounts"})
    assert got == {"path": str(tmp_path / "a.xml"), "records": 150}
    assert connection.count(endpoint=DOWNLOAD) == 3
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    codes = [account.get("code") for account in root.find("Accounts")]
    assert len(set(codes)) == 150
    second = connection.calls()[1]["query"]
    assert second.partition("&TSPaging=0x")[2].isalnum()
    assert len(second.partition("&TSPaging=0x")[2]) == 16


def test_a_last_page_that_is_just_full_ends_with_an_empty_one(connection, hook):
    connection.settings(xml_page_size=75)
    assert [len(page.records) for page in hook.download_xml("Accounts")] == [75, 75, 0]


def test_pages_are_fetched_as_they_are_asked_for(connection, hook):
    connection.settings(xml_page_size=10)
    pages = hook.download_xml("Accounts")
    assert connection.calls() == []
    next(pages)
    assert len(connection.calls()) == 1


def test_records_up_and_down_are_told_in_what_a_task_used(connection, hook, tmp_path):
    down = ExactOnlineXmlDownloadOperator(task_id="down", topic="Accounts", path=str(tmp_path / "a.xml"))
    run(down)
    assert down.used()["records"] == 150
    up = ExactOnlineXmlUploadOperator(task_id="up", topic="Accounts", xml=ONE_WRONG)
    with pytest.raises(AirflowFailException, match="1 stored"):
        run(up)
    assert up.used()["records"] == 1


def test_parameters_choose_what_comes(connection, tmp_path):
    parameters = {"Params_Account": "{{ params.code }}"}
    down = ExactOnlineXmlDownloadOperator(
        task_id="down", topic="Accounts", path=str(tmp_path / "a.xml"), parameters=parameters
    )
    assert run(down, params={"code": "1001"})["records"] == 1
    assert connection.calls()[-1]["query"].endswith("&Params_Account=1001")


def test_parameters_are_text_numbers_and_days(connection, hook):
    days = {"Params_From": date(2026, 1, 31), "Params_To": "2026-02-01", "Params_Year": 2026, "Params_None": None}
    next(hook.download_xml("GLAccounts", days))
    sent = "&Params_From=2026-01-31&Params_To=2026-02-01&Params_Year=2026"
    assert connection.calls()[-1]["query"].endswith(sent)
    with pytest.raises(ExactRequestError, match="parameters: At: expected text, a number or a date"):
        hook.download_xml("GLAccounts", {"At": datetime(2026, 1, 31, 9, tzinfo=UTC)})


@pytest.mark.parametrize("parameters", [{"topic": "x"}, {"_Division_": 1}, {"TSPaging": "0x1"}, {"a": [1]}, "a=b"])
def test_parameters_do_not_replace_topic_and_division(connection, hook, parameters):
    with pytest.raises(ExactRequestError, match="parameters"):
        hook.download_xml("Accounts", parameters)
    assert connection.calls() == []


def test_a_topic_that_exact_does_not_know_is_an_error(hook, tmp_path):
    with pytest.raises(ExactXmlError, match="Topic is not known"):
        list(hook.download_xml("Acounts"))
    down = ExactOnlineXmlDownloadOperator(task_id="down", topic="Acounts", path=str(tmp_path / "a.xml"))
    with pytest.raises(AirflowFailException):
        run(down)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["truncated", "reset_after", "minute_limit"])
def test_a_download_that_breaks_off_is_repeated(connection, hook, fault):
    connection.settings(xml_page_size=100)
    connection.fault(fault, endpoint=DOWNLOAD, nth=2)
    assert sum(len(page.records) for page in hook.download_xml("Accounts")) == 150


@pytest.mark.parametrize("body", ["<html><body>Sign in</body></html>", "<html>", "", "{}"])
def test_something_else_than_the_xml_of_this_api_is_told(connection, hook, body, monkeypatch):
    monkeypatch.setattr("requests.Response.iter_content", lambda *_: iter([body.encode()]))
    with pytest.raises(ExactResponseError, match="<eExact>|not the XML"):
        list(hook.download_xml("Accounts"))


@pytest.mark.parametrize("mark", ["0x1", "nonsense"])
def test_a_list_that_does_not_go_on_is_not_followed_for_ever(connection, hook, mark, monkeypatch):
    page = f"<eExact><A><B/></A><Topics><Topic count='1' pagesize='1' ts_d='{mark}'/></Topics></eExact>"
    monkeypatch.setattr("requests.Response.iter_content", lambda *_: iter([page.encode()]))
    with pytest.raises(ExactResponseError, match="never end|no timestamp"):
        list(hook.download_xml("A"))


def test_a_bomb_of_entities_is_refused():
    entities = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))
    bomb = f"<!DOCTYPE a [<!ENTITY e0 'x'>{entities}]><a>&e9;</a>"
    for document in (bomb, "<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>"):
        with pytest.raises(NotXmlError):
            parsed(document.encode())


def test_calls_of_the_xml_api_count_in_the_same_limits(connection, hook):
    before = connection.settings()["calls_per_minute"]
    list(hook.download_xml("Items"))
    assert hook.get_conn().account.seen()[connection.division].limits.minutely.remaining == before - 1
