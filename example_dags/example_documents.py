"""
Make a document, attach a file to it, and fetch the file back.

Runs unattended with the connection ``exact_online_default``, also against the emulator. Document and attachment are
deleted at the end. The file passes from task to task on this machine's disk; with workers on several machines, name an
object store in the params.
"""

from __future__ import annotations

import tempfile

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.operators.documents import (
    ExactOnlineDownloadAttachmentOperator,
    ExactOnlineUploadAttachmentOperator,
)
from airflow_provider_exact.operators.records import ExactOnlineCreateOperator, ExactOnlineDeleteOperator

DOCUMENTS = "documents/Documents"
ATTACHMENTS = "documents/DocumentAttachments"
DOCUMENT_ID = "{{ ti.xcom_pull('create_document')['ID'] }}"
ATTACHMENT_ID = "{{ ti.xcom_pull('upload_report')['ID'] }}"

with DAG(
    "example_documents",
    description="Attach a file to a document in Exact Online, and fetch it back",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
    params={
        "folder": Param(
            tempfile.gettempdir(),
            type="string",
            description="Where the files are, on disk or in an object store such as s3://aws_default@bucket/reports",
        ),
        "type": Param(55, type="integer", description="Type of the document; 55 is miscellaneous"),
    },
) as dag:

    @task
    def write_report(path: str) -> str:
        """Write the file and return its path; stands for whatever makes yours."""
        from airflow.sdk import ObjectStoragePath

        ObjectStoragePath(path).write_text("project;hours\nP00001;7.5\n")
        return path

    # [START upload]
    create_document = ExactOnlineCreateOperator(
        task_id="create_document",
        endpoint=DOCUMENTS,
        data={"Type": "{{ params.type }}", "Subject": "Report of {{ run_id }}"},
    )
    upload_report = ExactOnlineUploadAttachmentOperator(
        task_id="upload_report",
        document=DOCUMENT_ID,
        path="{{ ti.xcom_pull('write_report') }}",
        filename="report.csv",
    )
    # [END upload]

    # [START download]
    download_report = ExactOnlineDownloadAttachmentOperator(
        task_id="download_report",
        attachment=ATTACHMENT_ID,
        path="{{ ti.xcom_pull('write_report') }}.copy",
    )
    # [END download]

    @task
    def compare(sent: str, fetched: str) -> int:
        """Return the length of the file, which is what it was; stands for whatever comes next."""
        from airflow.sdk import ObjectStoragePath

        paths = [ObjectStoragePath(sent), ObjectStoragePath(fetched)]
        texts = [path.read_text() for path in paths]
        for path in paths:
            path.unlink()
        if texts[0] != texts[1]:
            raise ValueError("What came back is not what was sent")
        return len(texts[0])

    delete_attachment = ExactOnlineDeleteOperator(
        task_id="delete_attachment", endpoint=ATTACHMENTS, primary_key=ATTACHMENT_ID, missing_ok=True
    )
    delete_document = ExactOnlineDeleteOperator(
        task_id="delete_document", endpoint=DOCUMENTS, primary_key=DOCUMENT_ID, missing_ok=True
    )

    report = write_report("{{ params.folder }}/report-{{ run_id | replace(':', '-') }}.csv")
    [report, create_document] >> upload_report >> download_report
    compared = compare(report, "{{ ti.xcom_pull('download_report')['path'] }}")
    download_report >> compared >> delete_attachment.as_teardown(setups=upload_report)
    delete_attachment >> delete_document.as_teardown(setups=create_document)
