"""Records and errors -> the body of an answer, in OData's verbose JSON or in Atom XML."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
from starlette.responses import Response

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.query import Page, Query
from airflow_provider_exact.emulator.store import Record, Shown, Store
from airflow_provider_exact.emulator.values import moment, shown
from airflow_provider_exact.emulator.views import key_literal, lines_of, record_key, view_of

JSON = "application/json; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"
# Where the file of an attachment is; the record itself does not hold it.
FILE_PAGE = "docs/SysAttachment.aspx"
FILE_FIELDS = frozenset({"Attachment", "Url"})
NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
)


def wants_json(accept: str) -> bool:
    """Whether an ``Accept`` header asks for JSON; anything else gets Atom."""
    return any(part.split(";")[0].strip().lower() in {"application/json", "text/json"} for part in accept.split(","))


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, JSON)


def refusal_answer(refusal: Refusal, *, as_json: bool) -> Response:
    """Return an error in the shape that was asked for; one without a message has an empty body."""
    message = refusal.message
    if not message:
        return Response(b"", refusal.status, refusal.headers)
    if as_json:
        body = {"error": {"code": "", "message": {"lang": "", "value": message}}}
        return json_answer(body, refusal.status, refusal.headers)
    namespace = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"
    xml = (
        f'<?xml version="1.0" encoding="utf-8"?><error xmlns="{namespace}"><code></code>'
        f'<message xml:lang="">{escape(message)}</message></error>'
    )
    return Response(xml, refusal.status, refusal.headers, "application/xml; charset=utf-8")


class Shaper:
    """
    Shapes an endpoint's records.

    :param base: The address in front of the endpoint's name, as the caller wrote it: links carry its host.
    """

    def __init__(self, endpoint: Endpoint, query: Query, store: Store | None, base: str) -> None:
        self.endpoint = endpoint
        self.query = query
        self.store = store
        self.base = base
        service, _, name = endpoint.path.rpartition("/")
        self.type = f"Exact.Web.Api.Models.{service.replace('/', '.')}.{name}".replace("..", ".")

    def address(self, record: Shown) -> str:
        key = record_key(self.endpoint, record)
        return f"{self.base}/{self.endpoint.name}({key_literal(self.endpoint, key)})" if key else self.base

    def entry(self, record: Shown) -> Record:
        """Return a record with ``__metadata`` and the selected fields; lines are deferred unless expanded."""
        uri = self.address(record)
        entry: Record = {"__metadata": {"uri": uri, "type": self.type}}
        chosen = {name.partition("/")[0] for name in self.query.select}
        for prop in self.endpoint.properties:
            if chosen and prop.name not in chosen:
                continue
            if prop.target is None and prop.name in FILE_FIELDS and self.endpoint.name == "DocumentAttachments":
                entry[prop.name] = self._file_field(prop.name, record)
            elif prop.target is None:
                entry[prop.name] = shown(prop.type, record.get(prop.name))
            elif prop.name in self.query.expand:
                entry[prop.name] = self._expanded(record, prop.name)
            else:
                entry[prop.name] = {"__deferred": {"uri": f"{uri}/{prop.name}"}}
        return entry

    def _file_field(self, name: str, record: Shown) -> str | None:
        """Return what a record shows of its file: the address, and not the file itself."""
        root = self.base.partition("/api/v1")[0]
        return f"{root}/{FILE_PAGE}?ID={record.get('ID')}&_Division_={record['Division']}" if name == "Url" else None

    def _expanded(self, record: Shown, name: str) -> Any:
        prop = self.endpoint.property(name)
        lines = None if prop is None else lines_of(self.endpoint, prop)
        if lines is None or self.store is None:
            return {"results": []} if prop is not None and prop.is_collection else None
        parent = record_key(self.endpoint, record)
        if self.endpoint.is_sync:
            parent = (record.get("ID"),)
        inner = tuple(field.partition("/")[2] for field in self.query.select if field.startswith(f"{name}/"))
        base = f"{self.base.removesuffix(self.endpoint.service)}{lines.endpoint.service}"
        shaper = Shaper(lines.endpoint, Query(lines.endpoint, select=inner), self.store, base)
        view = view_of(lines.endpoint)
        rows = self.store.table(lines.endpoint.path).values()
        found = [row for row in rows if row.record.get(lines.parent_field) == parent[0]]
        return {"results": [shaper.entry(view.shown(row.record, row.version)) for row in found]}

    def one(self, record: Shown, *, as_json: bool, status: int = 200) -> Response:
        entry = self.entry(record)
        if as_json:
            return json_answer({"d": entry}, status)
        return Response(f'<?xml version="1.0" encoding="utf-8"?>{self._atom(entry)}', status, media_type=ATOM)

    def many(self, page: Page, next_url: str | None, *, as_json: bool, is_plain: bool) -> Response:
        """
        Return a list.

        :param is_plain: Whether it is the bare list that ``$top`` and functions give.
        """
        entries = [self.entry(record) for record in page.records]
        if not as_json:
            return self._feed(entries, page, next_url)
        if is_plain:
            return json_answer({"d": entries})
        content: dict[str, Any] = {"results": entries}
        if page.count is not None:
            content["__count"] = str(page.count)
        if next_url is not None:
            content["__next"] = next_url
        return json_answer({"d": content})

    def _feed(self, entries: list[Record], page: Page, next_url: str | None) -> Response:
        count = "" if page.count is None else f"<m:count>{page.count}</m:count>"
        link = "" if next_url is None else f'<link rel="next" href={quoteattr(next_url)} />'
        body = "".join(self._atom(entry, with_namespaces=False) for entry in entries)
        xml = (
            f'<?xml version="1.0" encoding="utf-8"?><feed {NAMESPACES}>{count}'
            f'<title type="text">{self.endpoint.name}</title><id>{escape(self.base)}/{self.endpoint.name}</id>'
            f"{body}{link}</feed>"
        )
        return Response(xml, media_type=ATOM)

    def _atom(self, entry: Record, *, with_namespaces: bool = True) -> str:
        uri = entry["__metadata"]["uri"]
        parts = [f"<entry {NAMESPACES}>" if with_namespaces else "<entry>", f"<id>{escape(uri)}</id>"]
        values = []
        for prop in self.endpoint.properties:
            value = entry.get(prop.name)
            if prop.target is not None:
                continue
            kind = "" if prop.type in {"String", None} else f' m:type="Edm.{prop.type}"'
            if prop.name in entry and value is None:
                values.append(f'<d:{prop.name}{kind} m:null="true" />')
            elif value is not None:
                values.append(f"<d:{prop.name}{kind}>{escape(_atom_text(value))}</d:{prop.name}>")
        parts.append(
            f'<content type="application/xml"><m:properties>{"".join(values)}</m:properties></content></entry>'
        )
        return "".join(parts)


def _atom_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return moment(text).isoformat() if text.startswith("/Date(") else text
