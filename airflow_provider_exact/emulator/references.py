"""Fields that point at other records, and the read-only fields that repeat something of those."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator.store import Record, Store

ACCOUNTS = "crm/Accounts"
ITEMS = "logistics/Items"
PROJECTS = "project/Projects"
EMPLOYEES = "payroll/Employees"
ACTIVITIES = "project/WBSActivities"
SUBSCRIPTIONS = "subscription/Subscriptions"
USERS = "users/Users"

TARGETS = {
    "Account": ACCOUNTS,
    "ProjectAccount": ACCOUNTS,
    "SubscriptionAccount": ACCOUNTS,
    "OrderedBy": ACCOUNTS,
    "InvoiceTo": ACCOUNTS,
    "DeliverTo": ACCOUNTS,
    "Supplier": ACCOUNTS,
    "Customer": ACCOUNTS,
    "Item": ITEMS,
    "Expense": ITEMS,
    "Project": PROJECTS,
    "Employee": EMPLOYEES,
    "Activity": ACTIVITIES,
    "Subscription": SUBSCRIPTIONS,
    "Manager": USERS,
    "Creator": USERS,
    "Modifier": USERS,
}
# What a derived field's name ends in -> the field of the other record, tried in this order.
SUFFIXES = {
    "Name": ("Name", "FullName"),
    "Code": ("Code",),
    "Description": ("Description",),
    "FullName": ("FullName",),
    "Fullname": ("FullName",),
    "Number": ("Number",),
    "Divisable": ("IsFractionAllowedItem",),
    "HID": ("HID",),
}
# A record that points at the left also tells about the right: the account of its project.
THROUGH = {"ProjectAccount": ("Project", "Account"), "SubscriptionAccount": ("Subscription", "OrderedBy")}


@dataclass(frozen=True)
class Derived:
    """Read-only ``name`` repeats one of ``sources`` of the record that ``reference`` points at."""

    name: str
    reference: str
    sources: tuple[str, ...]


@functools.cache
def derived_fields(endpoint: Endpoint) -> tuple[Derived, ...]:
    found = []
    for prop in endpoint.properties:
        for reference in TARGETS:
            sources = SUFFIXES.get(prop.name.removeprefix(reference)) if prop.name.startswith(reference) else None
            if sources and endpoint.property(reference) and prop.type != "Guid" and not prop.is_writable("POST"):
                found.append(Derived(prop.name, reference, sources))
    return tuple(found)


def derive(store: Store, endpoint: Endpoint, record: Record) -> None:
    """Fill the derived fields of a record from the records that it points at."""
    for name, (through, field) in THROUGH.items():
        prop = endpoint.property(name)
        if prop is None or endpoint.property(through) is None:
            continue
        if not prop.is_writable("POST") or record.get(name) is None:
            other = store.get(TARGETS[through], record.get(through))
            record[name] = None if other is None else other.get(field)
    for derived in derived_fields(endpoint):
        key = record.get(derived.reference)
        other = None if key is None else store.get(TARGETS[derived.reference], key)
        record[derived.name] = next(
            (other[source] for source in derived.sources if other and other.get(source) is not None), None
        )
