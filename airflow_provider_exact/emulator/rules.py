"""What must hold before a record is stored, for any endpoint and for project hours and costs in particular."""

from __future__ import annotations

import base64
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.emulator import references
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.store import Record, Store
from airflow_provider_exact.emulator.values import WrongTypeError, stored
from airflow_provider_exact.emulator.views import HOURS, lines_of

WRITABLE_STATUSES = (1, 2, 10)
# Numbers that a record is known by: given out by the server.
NUMBERS = ("OrderNumber", "QuotationNumber", "EntryNumber", "Number", "HID", "ReceiptNumber", "DeliveryNumber")
# Stored with spaces in front, whatever was sent.
PADDED_CODES = frozenset({"crm/Accounts", "crm/Contacts"})
CODE_WIDTH = 18
ATTACHMENTS = "documents/DocumentAttachments"
# Checked on every endpoint that has them: these tables are seeded and linked.
CHECKED_REFERENCES = ("Account", "Item", "Project", "Employee", "Activity", "Subscription", "SubscriptionAccount")


def checked_body(endpoint: Endpoint, body: object, method: str, zone: str) -> Record:
    """
    Return the fields of a POST or PUT as the store keeps them; lines stay as they came.

    :raises Refusal: the body is not a record, or a field is unknown, read-only or of another type.
    """
    if not isinstance(body, dict):
        raise Refusal(400, "Error processing request stream. The request should be a valid top-level resource object.")
    record: Record = {}
    for name, value in body.items():
        if name == "__metadata":
            continue
        prop = endpoint.property(name)
        if prop is None or prop.name != name:
            raise Refusal(
                400,
                f"Error processing request stream. The property name '{name}' specified for type "
                f"'Exact.Web.Api.Models.{endpoint.name}' is not valid.",
            )
        # Records that only come as lines of others have no methods, and flags that say nothing.
        if method in endpoint.methods and not prop.is_writable(method):
            raise Refusal(400, f"The property '{name}' is read-only.")
        if prop.target is not None:
            is_wrapped = isinstance(value, dict) and set(value) == {"results"}
            record[name] = value["results"] if is_wrapped else value
            continue
        try:
            record[name] = stored(prop.type, value, zone)
        except WrongTypeError as error:
            raise Refusal(
                400,
                f"Error processing request stream. Error encountered in converting the value from request payload "
                f"for property '{name}' to type 'Edm.{prop.type}'.",
            ) from error
    return record


def check_mandatory(endpoint: Endpoint, record: Record, *, given: tuple[str, ...] = ()) -> None:
    """
    Refuse a POST that lacks a mandatory field.

    :param given: Fields that need not be in the body: the key of the header that a line is sent with.
    """
    for prop in endpoint.properties:
        value = record.get(prop.name)
        if prop.mandatory and prop.name not in given and (value is None or value in ("", [])):
            raise Refusal(400, f"Mandatory: {prop.name}")


def check_references(store: Store, endpoint: Endpoint, record: Record) -> None:
    for name in CHECKED_REFERENCES:
        target = references.TARGETS[name]
        key = record.get(name)
        if key is not None and endpoint.path != target and store.get(target, key) is None:
            raise Refusal(400, f"Invalid reference: {name}")


def check_booking(store: Store, record: Record) -> None:
    """Hold hours and costs to their own rules: whom they are for, their status and their quantity."""
    if all(record.get(name) is None for name in ("Account", "Project", "Subscription")):
        raise Refusal(400, "Mandatory: Account, Project or Subscription")
    for name in ("Item", "Quantity"):
        if record.get(name) is None:
            raise Refusal(400, f"Mandatory: {name}")
    item = store.get(references.ITEMS, record["Item"]) or {}
    if not item.get("IsFractionAllowedItem") and not float(record["Quantity"]).is_integer():
        raise Refusal(400, "Quantity: the item is not divisable")
    activity = store.get(references.ACTIVITIES, record.get("Activity")) or {}
    if activity and record.get("Project") not in {None, activity["Project"]}:
        raise Refusal(400, "Invalid reference: Activity")


def check_status(changes: Record) -> None:
    if "HourStatus" in changes and changes["HourStatus"] not in WRITABLE_STATUSES:
        raise Refusal(400, "HourStatus: only 1 (Draft), 2 (Rejected) and 10 (Submitted) can be set")


def complete_booking(store: Store, endpoint: Endpoint, record: Record, today: Any) -> None:
    """Give hours and costs what the server knows better than the caller: price, amount, number, status."""
    item = store.get(references.ITEMS, record["Item"]) or {}
    if record.get("PriceFC") is None:
        record["PriceFC"] = (
            record["Price"] if record.get("Price") is not None else item.get("StandardSalesPrice") or 0.0
        )
    record["AmountFC"] = round(record["Quantity"] * record["PriceFC"], 2)
    for name, value in (
        ("Type", 1 if endpoint.path == HOURS else 2),
        ("HourStatus", 1),
        ("Currency", "EUR"),
        ("Date", today),
    ):
        if record.get(name) is None:
            record[name] = value


def complete(store: Store, endpoint: Endpoint, record: Record) -> None:
    """Give a new record the numbers and the code that the server gives out where the caller did not."""
    for name in NUMBERS:
        prop = endpoint.property(name)
        if prop is not None and prop.type in {"Int32", "Int64"} and record.get(name) is None:
            record[name] = 1_000_000 + store.next_number()
    if endpoint.path in PADDED_CODES and record.get("Code") is None:
        record["Code"] = str(1_000_000 + store.next_number())
    if endpoint.path == ATTACHMENTS:
        record["FileSize"] = float(len(base64.b64decode(record["Attachment"])))
    pad_code(endpoint, record)


def pad_code(endpoint: Endpoint, record: Record) -> None:
    if endpoint.path in PADDED_CODES and record.get("Code") is not None:
        record["Code"] = record["Code"].strip().rjust(CODE_WIDTH)


def complete_line(endpoint: Endpoint, line: Record, header: Record, number: int) -> None:
    """Give a line its number and those of the header that it was sent with."""
    for name in NUMBERS:
        if endpoint.property(name) is not None and header.get(name) is not None:
            line.setdefault(name, header[name])
    if endpoint.property("LineNumber") is not None:
        line.setdefault("LineNumber", number)


def line_bodies(endpoint: Endpoint, record: Record) -> list[tuple[Endpoint, object, Property, str]]:
    """Take the lines out of a body: each with its endpoint, where it was, and the field for the header's key."""
    found: list[tuple[Endpoint, object, Property, str]] = []
    for prop in endpoint.properties:
        if prop.target is None or prop.name not in record:
            continue
        sent = record.pop(prop.name)
        lines = lines_of(endpoint, prop)
        if lines is None or sent is None:
            continue
        if not isinstance(sent, list):
            raise Refusal(400, f"Error processing request stream. '{prop.name}' must be a list of records.")
        found.extend((lines.endpoint, line, prop, lines.parent_field) for line in sent)
    return found
