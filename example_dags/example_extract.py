"""
Extract the accounts of every division into files: everything the first time, what changed every time after.

Runs unattended with the connection ``exact_online_default``, also against the emulator. The files go below ``folder``,
which may be in an object store, such as ``s3://aws_default@lake/exact``.
"""

from __future__ import annotations

from tempfile import gettempdir
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.operators.divisions import ExactOnlineListDivisionsOperator
from airflow_provider_exact.transfers.to_file import ExactOnlineToFileOperator

with DAG(
    "example_extract",
    description="Extract the accounts of every division into files, incrementally",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["exact online", "example"],
    params={"folder": Param(f"{gettempdir()}/exact", type="string", description="Where the files go")},
) as dag:
    divisions = ExactOnlineListDivisionsOperator(task_id="list_divisions")

    # [START extract]
    accounts = ExactOnlineToFileOperator.partial(
        task_id="extract_accounts",
        endpoint="crm/Accounts",
        select=["ID", "Code", "Name", "Status", "Email", "Modified"],
        mode="incremental",
        path="{{ params.folder }}/{endpoint}/{division}/{run}",
        compression="gzip",
        retries=2,
        map_index_template="{{ task.division }}",
    ).expand(division=divisions.output.map(lambda division: division["Code"]))
    # [END extract]

    @task
    def tell(extracted: list[dict[str, Any]]) -> None:
        """Print a line for each division."""
        for found in extracted:
            print(f"{found['division']}: {found['rows']} records, {found['deletions']} deleted: {found['manifest']}")

    tell(accounts.output)
