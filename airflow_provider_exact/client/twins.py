"""
Endpoints that show the same records in different ways: by page of 60, by page of 1,000 (bulk), by row version (sync).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from airflow_provider_exact.client.catalogue import Endpoint, load

# Sync and bulk endpoints whose records have other names, or come from several endpoints.
_OTHER_NAMES = {
    "sync/Project/TimeCostTransactions": ("project/TimeTransactions", "project/CostTransactions"),
    "sync/Project/ProjectWBS": ("project/WBSActivities", "project/WBSDeliverables", "project/WBSExpenses"),
    "bulk/Project/ProjectWBS": ("project/WBSActivities", "project/WBSDeliverables", "project/WBSExpenses"),
    "sync/CRM/QuotationHeaders": ("crm/Quotations",),
    "sync/SalesOrder/SalesOrderHeaders": ("salesorder/SalesOrders",),
    "sync/Financial/TransactionLines": ("financialtransaction/TransactionLines",),
    "bulk/Financial/TransactionLines": ("financialtransaction/TransactionLines",),
    "sync/Financial/PurchaseEntries": ("purchaseentry/PurchaseEntries",),
    "sync/Financial/SalesEntries": ("salesentry/SalesEntries",),
}


@dataclass(frozen=True)
class Twins:
    """
    All endpoints of one kind of record, the one that was asked about included.

    :param plain: Reads and writes single records; time and cost transactions share one sync endpoint.
    """

    plain: tuple[Endpoint, ...] = ()
    sync: Endpoint | None = None
    bulk: Endpoint | None = None

    def others(self, endpoint: Endpoint) -> list[Endpoint]:
        """Return all but one, the sync and bulk endpoint first."""
        return [twin for twin in (self.sync, self.bulk, *self.plain) if twin is not None and twin != endpoint]


def twins_of(endpoint: Endpoint) -> Twins:
    """Return the endpoints that show the same kind of record as this one."""
    return _by_path().get(endpoint.path.casefold(), Twins())


@functools.cache
def _by_path() -> dict[str, Twins]:
    known = load()
    groups: dict[tuple[str, ...], Twins] = {}
    members: dict[str, tuple[str, ...]] = {}
    for endpoint in known.values():
        kind, _, rest = endpoint.path.partition("/")
        if kind not in ("sync", "bulk"):
            continue
        group = tuple(path.casefold() for path in _OTHER_NAMES.get(endpoint.path, (rest,)))
        twins = groups.get(group) or Twins(tuple(known[path] for path in group if path in known))
        # Exact has retired some sync endpoints for one of another name: the listed one counts.
        if endpoint.is_listed or getattr(twins, kind) is None:
            twins = replace(twins, sync=endpoint) if kind == "sync" else replace(twins, bulk=endpoint)
        groups[group] = twins
        members |= dict.fromkeys((*group, endpoint.path.casefold()), group)
    return {path: groups[group] for path, group in members.items()}
