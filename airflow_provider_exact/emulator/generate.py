"""A handful of plausible records for every endpoint of the catalogue that has no seeded data of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.catalogue import Endpoint, Field, Property, load
from airflow_provider_exact.emulator import references
from airflow_provider_exact.emulator.routes import key_fields
from airflow_provider_exact.emulator.rules import CODE_WIDTH, PADDED_CODES
from airflow_provider_exact.emulator.settings import USERS
from airflow_provider_exact.emulator.store import Key, Record, user_id
from airflow_provider_exact.emulator.views import HIDDEN_PARENT, lines_of

if TYPE_CHECKING:
    from airflow_provider_exact.emulator.seed import Seed

ROWS = 5


def generic_rows(endpoint: Endpoint, seed: Seed) -> Iterator[tuple[Key, Record]]:
    """Yield the first records of a table, by key."""
    keys = key_fields(endpoint) or (Field("", "Int32"),)
    parent = _headers().get(endpoint.path)
    for number in range(ROWS):
        record = {
            prop.name: _value(endpoint, prop, number, seed) for prop in endpoint.properties if prop.target is None
        }
        if parent is not None:
            field, header = parent
            record[field] = seed.id_of(header, number % ROWS)
        key = tuple(_key_part(endpoint, field, number, seed) for field in keys)
        record.update({field.name: part for field, part in zip(keys, key, strict=True) if field.name})
        yield key, record


@functools.cache
def _headers() -> dict[str, tuple[str, str]]:
    """Return, by the path of a line endpoint, its field for the header's key and the header's path."""
    found: dict[str, tuple[str, str]] = {}
    for header in load().values():
        if header.is_sync or header.is_bulk or header.is_read or [part.type for part in header.key] != ["Guid"]:
            continue
        for prop in header.properties:
            if prop.target is None or (lines := lines_of(header, prop)) is None:
                continue
            # The endpoint that can be sent with these lines is their header, where several show them.
            if lines.endpoint.path not in found or (prop.is_writable("POST") and lines.parent_field != HIDDEN_PARENT):
                found[lines.endpoint.path] = (lines.parent_field, header.path)
    return found


def _key_part(endpoint: Endpoint, field: Field, number: int, seed: Seed) -> Any:
    match field.type:
        case "Guid":
            return seed.id_of(endpoint.path, number)
        case "String" if endpoint.path == "general/Currencies":
            return ("EUR", "USD", "GBP", "SEK", "CHF")[number]
        case "String":
            return f"{number + 1:02d}"
        case "DateTime":
            return seed.day(-number)
        case "Int32" if field.name == "Division":
            return seed.info.code
    return number + 1


def _value(endpoint: Endpoint, prop: Property, number: int, seed: Seed) -> Any:
    name = prop.name
    match prop.type:
        case "Guid" if name in {"Creator", "Modifier", "User"}:
            return user_id(number)
        case "Guid" if name in references.TARGETS:
            return seed.id_of(references.TARGETS[name], number % 3)
        case "Guid":
            return seed.id_of(f"{endpoint.path}.{name}", number) if prop.mandatory else None
        case "DateTime" if name in {"Created", "Modified"}:
            return seed.moment(-60 + number * 7, number * 11)
        case "DateTime":
            return None if name.startswith("End") else seed.day(-30 + number)
        case "Boolean":
            return number % 2 == 0
        case "Double":
            return 10.0 * (number + 1)
        case "Int32" if name == "Division":
            return seed.info.code
        case "Byte" | "Int16" | "Int32" | "Int64":
            return number + 1
        case "String" if name.endswith(("FullName", "Fullname")):
            return USERS[number % len(USERS)].full_name
        case "String" if name == "Code" and endpoint.path in PADDED_CODES:
            return f"{number + 1}".rjust(CODE_WIDTH)
        case "String" if name == "Code" or name.endswith("Number"):
            return f"{number + 1:03d}"
        case "String" if name.endswith("Code"):
            return f"{number + 1}"
        case "String" if name == "Currency":
            return "EUR"
        case "String" if "Email" in name:
            return f"{name.lower()}{number + 1}@example.test"
        case "String" if prop.mandatory or name in {"Description", "Name", "Subject"}:
            return f"{endpoint.name} {number + 1}"
        case "String" if name == "Attachment" or name.startswith("Free"):
            return None
        case "String":
            return None if len(name) > 12 else f"{name} {number + 1}"
    return None
