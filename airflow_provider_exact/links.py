"""The link from a task to the page of its endpoint in Exact's reference documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from airflow_provider_exact.client import catalogue

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

OVERVIEW = "https://start.exactonline.nl/docs/HlpRestAPIResources.aspx?SourceAction=10"
DETAILS = "https://start.exactonline.nl/docs/HlpRestAPIResourcesDetails.aspx?name="

# A page is named for the path without slashes, each part with a capital: sync/CRM/Accounts is
# SyncCRMAccounts. These parts are spelled otherwise; "beta" is left out.
_SPELLING = {
    "beta": "",
    "continuousmonitoring": "ContinuousMonitoring",
    "crm": "CRM",
    "current": "SystemSystem",
    "customfield": "CustomField",
    "expensemanagement": "ExpenseManagement",
    "financialtransaction": "FinancialTransaction",
    "generaljournalentry": "GeneralJournalEntry",
    "hrm": "HRM",
    "openingbalance": "OpeningBalance",
    "purchaseentry": "PurchaseEntry",
    "purchaseorder": "PurchaseOrder",
    "salesentry": "SalesEntry",
    "salesinvoice": "SalesInvoice",
    "salesorder": "SalesOrder",
    "system": "SystemSystem",
    "vat": "VAT",
}


def reference_url(endpoint: object) -> str:
    """Return the address of the endpoint's page, or of the overview when it has no page."""
    known = catalogue.load().get(endpoint.strip(" /").casefold()) if isinstance(endpoint, str) else None
    if known is None or not known.is_listed:
        return OVERVIEW
    parts = known.service.split("/")
    return DETAILS + "".join(_SPELLING.get(part, part[:1].upper() + part[1:]) for part in parts) + known.name


class ExactOnlineReferenceLink(BaseOperatorLink):
    """What Exact says about the endpoint: its fields, their types and which of them are mandatory."""

    name = "Exact Online reference"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002, Airflow's own name
        # Airflow calls this on the worker when the task has ended, so the endpoint is rendered by now.
        return reference_url(getattr(operator, "endpoint", None))
