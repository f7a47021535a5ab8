"""What Exact demands of a list: refused here, since at Exact each refusal counts towards blocking the app."""

from __future__ import annotations

import re

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.twins import twins_of

_QUOTED = re.compile(r"(?:guid|datetime|datetimeoffset|time|binary|X)?'(?:[^']|'')*'", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w./'])[A-Za-z_]\w*(?:/\w+)*(?!\w|\s*\()")
_WORDS = {
    "and", "or", "not", "eq", "ne", "gt", "ge", "lt", "le", "true", "false", "null", "add", "sub", "mul", "div", "mod",
}  # fmt: skip
# The fields that people filter on most, named first of a long list.
_USUAL = ("ID", "Code", "Name", "Description", "Modified", "Created", "Status", "Date", "Item", "Account")
MOST_NAMED = 15


def check_listing(
    endpoint: Endpoint, *, filter: str | None, select: str | None, top: int | None, option: str = "filter"
) -> None:
    """
    Refuse a list that Exact is known to refuse; what the catalogue does not know passes.

    :param filter: OData text.
    :param option: What the filter was made of, for messages.
    :raises ExactRequestError: the message names the field or the other endpoint that serves.
    """
    fields = fields_in(filter or "")
    allowed = {name.casefold() for name in endpoint.filter_fields}
    if endpoint.filter_mandatory and allowed.isdisjoint(name.casefold() for name in fields):
        given = f", not on {' and '.join(fields)}" if fields else ""
        raise ExactRequestError(
            f"{option}: {endpoint.path} can only be listed with a filter on one of {_some(endpoint)}{given}."
            f"{_without_filter(endpoint) if option == 'filter' else ''}"
        )
    others = [name for name in fields if name.casefold() not in allowed]
    if (endpoint.is_sync or endpoint.is_bulk) and allowed and others:
        raise ExactRequestError(
            f"filter: {endpoint.path} can't be filtered on {' and '.join(others)}, only on "
            f"{_some(endpoint)}.{_with_more_filters(endpoint)}"
        )
    if endpoint.select_required and not select and top != 1:
        raise ExactRequestError(
            f"select: {endpoint.path} can only be listed with the fields named, such as "
            f"select={[field.name for field in endpoint.key]}."
        )


def fields_in(text: str) -> list[str]:
    """
    Return the fields that OData text names, each once, as it spells them; of a path only the first part.

    :raises ExactRequestError: a quote in it is not closed.
    """
    rest = _QUOTED.sub(" '' ", text)
    if rest.count("'") % 2:
        raise ExactRequestError("filter: a quote (') is not closed in it. A quote inside a text is written twice ('').")
    names = (name.partition("/")[0] for name in _NAME.findall(rest))
    return list(dict.fromkeys(name for name in names if name.casefold() not in _WORDS))


def _some(endpoint: Endpoint) -> str:
    """Name the fields that may be filtered on."""
    usual = [name for name in _USUAL if name in endpoint.filter_fields]
    named = [*usual, *(name for name in endpoint.filter_fields if name not in usual)]
    left = len(named) - MOST_NAMED
    more = f" and {left} more (exact-online endpoints {endpoint.path} shows them)" if left > 0 else ""
    return ", ".join(named[:MOST_NAMED]) + more


def _without_filter(endpoint: Endpoint) -> str:
    """Return which twin lists all records."""
    twins = twins_of(endpoint)
    texts = []
    if twins.sync is not None:
        texts.append(f"{twins.sync.path}, which needs none")
    if twins.bulk is not None and twins.bulk != endpoint:
        texts.append(f"{twins.bulk.path}, which needs one too and has {twins.bulk.page_size} records a page")
    return f" Or list {', or '.join(texts)}." if texts else ""


def _with_more_filters(endpoint: Endpoint) -> str:
    plain = [twin.path for twin in twins_of(endpoint).plain]
    hint = f" {' and '.join(plain)} can be filtered on more;" if plain else ""
    return f"{hint} or choose from the records that come."
