"""
Which tables an endpoint shows: sync and bulk endpoints are other views of the records behind the plain ones.

A write through ``project/TimeTransactions`` is thereby seen in ``sync/Project/TimeCostTransactions`` at once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_exact.client import lines
from airflow_provider_exact.client.catalogue import Endpoint, Property, load
from airflow_provider_exact.client.entity_types import ENTITY_TYPES
from airflow_provider_exact.emulator.store import Key, Record, Shown, Store
from airflow_provider_exact.emulator.values import as_literal

HOURS = "project/TimeTransactions"
COSTS = "project/CostTransactions"
DELETED = "sync/deleted"

# Views whose name is not that of the records behind them.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "sync/project/timecosttransactions": (HOURS, COSTS),
    "sync/project/projectwbs": ("project/WBSActivities", "project/WBSDeliverables", "project/WBSExpenses"),
    "bulk/project/projectwbs": ("project/WBSActivities", "project/WBSDeliverables", "project/WBSExpenses"),
    "sync/crm/quotationheaders": ("crm/Quotations",),
    "sync/salesorder/salesorderheaders": ("salesorder/SalesOrders",),
    "system/users": ("users/Users",),
}
OTHER_FIELDS: dict[str, dict[str, str]] = {
    "sync/project/timecosttransactions": {"WBS": "Activity", "WBSDescription": "ActivityDescription"},
    "bulk/project/projectwbs": {"Parent": "PartOf", "Hours": "BudgetedHours", "Cost": "BudgetedCost"},
}


@dataclass(frozen=True)
class View:
    """The tables that an endpoint shows, and the fields that it calls otherwise."""

    endpoint: Endpoint
    tables: tuple[str, ...]
    other_fields: dict[str, str] = field(default_factory=dict)

    def shown(self, record: Record, version: int) -> Shown:
        """Return a record as this view shows it; fields that it does not have are ``None`` when asked for."""
        return VersionedRecord(self, record, version) if self.endpoint.is_sync or self.other_fields else record

    def records(self, store: Store, *, with_replaced: bool = False) -> Iterator[Shown]:
        """
        Yield every record of the view.

        :param with_replaced: Also the version that the last update of a record replaced.
        """
        if self.endpoint.path.casefold() == DELETED:
            yield from (self._deletion(store, number) for number in range(len(store.deletions)))
            return
        for table in self.tables:
            for row in store.table(table).values():
                yield self.shown(row.record, row.version)
                if with_replaced and self.endpoint.is_sync and row.replaced is not None:
                    yield self.shown(row.replaced[1], row.replaced[0])

    def find(self, store: Store, key: Key) -> Shown | None:
        """Return the record with this key, or ``None``."""
        for table in self.tables:
            if row := store.table(table).get(key):
                return self.shown(row.record, row.version)
        return None

    def _deletion(self, store: Store, number: int) -> Shown:
        deletion = store.deletions[number]
        record = {
            "ID": deletion.entity_key[:24] + f"{number:012x}",
            "EntityKey": deletion.entity_key,
            "EntityType": deletion.entity_type,
            "DeletedBy": deletion.deleted_by,
            "DeletedDate": deletion.deleted_at,
            "Division": store.division,
        }
        return self.shown(record, deletion.version)


class VersionedRecord(Mapping[str, Any]):
    """A record seen through a view, without a copy: pages are cut from many more records than they show."""

    __slots__ = ("record", "version", "view")

    def __init__(self, view: View, record: Record, version: int) -> None:
        self.view = view
        self.record = record
        self.version = version

    def __getitem__(self, name: str) -> Any:
        if name == "Timestamp":
            return self.version
        return self.record.get(self.view.other_fields.get(name, name))

    def get(self, name: str, default: Any = None) -> Any:
        # The one that Mapping has looks a name up by way of exceptions, for each record of every list.
        value = self[name]
        return default if value is None else value

    def __iter__(self) -> Iterator[str]:
        return (prop.name for prop in self.view.endpoint.properties if prop.target is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@functools.cache
def _plain_names() -> dict[str, str]:
    """Return the path of each plain endpoint by its bare name; the sync and bulk twin of a name is unambiguous."""
    plain = [e for e in load().values() if not (e.is_sync or e.is_bulk or e.is_read or e.is_function)]
    return {endpoint.name.casefold(): endpoint.path for endpoint in plain}


@functools.cache
def view_of(endpoint: Endpoint) -> View:
    """Return what an endpoint shows; one without a twin has a table of its own."""
    path = endpoint.path.casefold()
    tables = OTHER_NAMES.get(path)
    if tables is None:
        twin = _plain_names().get(endpoint.name.casefold()) if endpoint.is_sync or endpoint.is_bulk else None
        tables = (twin or endpoint.path,)
    shown = tuple(table for table in tables if table.casefold() in load())
    other_fields = OTHER_FIELDS.get(path, {})
    if endpoint.is_sync and endpoint.property("ID") and shown and "ID" not in (keys := _key_names(shown[0])):
        # Sync endpoints tell records apart by an ID, also where the plain one calls its key otherwise.
        other_fields = {**other_fields, "ID": keys[0]}
    return View(endpoint, shown, other_fields)


def _key_names(table: str) -> list[str]:
    return [part.name for part in load()[table.casefold()].key] or ["ID"]


@functools.cache
def entity_type(table: str) -> int | None:
    """Return the number under which ``sync/Deleted`` lists this table's records; ``None``: it does not."""
    for endpoint in load().values():
        if endpoint.is_sync and table.casefold() in {shown.casefold() for shown in view_of(endpoint).tables}:
            return ENTITY_TYPES.get(endpoint.name.casefold())
    return None


@dataclass(frozen=True)
class Lines:
    """The records behind a navigation property: ``parent_field`` of each holds the header's key."""

    endpoint: Endpoint
    parent_field: str


# Set on records whose own fields do not name the header they were sent with.
HIDDEN_PARENT = "_parent"


@functools.cache
def lines_of(endpoint: Endpoint, prop: Property) -> Lines | None:
    """Return the records that a navigation property of ``endpoint`` leads to; ``None`` if the catalogue lacks them."""
    header = load()[view_of(endpoint).tables[0].casefold()]
    found = lines.lines_of(header, prop)
    return None if found is None else Lines(found.endpoint, found.parent_field or HIDDEN_PARENT)


def key_literal(endpoint: Endpoint, values: Key) -> str:
    """Write a record's key as an address shows it between parentheses."""
    if len(endpoint.key) == 1:
        return as_literal(endpoint.key[0].type, values[0])
    return ",".join(f"{f.name}={as_literal(f.type, v)}" for f, v in zip(endpoint.key, values, strict=True))


def record_key(endpoint: Endpoint, record: Shown) -> Key:
    return tuple(record.get(part.name) for part in endpoint.key)
