"""The files of ``documents/DocumentAttachments``: kept as base64, handed out by a page of Exact's web UI."""

from __future__ import annotations

import base64
from urllib.parse import quote

from starlette.responses import Response

from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.emulator.api import check_scope
from airflow_provider_exact.emulator.calls import PageCall
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.rules import ATTACHMENTS

VIEWER = "<!DOCTYPE html><html><head><title>Attachment</title></head><body><h1>Attachment</h1></body></html>"


def answer(call: PageCall) -> Response:
    """Answer with the file, or with a page about it."""
    check_scope(call.grant, load()[ATTACHMENTS.casefold()], "GET")
    record = call.store.get(ATTACHMENTS, call.options.get("id", "").strip("{}").lower())
    if record is None:
        raise Refusal(404)
    if call.options.get("download") != "1":
        return Response(VIEWER, media_type="text/html")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(record['FileName'])}"}
    return Response(base64.b64decode(record["Attachment"] or ""), 200, headers, "application/octet-stream")
