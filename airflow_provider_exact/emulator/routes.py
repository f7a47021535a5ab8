"""An address below ``/api/v1/`` -> division, endpoint, key."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, Field, load
from airflow_provider_exact.emulator.errors import syntax_error
from airflow_provider_exact.emulator.values import WrongTypeError, literal

API = "/api/v1/"
ADDRESS = re.compile(r"(?P<path>[A-Za-z0-9_/]+?)(\((?P<key>.*)\)(/(?P<lines>\w+))?)?(?P<count>/\$count)?/?", re.DOTALL)
PART = re.compile(r"(?:([A-Za-z_]\w*)\s*=\s*)?((?:guid|datetime)?'(?:[^']|'')*'|[^,'=]+)(?:,|$)")

# `/{division}/system/Me` answers like `current/Me`, and the reference pages do not list it.
ME = "current/me"
HIDDEN_ME = "system/me"


@dataclass(frozen=True)
class Route:
    """
    Where a call goes; ``path`` is the endpoint's in the catalogue's letter case, or as asked when unknown.

    ``lines`` is the navigation property behind the key, if there is one.
    """

    division: int | None
    path: str
    endpoint: Endpoint | None
    key: str | None = None
    lines: str | None = None
    is_count: bool = False


def find(path: str) -> Route | None:
    """Return where a decoded address leads, or ``None`` if it is not one of the API."""
    if not path.lower().startswith(API):
        return None
    rest = path[len(API) :]
    division: int | None = None
    if found := re.fullmatch(r"(beta/)?(\d{1,9})/(.+)", rest, re.IGNORECASE | re.DOTALL):
        division = int(found[2])
        rest = f"{(found[1] or '').lower()}{found[3]}"
    parts = ADDRESS.fullmatch(rest)
    if parts is None:
        return Route(division, rest, None)
    name = parts["path"].casefold()
    known = load().get(ME if name == HIDDEN_ME and division is not None else name)
    if known is not None and (known.path.casefold() == ME) != (division is None or name == HIDDEN_ME):
        known = None
    path = parts["path"] if known is None else known.path
    return Route(division, path, known, parts["key"], parts["lines"], parts["count"] is not None)


def key_values(endpoint: Endpoint, text: str) -> tuple[Any, ...]:
    """
    Read the key between an address's parentheses by the types of the endpoint's key.

    :raises Refusal: it has other parts or types.
    """
    fields = key_fields(endpoint)
    if endpoint.is_sync and re.fullmatch(r"\d+L?", text):
        # What the pages call the key, and what links to a sync record hold.
        fields = endpoint.key
    given: dict[str | None, str] = {}
    at = 0
    while at < len(text):
        found = PART.match(text, at)
        if found is None:
            raise syntax_error()
        given[found[1]] = found[2].strip()
        at = found.end()
    names: list[str | None] = [field.name for field in fields]
    if len(names) == 1 and list(given) == [None]:
        given = {names[0]: given[None]}
    if not fields or sorted(map(str, given)) != sorted(map(str, names)):
        raise syntax_error()
    try:
        return tuple(literal(field.type, given[field.name]) for field in fields)
    except WrongTypeError as error:
        raise syntax_error() from error


@functools.cache
def key_fields(endpoint: Endpoint) -> tuple[Field, ...]:
    """
    Return the fields that tell this endpoint's records apart.

    The pages of sync endpoints call ``Timestamp`` the key, which changes with every update: ``ID`` is the stable one.
    """
    if endpoint.is_sync and (prop := endpoint.property("ID")):
        return (Field(prop.name, prop.type),)
    return endpoint.key
