"""
Read one endpoint of every division, a few at a time, and print one line for each.

Runs unattended with the connection ``exact_online_default``, also against the emulator. The pool keeps hundreds of
divisions from being read at once; make it with ``airflow pools set exact_online 4 "Calls to Exact Online"``.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_exact.operators.divisions import ExactOnlineListDivisionsOperator
from airflow_provider_exact.operators.records import ExactOnlineListOperator

with DAG(
    "example_divisions",
    description="Read one endpoint of every division in Exact Online",
    schedule=None,
    catchup=False,
    tags=["exact online", "example"],
) as dag:
    # [START divisions]
    divisions = ExactOnlineListDivisionsOperator(task_id="list_divisions", country=["NL", "BE"])

    journals = ExactOnlineListOperator.partial(
        task_id="list_journals",
        endpoint="financial/Journals",
        select=["Code", "Description"],
        pool="exact_online",
        map_index_template="{{ task.division }}",
    ).expand(division=divisions.output.map(lambda division: division["Code"]))
    # [END divisions]

    @task
    def tell(divisions: list[dict[str, Any]], journals: list[list[dict[str, Any]]]) -> None:
        """Print a line for each division; what mapped tasks return comes in the order of what they were mapped over."""
        for division, found in zip(divisions, journals, strict=True):
            print(f"{division['Code']} {division['Description']}: {len(found)} journals")

    tell(divisions.output, journals.output)
