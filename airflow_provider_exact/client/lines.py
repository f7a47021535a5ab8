"""The records that hang below another one: the lines of an invoice, the batch numbers of a delivery line."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from airflow_provider_exact.client.catalogue import Endpoint, Property, load


@dataclass(frozen=True)
class Lines:
    """
    The endpoint of the records behind a navigation property.

    ``parent_field`` of each holds the key of the record above it, and is ``None`` where no field is known to.
    """

    endpoint: Endpoint
    parent_field: str | None

    @property
    def methods(self) -> tuple[str, ...]:
        """How a single one of them can be written."""
        return tuple(method for method in self.endpoint.methods if method != "GET")


@functools.cache
def lines_of(header: Endpoint, prop: Property) -> Lines | None:
    """Return what a navigation property of ``header`` leads to; ``None`` if the catalogue lacks it."""
    if prop.target is None:
        return None
    named = _by_name().get(prop.target.casefold(), [])
    found = next((line for line in named if line.service == header.service), named[0] if named else None)
    if found is None:
        return None
    key = header.key[0].name if header.key else ""
    names_header = key not in {field.name for field in found.key} and found.property(key)
    return Lines(found, names_header.name if names_header else None)


def written_apart(header: Endpoint, prop: Property) -> Lines | None:
    """Return what a property of ``header`` leads to if, once created, it is changed through its own endpoint only."""
    lines = lines_of(header, prop) if prop.is_collection else None
    return lines if lines is not None and lines.methods else None


@functools.cache
def _by_name() -> dict[str, list[Endpoint]]:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in load().values():
        if not (endpoint.is_sync or endpoint.is_bulk or endpoint.is_read):
            found.setdefault(endpoint.name.casefold(), []).append(endpoint)
    return found
