"""The XML API: pages, messages, and that nothing sent to it makes it fail."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import requests

UPLOAD = "docs/XMLUpload.aspx"
DOWNLOAD = "docs/XMLDownload.aspx"


@pytest.fixture
def call(exact):
    def make(method, page, body=None, **query):
        query = {"_Division_": exact.division, **query}
        headers = {"Authorization": f"Bearer {exact.tokens['access_token']}"}
        url = f"{exact.emulator.url}/{page}"
        return requests.request(method, url, params=query, data=body, headers=headers, timeout=60)

    return make


def messages(answer):
    assert answer.status_code == 200
    return [
        (message.get("type"), message.findtext("Description"))
        for message in ElementTree.fromstring(answer.content).iter("Message")
    ]


def test_pages_go_on_after_the_timestamp_of_the_last(exact, call):
    exact.emulator.settings(xml_page_size=8)
    codes, mark, pages = [], "0x0", 0
    while True:
        answer = call("GET", DOWNLOAD, Topic="Items", TSPaging=mark)
        root = ElementTree.fromstring(answer.content)
        codes += [item.get("code") for item in root.find("Items")]
        pages += 1
        told = root.find("Topics/Topic").attrib
        assert (told["code"], told["pagesize"]) == ("Items", "8")
        if told["count"] != told["pagesize"]:
            break
        mark = told["ts_d"]
        assert len(mark) == 18
    assert (len(codes), len(set(codes)), pages) == (12, 12, 2)
    assert "X-RateLimit-Remaining" in answer.headers


def test_an_upload_is_a_200_with_a_message_for_each_record(exact, call):
    body = "<eExact><Items><Item code='A1'><Description>Een</Description></Item><Item/></Items></eExact>"
    assert messages(call("POST", UPLOAD, body, Topic="Items")) == [("2", "Aangemaakt"), ("0", "Mandatory: code")]
    assert messages(call("POST", UPLOAD, body, Topic="Items"))[0] == ("2", "Gewijzigd")
    row = exact.rows("logistics/Items", filter="Code eq 'A1'")[0]
    assert row["Description"] == "Een"


def test_what_was_uploaded_last_comes_last(exact, call):
    body = "<eExact><Items><Item code='ADVIES'><Description>Raad</Description></Item></Items></eExact>"
    call("POST", UPLOAD, body, Topic="items")
    items = ElementTree.fromstring(call("GET", DOWNLOAD, Topic="Items").content).find("Items")
    assert (items[-1].get("code"), items[-1].findtext("Description")) == ("ADVIES", "Raad")


@pytest.mark.parametrize(
    "body", [b"", b"<", b"\xff", b"<eExact/>", b"<html/>", b"<!DOCTYPE a><eExact/>", b"<eExact><Items/></eExact>"]
)
def test_no_document_makes_it_fail(call, body):
    assert all(kind == "0" for kind, _ in messages(call("POST", UPLOAD, body, Topic="Items")))


def test_a_topic_that_is_not_there_is_told_in_a_message(call):
    for method, page in (("POST", UPLOAD), ("GET", DOWNLOAD)):
        assert messages(call(method, page, "<eExact/>", Topic="Nothing")) == [("0", "Topic is not known")]


def test_an_address_that_is_wrong_is_refused(call):
    assert call("GET", DOWNLOAD, Topic="Items", TSPaging="x").status_code == 400
    assert call("GET", DOWNLOAD, Topic="Items", _Division_="").status_code == 400
    assert call("GET", DOWNLOAD, Topic="Items", _Division_="1").status_code == 403
    assert call("GET", UPLOAD, Topic="Items").status_code == 405
    assert call("POST", DOWNLOAD, Topic="Items").status_code == 405
