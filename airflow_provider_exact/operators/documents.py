"""Operators for files attached to documents: up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_exact.operators.base import (
    ExactOnlineOperator,
    check_required,
    given,
)
from airflow_provider_exact.operators.writing import CreatingOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

ATTACHMENTS = "documents/DocumentAttachments"


class ExactOnlineUploadAttachmentOperator(CreatingOperator):
    """
    Attach a file to a document and return the attachment's record, without the file; once, however often the task runs.

    :param document: The document's ``ID``: ``ExactOnlineCreateOperator`` makes one with ``documents/Documents``.
    :param path: The file: ``/data/x.pdf``, or with a scheme as Airflow's ``ObjectStoragePath`` takes it
        (``s3://aws_default@bucket/x.pdf``).
    :param filename: How the file is called at Exact; without it, as it is called in ``path``.
    :param verify: Fields that no other attachment shares, usually ``["Document", "FileName"]``: after a lost answer the
        attachment is looked for by them. Without them, an equal one that is found fails the task: it may be older.
    """

    template_fields: Sequence[str] = (*CreatingOperator.template_fields, "document", "path", "filename", "verify")
    endpoint = ATTACHMENTS

    def __init__(
        self,
        *,
        document: Any,
        path: Any,
        filename: str | None = None,
        verify: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.document = document
        self.path = path
        self.filename = filename
        self.verify = verify
        check_required(document=document, path=path)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            check_required(document=given(self.document), path=given(self.path))
            self.check_division()
            from airflow_provider_exact.client.documents import attachment_fields, without_file
            from airflow_provider_exact.storage import path_of

            fields = attachment_fields(self.document, path_of(self.path), given(self.filename), argument="path")
            record = without_file(self.creations(context).one(fields))
        return self.hand_over(context, f"Attached {self.path} as", record)


class ExactOnlineDownloadAttachmentOperator(ExactOnlineOperator):
    """
    Fetch an attached file; return its ``path``, its ``filename`` at Exact and its ``size`` in bytes.

    The file gets its name, and replaces what has it, when all of it is there. It is fetched only from the connection's
    own address.

    :param attachment: The attachment's ``ID``, its record with a ``Url``, or that address.
    :param path: The file to write, or a folder (an existing one, or text that ends with a slash), where it is called as
        at Exact. As for uploads, it may be in an object store.
    """

    template_fields: Sequence[str] = (*ExactOnlineOperator.template_fields, "attachment", "path")
    endpoint = ATTACHMENTS

    def __init__(self, *, attachment: str | Mapping[str, Any], path: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attachment = attachment
        self.path = path
        check_required(attachment=attachment, path=path)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            check_required(attachment=given(self.attachment), path=given(self.path))
            file = self.hook.download_attachment(self.attachment, self.path)
        self.log.info("Downloaded %s bytes to %s from division %s", file.size, file.path, self.worked_in)
        return {"path": file.path, "filename": file.filename, "size": file.size}
