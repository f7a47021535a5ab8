"""
Codes of accounts and contacts: Exact keeps them with spaces in front, and finds nothing without these, silently.
"""

from __future__ import annotations

import re

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.errors import ExactRequestError

WIDTH = 18
PADDED = frozenset({"crm/accounts", "bulk/crm/accounts", "crm/contacts"})
# A comparison with `Code`; what stands between other quotes is text of somebody's.
_COMPARED = re.compile(r"((?<![\w/])Code\s+(?:eq|ne|gt|ge|lt|le)\s+)?'((?:[^']|'')*)'", re.IGNORECASE)
_BEGINS = re.compile(r"startswith\(\s*Code\s*,\s*'(?! )", re.IGNORECASE)


def padded(code: str) -> str:
    """Return a code as wide as Exact keeps it."""
    return code.strip().rjust(WIDTH)


def pad_codes(endpoint: Endpoint, text: str, option: str) -> str:
    """
    Return a filter with the codes in it as wide as Exact keeps them.

    :param option: What the caller calls the filter, for messages.
    :raises ExactRequestError: it asks how a code begins, which is always a space.
    """
    if endpoint.path.casefold() not in PADDED:
        return text
    if _BEGINS.search(text):
        raise ExactRequestError(
            f"{option}: every Code of {endpoint.path} starts with spaces, {WIDTH} characters in all, so startswith "
            "finds none. Compare with =, >= and <, or use endswith or substringof."
        )

    def wide(found: re.Match[str]) -> str:
        before, code = found[1], found[2].replace("''", "'")
        if before is None or not code.strip():
            return found[0]
        return before + "'" + padded(code).replace("'", "''") + "'"

    return _COMPARED.sub(wide, text)
