"""Files attached to documents: sent as base64 without holding them in memory, fetched only from the own site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client import query
from airflow_provider_exact.client.errors import ExactRequestError, ExactResponseError
from airflow_provider_exact.client.files import Source, safe_name, written
from airflow_provider_exact.client.serialisation import to_guid
from airflow_provider_exact.client.transport import Request

if TYPE_CHECKING:
    from airflow_provider_exact.client.client import ExactClient, Record

ATTACHMENTS = "documents/DocumentAttachments"
WEB_PAGES = (".html", ".htm", ".xhtml")


@dataclass(frozen=True)
class Download:
    """A file that arrived: where it is, how it is called at Exact as far as that is known, and its length in bytes."""

    path: str
    filename: str
    size: int


def upload_attachment(
    client: ExactClient,
    document: object,
    content: object,
    filename: str | None = None,
    *,
    verify: query.Names = None,
    division: int | str | None = None,
) -> Record:
    """
    Attach a file to a document and return the attachment's record, without the file.

    :param document: The document's ``ID``.
    :param content: Bytes, or a path: ``pathlib.Path``, or Airflow's ``ObjectStoragePath``.
    :param filename: How the file is called at Exact, where that is not its own name; bytes need one.
    :param verify: Fields that no other attachment shares, usually ``["Document", "FileName"]``, to look for it by when
        the answer was lost.
    :raises ExactError: as ``ExactClient.create_record`` does.
    """
    fields = attachment_fields(document, content, filename)
    return without_file(client.create_record(ATTACHMENTS, fields, division=division, verify=verify))


def attachment_fields(
    document: object, content: object, filename: str | None, *, argument: str = "content"
) -> dict[str, Any]:
    """
    Return the fields of an attachment to create; see :func:`upload_attachment`.

    :param argument: What the caller calls the content, for messages.
    """
    source = Source.of(content, argument)
    name = filename or source.name
    if not name:
        raise ExactRequestError("filename: bytes have no name of their own, so give one.")
    return {"Document": document, "FileName": name, "Attachment": source}


def without_file(record: Record) -> Record:
    """Return an attachment's record as it may travel through XCom."""
    return {field: value for field, value in record.items() if field != "Attachment"}


def download_attachment(
    client: ExactClient, attachment: object, path: Path, *, division: int | str | None = None
) -> Download:
    """
    Fetch an attached file; it gets its name, and replaces what has it, when all of it is there.

    :param attachment: The attachment's ``ID``, its record with a ``Url``, or that address.
    :param path: The file to write, or a folder, where it is called as at Exact.
    :raises ExactRequestError: the address is on another host than the connection's; the token is not sent there.
    """
    url, filename = _found(client, attachment, division)
    if not client.site.owns(url):
        # The call carries our access token, which belongs to nobody else.
        raise ExactRequestError(
            f"attachment: {url.partition('?')[0]} is not on {client.site.base_url}, the connection's own address, and "
            "only from there are files fetched."
        )
    # A folder of an object store exists by what is in it, if at all.
    if str(path).endswith("/") or path.is_dir():
        if not filename:
            raise ExactRequestError(f"path: {path} is a folder, and an address does not tell a file's name. Add one.")
        path = path / safe_name(filename, "attachment")
    size = 0

    def write(headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:
        nonlocal size
        if _is_web_page(headers) and not (filename or path.name).lower().endswith(WEB_PAGES):
            raise ExactResponseError(
                f"{request}: a web page came instead of the file. Sign in again if it stays so, and check that the "
                "signed-in user may see the document."
            )
        size = 0
        with written(path) as file:
            for piece in pieces:
                size += file.write(piece)

    request = Request(
        "GET",
        _for_download(url),
        {"Accept": "*/*"},
        subject=f"GET attachment {filename or url.partition('?')[0]}",
        division=query.whole_number("division", division) or client.division,
        sink=write,
    )
    client.send(request)
    return Download(str(path), filename, size)


def _found(client: ExactClient, attachment: object, division: int | str | None) -> tuple[str, str]:
    """Return an attachment's address and its name at Exact, which is empty where only the address is known."""
    if isinstance(attachment, str) and "//" in attachment:
        return attachment.strip(), ""
    record = attachment
    if not isinstance(record, Mapping):
        key = to_guid("attachment", attachment)
        record = client.get_record(ATTACHMENTS, key, select="ID,FileName,Url", division=division)
    url = record.get("Url")
    if not url:
        raise ExactRequestError(f"attachment: the record of {record.get('FileName') or attachment} has no Url.")
    return str(url), safe_name(record.get("FileName"), str(record.get("ID") or "attachment"))


def _for_download(url: str) -> str:
    """Return the address that answers with the file rather than with a page about it."""
    address = url.partition("#")[0]
    return f"{address}{'&' if '?' in address else '?'}Download=1"


def _is_web_page(headers: Mapping[str, Any]) -> bool:
    return str(headers.get("Content-Type", "")).lower().startswith("text/html")
