"""Operators for Exact's XML API: a document of one topic up and down."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_exact.client.errors import ExactError, ExactRequestError, ExactTransportError, ExactXmlError
from airflow_provider_exact.operators.base import ExactOnlineOperator, check_no_text, check_required, given
from airflow_provider_exact.operators.writing import ExactOnlineWriteOperator
from airflow_provider_exact.storage import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_exact.client.xml_api import XmlMessage


class ExactOnlineXmlUploadOperator(ExactOnlineWriteOperator):
    """
    Send a document to the XML API; return Exact's message about each record: ``type``, ``text``, ``topic`` and ``key``.

    The task fails when Exact refuses a record, and names each; the others are stored. It fails without a retry, and so
    it does when the answer is lost, or when an earlier try sent the document and did not live to see the answer.

    :param topic: Such as ``GLAccounts`` or ``MatchSets``.
    :param xml: The document as text.
    :param path: Instead, a file that holds it, on disk or in an object store.
    """

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, "topic", "xml", "path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"xml": "xml"}
    # The page about the XML API is not one of the REST endpoints.
    endpoint = ""

    def __init__(self, *, topic: str, xml: str | None = None, path: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.xml = xml
        self.path = path
        check_required(topic=topic)
        _check_one(xml, path)

    def execute(self, context: Context) -> list[dict[str, str]]:
        with self.calling(context):
            text, path = given(self.xml), given(self.path)
            _check_one(text, path)
            self.check_division()
            try:
                messages = self._send_once(context, text if path is None else path_of(path))
            except ExactXmlError as error:
                for message in error.messages:
                    log = self.log.info if message.is_done else self.log.error
                    log("%s: %s", "Stored" if message.is_done else "Refused", message)
                raise
        self.log.info("Stored %s records of %s in division %s", len(messages), self.topic, self.where)
        return [asdict(message) for message in messages]

    def _send_once(self, context: Context, document: object) -> list[XmlMessage]:
        """
        Send the document, unless another try began to and was killed before it knew the end.

        :raises ExactTransportError: with ``outcome_unknown`` in that case; cleared after that, the task sends it.
        """
        # Late, since parsing a Dag needs no HTTP.
        from airflow_provider_exact.created import Begun, Entry, Notes, memory_of

        memory, client = memory_of(context), self.hook.get_conn()
        if memory is None:
            return self.hook.upload_xml(self.topic, document)
        nothing = Notes(f"{client.site.base_url} {client.division} XML {self.topic}")
        notes = memory.read()
        if notes is not None and notes.where == nothing.where and notes.entries:
            memory.write(nothing)
            raise ExactTransportError(
                f"An earlier try of this task sent {self.topic} to division {self.where} and was ended before it saw "
                "the answer. Look in Exact Online what was stored; cleared after that, the task sends it again.",
                outcome_unknown=True,
            )
        now = client.moment()
        memory.write(Notes(nothing.where, [Entry("", begun=Begun(now.at, now.ahead, {}))]))
        try:
            messages = self.hook.upload_xml(self.topic, document)
        except ExactError:
            # The task tells what became of it. When it is killed, nobody does, and the note stays.
            memory.write(nothing)
            raise
        memory.write(nothing)
        return messages


class ExactOnlineXmlDownloadOperator(ExactOnlineOperator):
    """
    Write all records of a topic of the XML API into one document; return its ``path`` and the number of ``records``.

    :param topic: Such as ``GLAccounts``.
    :param path: The file to write, on disk or in an object store; it gets its name when all of it is there.
    :param parameters: What the topic offers to choose by, such as ``{"Params_GLAccount": "8000"}``.
    """

    template_fields: Sequence[str] = (*ExactOnlineOperator.template_fields, "topic", "path", "parameters")
    endpoint = ""

    def __init__(self, *, topic: str, path: Any, parameters: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.path = path
        self.parameters = parameters
        check_required(topic=topic, path=path)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            from airflow_provider_exact.client.xml_api import save_xml

            check_required(path=given(self.path))
            check_no_text("a dict", parameters=given(self.parameters))
            path = path_of(self.path)
            pages = self.hook.download_xml(self.topic, given(self.parameters))
            count = save_xml(pages, self.topic, path)
        self.log.info("Wrote %s records of %s to %s from division %s", count, self.topic, path, self.worked_in)
        return {"path": str(path), "records": count}


def _check_one(xml: object, path: object) -> None:
    if (xml in (None, "")) == (path in (None, "")):
        raise ExactRequestError("xml, path: give the document as one of them.")
