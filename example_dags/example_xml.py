"""
Make a general ledger account through Exact's XML API, and fetch the accounts as XML.

Runs unattended with the connection ``exact_online_default``, also against the emulator. The account is deleted at the
end, through the REST API, which has no XML.
"""

from __future__ import annotations

import tempfile
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.operators.records import ExactOnlineDeleteOperator, ExactOnlineListOperator
from airflow_provider_exact.operators.xml import ExactOnlineXmlDownloadOperator, ExactOnlineXmlUploadOperator

GL_ACCOUNTS = "financial/GLAccounts"

with DAG(
    "example_xml",
    description="Make a general ledger account through Exact Online's XML API, and fetch it",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
    params={
        "code": Param("999001", type="string", description="Code of the account to make; there must be none with it"),
        "folder": Param(
            tempfile.gettempdir(),
            type="string",
            description="Where the file goes, on disk or in an object store such as s3://aws_default@bucket/exact",
        ),
    },
) as dag:
    # [START upload]
    upload_account = ExactOnlineXmlUploadOperator(
        task_id="upload_account",
        topic="GLAccounts",
        xml="""
        <eExact>
          <GLAccounts>
            <GLAccount code="{{ params.code }}">
              <Description>Made by {{ run_id | e }}</Description>
            </GLAccount>
          </GLAccounts>
        </eExact>
        """,
    )
    # [END upload]

    # [START download]
    download_account = ExactOnlineXmlDownloadOperator(
        task_id="download_account",
        topic="GLAccounts",
        parameters={"Params_GLAccount": "{{ params.code }}"},
        path="{{ params.folder }}/gl-accounts-{{ run_id | replace(':', '-') }}.xml",
    )
    # [END download]

    # [START pages]
    @task
    def count_accounts() -> int:
        """Go through all accounts: one page at a time is in memory."""
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        return sum(1 for page in ExactOnlineHook().download_xml("GLAccounts") for account in page.records)

    # [END pages]

    @task
    def check(file: dict[str, Any], code: str, count: int) -> str:
        """Say what came, and remove the file; stands for whatever comes next."""
        from airflow.sdk import ObjectStoragePath

        path = ObjectStoragePath(file["path"])
        text = path.read_text()
        path.unlink()
        if file["records"] != 1 or f'"{code}"' not in text:
            raise ValueError(f"Expected the account {code} alone")
        return f"{code} is one of {count}"

    find_account = ExactOnlineListOperator(
        task_id="find_account", endpoint=GL_ACCOUNTS, filter={"Code": "{{ params.code }}"}, select="ID"
    )
    delete_account = ExactOnlineDeleteOperator(
        task_id="delete_account",
        endpoint=GL_ACCOUNTS,
        primary_key="{{ ti.xcom_pull('find_account')[0]['ID'] }}",
        missing_ok=True,
    )

    counted = count_accounts()
    upload_account >> [download_account, counted, find_account]
    checked = check(download_account.output, "{{ params.code }}", counted)
    [checked, find_account] >> delete_account.as_teardown(setups=upload_account)
