"""A task that does with cursors and assets what extractions do, and extracts nothing."""

from __future__ import annotations

from dataclasses import replace

from airflow.sdk import BaseOperator

from airflow_provider_exact.assets import create_asset
from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.rows import Column
from airflow_provider_exact.extract.cursor import Checkpoint, Cursor
from airflow_provider_exact.extract.engine import Outcome
from airflow_provider_exact.extract.plan import Plan
from airflow_provider_exact.lineage import folder_output, lineage
from airflow_provider_exact.transfers import outlets
from airflow_provider_exact.transfers.cursors import cursor_store
from airflow_provider_exact.transfers.progress import task_progress

SITE = "https://start.exactonline.nl"


def cursor(timestamp, **changes):
    return Cursor(source="sync/CRM/Accounts", fields=("ID", "Name"), timestamp=timestamp, **changes)


class Extracting(BaseOperator):
    """Reads one row more each time; ``marks`` makes its cursor long."""

    template_fields = ("endpoint", "division")

    def __init__(self, *, endpoint="crm/Accounts", division=1, marks=0, **kwargs):
        super().__init__(**kwargs)
        self.endpoint, self.division, self.marks = endpoint, division, marks
        self.outlets = outlets.with_alias(self.outlets, endpoint)

    def execute(self, context):
        asset = create_asset(region_or_host=SITE, division=self.division, endpoint=self.endpoint)
        store = cursor_store(context, asset.uri, destination="s3://bucket/accounts")
        kept = store.get()
        before = kept.cursor.timestamp if kept and kept.cursor else None
        found = cursor((before or 0) + 1, recent=("mark",) * self.marks)
        store.set(found)
        extra = outlets.event_extra(rows=1, calls=1, cursor=found, manifest="s3://bucket/accounts/_manifest.json")
        outlets.tell(self, context, asset, extra)
        return before


class Failing(BaseOperator):
    """Fails in its first try, and tells what it finds of that in the second."""

    def execute(self, context):
        progress = task_progress(context)
        if progress is None:
            return "none"
        found = progress.get()
        if found is None:
            progress.set({"page": 7, "of": [context["ti"].map_index]})
            raise RuntimeError("killed")
        progress.delete()
        assert progress.get() is None
        return found


class Telling(BaseOperator):
    """Tells OpenLineage of an extraction that it did not make."""

    def execute(self, context):
        return "done"

    def get_openlineage_facets_on_complete(self, task_instance):
        return lineage(*extraction(), folder_output("s3://aws@bucket/accounts", [Column("_deleted", "Boolean")]))


def extraction(**changes):
    """Return an asset, and what was planned and done to extract it."""
    endpoint = resolve("crm/Accounts")
    columns = (Column("ID", "Guid"), Column("Name", "String"))
    planned = Plan(1, endpoint, resolve("sync/CRM/Accounts"), columns, ("ID",), deletions=2, why="1000 a page")
    planned = replace(planned, **{"mode": "incremental", **changes})
    reached = Checkpoint(reached=cursor(7), phase="done", rows=3, deletions=1)
    told = {"manifest": "s3://bucket/accounts/_manifest.json", "parts": 2, "bytes": 512}
    asset = create_asset(region_or_host=SITE, division=1, endpoint="crm/Accounts")
    return asset, planned, Outcome(planned, reached.reached, reached, told)
