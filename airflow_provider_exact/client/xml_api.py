"""
Exact's older XML API: documents of one topic up and down, for what the REST API can't do, such as matching payments.

An upload is answered with 200 whatever became of it: what counts are its messages, one for each record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from airflow_provider_exact.client.errors import (
    ExactRequestError,
    ExactResponseError,
    ExactTransportError,
    ExactXmlError,
)
from airflow_provider_exact.client.files import FileBody, Source, written
from airflow_provider_exact.client.transport import Request, Response

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from airflow_provider_exact.client.client import ExactClient

UPLOAD = "docs/XMLUpload.aspx"
DOWNLOAD = "docs/XMLDownload.aspx"
ACCEPT = {"Accept": "application/xml, text/xml"}
# Without a charset: the document says its own.
WRITING = {**ACCEPT, "Content-Type": "application/xml"}
OWN_PARAMETERS = frozenset({"topic", "_division_", "tspaging"})
DONE, REFUSED = "2", "0"
# What an envelope holds beside the records.
AROUND = {"Topics", "Messages"}
MOST_NAMED = 20


@dataclass(frozen=True)
class XmlMessage:
    """
    What became of one record; ``type`` is 2 when it was stored and 0 when it was refused.

    ``topic`` is its kind (``GLAccount``), ``key`` what it is known by: a code, else Exact's own id.
    """

    type: str
    text: str
    topic: str = ""
    key: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the record was stored; a type that is not known does not count as that."""
        return self.type == DONE

    def __str__(self) -> str:
        named = " ".join(part for part in (self.topic, self.key) if part)
        kind = "" if self.type in (REFUSED, DONE) else f" (message of type {self.type or '?'})"
        return f"{named}{': ' if named else ''}{self.text or 'no text'}{kind}"


@dataclass(frozen=True)
class XmlPage:
    """The records of one answer, as elements, and where the next answer starts."""

    topic: str
    records: list[Element] = field(repr=False)
    following: str | None = None


def upload_xml(client: ExactClient, topic: str, xml: object, *, division: int | str | None = None) -> list[XmlMessage]:
    """
    Send a document and return the message of each record.

    :param topic: Such as ``GLAccounts``, ``Accounts``, ``MatchSets``.
    :param xml: Text, bytes, an element, or a path; it must be XML as Exact's reference describes it (``<eExact>…``).
    :raises ExactXmlError: a record was refused; its ``messages`` tell which, and which were stored.
    :raises ExactTransportError: with ``outcome_unknown``: the answer was lost or says nothing. It is not sent again.
    """
    body = _body(xml)
    request = _request(client, "POST", UPLOAD, topic, {}, division, body)
    answer = client.send(request)
    try:
        messages = _messages(_parsed(answer, request))
    except ExactResponseError as error:
        raise _unknown(str(error), answer) from error
    if not messages:
        raise _unknown(f"{request}: the answer has no message about any record.", answer)
    client.usage.records += sum(message.is_done for message in messages)
    _check(messages, request)
    return messages


def download_xml(
    client: ExactClient,
    topic: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    division: int | str | None = None,
) -> Iterator[XmlPage]:
    """
    Yield a topic's records page by page, as they are asked for.

    :param parameters: As Exact's reference of the topic names them, such as ``{"Params_GLAccount": "8000"}``:
        text, numbers and dates.
    :raises ExactXmlError: Exact answered with an error instead of records.
    """
    request = _request(client, "GET", DOWNLOAD, topic, parameters or {}, division)

    def pages() -> Iterator[XmlPage]:
        seen: set[str] = set()
        following: str | None = ""
        while following is not None:
            call = request if not following else _at(request, following)
            page = _page(client.send(call), call, topic)
            client.usage.records += len(page.records)
            yield page
            following = page.following
            if following in seen:
                raise ExactResponseError(f"{call}: the list goes on where it has been already; it would never end.")
            if following is not None:
                seen.add(following)

    return pages()


def save_xml(pages: Iterable[XmlPage], topic: str, path: Path) -> int:
    """Write the records of all pages into one document and return their number; one page at a time is in memory."""
    count = 0
    with written(path) as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<eExact>\n<{topic}>\n'.encode())
        for page in pages:
            for record in page.records:
                record.tail = "\n"
                file.write(ElementTree.tostring(record, encoding="utf-8"))
                count += 1
        file.write(f"</{topic}>\n</eExact>\n".encode())
    return count


class NotXmlError(ValueError):
    """A document is not well-formed, or declares what this parser does not take."""


def parsed(xml: bytes) -> Element:
    """
    Return the root of a document.

    :raises NotXmlError: it is not well-formed, or declares a document type.
    """
    root: Element = _read([xml], _Builder())
    return root


def _read(pieces: Iterable[bytes], builder: _Builder | _Forgetful) -> Any:
    # The builders refuse what makes this parser unsafe: entities that grow without bound, or name files.
    parser = ElementTree.XMLParser(target=builder)  # noqa: S314
    try:
        for piece in pieces:
            parser.feed(piece)
        return parser.close()
    except ExactRequestError:
        raise
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise NotXmlError(str(error)) from error


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, *_: object) -> None:
        raise ValueError("a document type is declared in it, which is not taken")


class _Forgetful:
    """Takes what a parser finds and keeps nothing of it."""

    doctype = _Builder.doctype

    def close(self) -> None:
        """End."""


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _body(xml: object) -> bytes | FileBody:
    if isinstance(xml, ElementTree.Element):
        return bytes(ElementTree.tostring(xml, encoding="utf-8", xml_declaration=True))
    if isinstance(xml, str):
        # Text has no encoding any more, whatever stands in its first line.
        text = re.sub(r"^\s*<\?xml[^>]*\?>", "", xml)
        content: object = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
    else:
        content = xml
    source = Source.of(content, "xml")
    try:
        _read(source.pieces(source.size), _Forgetful())
    except NotXmlError as error:
        raise ExactRequestError(f"xml: {source} is not well-formed XML: {error}.") from error
    if isinstance(source.content, bytes):
        return source.content
    return FileBody(((source, source.size),), as_base64=False)


def _request(
    client: ExactClient,
    method: str,
    page: str,
    topic: object,
    parameters: Mapping[str, Any],
    division: int | str | None,
    body: bytes | FileBody | None = None,
) -> Request:
    if not isinstance(topic, str) or not topic.isidentifier():
        raise ExactRequestError(f"topic: expected the name of a topic such as 'GLAccounts', not {topic!r}.")
    if not isinstance(parameters, Mapping):
        raise ExactRequestError(f"parameters: expected a dict, not {parameters!r}.")
    if reserved := [name for name in parameters if str(name).casefold() in OWN_PARAMETERS]:
        raise ExactRequestError(f"parameters: {', '.join(reserved)} can't be given; topic and division are arguments.")
    number = client.in_division(division)
    options = {"Topic": topic, "_Division_": str(number)}
    options |= {str(name): _text(name, value) for name, value in parameters.items() if value is not None}
    url = f"{client.site.base_url}/{page}?{urlencode(options, quote_via=quote)}"
    subject = f"{method} {page} of {topic} in division {number}"
    return Request(method, url, ACCEPT if body is None else WRITING, body, subject=subject, division=number)


def _text(name: str, value: object) -> str:
    """Return a parameter's value; the XML API knows text, numbers and days (``2026-01-31``)."""
    if isinstance(value, bool | datetime) or not isinstance(value, str | int | float | date):
        raise ExactRequestError(f"parameters: {name}: expected text, a number or a date, not {value!r}.")
    return str(value)


def _at(request: Request, following: str) -> Request:
    return replace(request, url=f"{request.url}&TSPaging={following}")


def _page(answer: Response, request: Request, topic: str) -> XmlPage:
    root = _parsed(answer, request)
    if refused := [message for message in _messages(root) if message.type == REFUSED]:
        raise ExactXmlError(f"{request}: {_listed(refused)}", messages=tuple(refused))
    records = [record for part in root if local_name(part) not in AROUND for record in part]
    told = next(
        (element for element in root.iter() if local_name(element) == "Topic" and "ts_d" in element.attrib), None
    )
    following = None
    # A full page has another behind it.
    if told is not None and records and told.get("count", "") == told.get("pagesize"):
        following = _timestamp(told.attrib["ts_d"], request)
    return XmlPage(topic, records, following)


def _timestamp(text: str, request: Request) -> str:
    digits = text.strip().lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{1,16}", digits):
        raise ExactResponseError(f"{request}: the list goes on at {text!r}, which is no timestamp.")
    return f"0x{digits.upper():0>16}"


def _parsed(answer: Response, request: Request) -> Element:
    try:
        root = parsed(answer.body)
    except NotXmlError as error:
        raise ExactResponseError(
            f"{request}: the answer is not the XML of this API ({error}). If it stays so, check the connection's "
            "region or Server URL.",
            status=answer.status,
        ) from error
    if local_name(root) != "eExact":
        raise ExactResponseError(
            f"{request}: the answer is <{local_name(root)}> instead of <eExact>.", status=answer.status
        )
    return root


def _messages(root: Element) -> list[XmlMessage]:
    return [_message(element) for element in root.iter() if local_name(element) == "Message"]


def _message(element: Element) -> XmlMessage:
    inner = {local_name(part): part for part in element.iter()}
    topic, data, text = (inner.get(name) for name in ("Topic", "Data", "Description"))
    words = element.itertext() if text is None else text.itertext()
    return XmlMessage(
        type=element.get("type", "").strip(),
        text=" ".join(" ".join(words).split()),
        topic="" if topic is None else topic.get("node") or topic.get("code") or "",
        key="" if data is None else data.get("keyAlt") or data.get("key") or "",
    )


def _check(messages: list[XmlMessage], request: Request) -> None:
    refused = [message for message in messages if not message.is_done]
    if refused:
        done = len(messages) - len(refused)
        raise ExactXmlError(
            f"{request}: {len(refused)} of {len(messages)} records were refused, {done} stored. {_listed(refused)}",
            messages=tuple(messages),
        )


def _listed(messages: list[XmlMessage]) -> str:
    more = f" And {len(messages) - MOST_NAMED} more." if len(messages) > MOST_NAMED else ""
    return " · ".join(str(message) for message in messages[:MOST_NAMED]) + more


def _unknown(problem: str, answer: Response) -> ExactTransportError:
    return ExactTransportError(
        f"{problem} What was stored is not known: look before you send it again.",
        status=answer.status,
        outcome_unknown=True,
    )
