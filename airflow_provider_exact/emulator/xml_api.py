"""
The XML API for a few topics: each record is one element, known by its code, over the tables that REST shows.

What else stands in a topic's document, and the texts, are made up; see the client's ``xml_api`` for what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

from starlette.responses import Response

from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.client.xml_api import NotXmlError, local_name, parsed
from airflow_provider_exact.emulator.calls import PageCall
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.store import Record, Row, user_id
from airflow_provider_exact.emulator.writes import Writer

UPLOAD = "docs/XMLUpload.aspx"
DOWNLOAD = "docs/XMLDownload.aspx"
XML = "text/xml; charset=utf-8"
STORED, REFUSED = "2", "0"


@dataclass(frozen=True)
class Topic:
    """A kind of record: its element, its table, and what stands in elements of the record's own."""

    name: str
    node: str
    table: str
    elements: dict[str, str] = field(default_factory=dict)

    @property
    def parameter(self) -> str:
        """What a download is narrowed to one code with."""
        return f"params_{self.node}".casefold()


TOPICS = {
    topic.name.casefold(): topic
    for topic in (
        Topic("GLAccounts", "GLAccount", "financial/GLAccounts", {"Description": "Description"}),
        Topic("Accounts", "Account", "crm/Accounts", {"Name": "Name", "City": "City", "Email": "Email"}),
        Topic("Items", "Item", "logistics/Items", {"Description": "Description"}),
    )
}


def download(call: PageCall) -> Response:
    """Answer with a page of a topic's records, in the order in which they were last changed."""
    topic = TOPICS.get(call.options.get("topic", "").casefold())
    root = ElementTree.Element("eExact")
    if topic is None:
        _add_message(root, REFUSED, "Topic is not known", call)
        return _answer(root)
    try:
        after = int(call.options.get("tspaging", "0"), 16)
    except ValueError as error:
        raise Refusal(400, "TSPaging is not a number") from error
    wanted = call.options.get(topic.parameter, "").strip()
    size = call.emulator.settings.xml_page_size
    rows = sorted(call.store.table(topic.table).values(), key=lambda row: row.version)
    rows = [row for row in rows if row.version > after and wanted in {"", _code(row.record)}][:size]
    records = ElementTree.SubElement(root, topic.name)
    for row in rows:
        _add_record(records, topic, row)
    told = {"code": topic.name, "count": str(len(rows)), "pagesize": str(size)}
    if rows:
        told["ts_d"] = f"0x{rows[-1].version:016X}"
    ElementTree.SubElement(ElementTree.SubElement(root, "Topics"), "Topic", told)
    ElementTree.SubElement(root, "Messages")
    return _answer(root)


def _add_record(parent: ElementTree.Element, topic: Topic, row: Row) -> None:
    key = {"ID": f"{{{row.record[load()[topic.table.casefold()].key[0].name]}}}", "code": _code(row.record)}
    element = ElementTree.SubElement(parent, topic.node, key)
    for name, source in topic.elements.items():
        if (value := row.record.get(source)) is not None:
            ElementTree.SubElement(element, name).text = str(value)


def _code(record: Record) -> str:
    return str(record.get("Code") or "").strip()


def upload(call: PageCall) -> Response:
    """Store what is sent, record by record, and tell what became of each: always with 200."""
    topic = TOPICS.get(call.options.get("topic", "").casefold())
    root = ElementTree.Element("eExact")
    try:
        sent = parsed(call.body)
    except NotXmlError as error:
        _add_message(root, REFUSED, f"XML: {error}", call)
        return _answer(root)
    if topic is None or local_name(sent) != "eExact":
        _add_message(root, REFUSED, "Topic is not known", call)
        return _answer(root)
    for element in _records(sent, topic):
        code = element.get("code", "").strip()
        try:
            text = _store(call, topic, code, element)
        except Refusal as refusal:
            _add_message(root, REFUSED, refusal.message, call, topic, code)
        else:
            _add_message(root, STORED, text, call, topic, code)
    return _answer(root)


def _records(sent: ElementTree.Element, topic: Topic) -> Iterator[ElementTree.Element]:
    return (e for part in sent if local_name(part) == topic.name for e in part if local_name(e) == topic.node)


def _store(call: PageCall, topic: Topic, code: str, element: ElementTree.Element) -> str:
    """Change the record with this code, or make it."""
    endpoint = load()[topic.table.casefold()]
    texts = {local_name(part): (part.text or "").strip() for part in element}
    if unknown := sorted(set(texts) - set(topic.elements)):
        raise Refusal(400, f"Unknown element: {unknown[0]}")
    if not code:
        raise Refusal(400, "Mandatory: code")
    body = {topic.elements[name]: text for name, text in texts.items()}
    settings = call.emulator.settings
    name = call.emulator.divisions[call.division].name
    writer = Writer(call.store, user_id(call.grant.user), None, call.emulator.wall(), settings.zone, name)
    found = next((key for key, row in call.store.table(topic.table).items() if _code(row.record) == code), None)
    if found is None:
        writer.create(endpoint, {"Code": code, **body})
        return "Aangemaakt"
    writer.update(endpoint, found, body)
    return "Gewijzigd"


def _add_message(
    root: ElementTree.Element, kind: str, text: str, call: PageCall, topic: Topic | None = None, code: str = ""
) -> None:
    messages = root.find("Messages")
    if messages is None:
        messages = ElementTree.SubElement(root, "Messages")
    message = ElementTree.SubElement(messages, "Message", {"type": kind})
    if topic is not None:
        named = ElementTree.SubElement(message, "Topic", {"code": topic.name, "node": topic.node})
        ElementTree.SubElement(named, "Data", {"keyAlt": code})
    ElementTree.SubElement(message, "Date").text = call.emulator.wall().isoformat(timespec="seconds")
    ElementTree.SubElement(message, "Description").text = text


def _answer(root: ElementTree.Element) -> Response:
    return Response(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), media_type=XML)
