"""
Write what is derived from the packaged catalogue: ``docs/catalogue.md`` and the types of the most used records.

``python -m tools.build_reference`` writes both files; a test fails while they are not as this would write them.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from airflow_provider_exact.client.catalogue import Endpoint, Property, load
from airflow_provider_exact.client.twins import twins_of

ROOT = Path(__file__).parent.parent
TYPED = {
    "project/TimeTransactions": "TimeTransactionData",
    "project/CostTransactions": "CostTransactionData",
    "project/Projects": "ProjectData",
    "crm/Accounts": "AccountData",
    "crm/Contacts": "ContactData",
    "logistics/Items": "ItemData",
    "salesinvoice/SalesInvoices": "SalesInvoiceData",
    "salesinvoice/SalesInvoiceLines": "SalesInvoiceLineData",
    "salesorder/SalesOrders": "SalesOrderData",
    "salesorder/SalesOrderLines": "SalesOrderLineData",
    "financial/GLAccounts": "GLAccountData",
    "documents/Documents": "DocumentData",
    "documents/DocumentAttachments": "DocumentAttachmentData",
}
# What may be passed; text of a number or a date is what a template renders to.
PYTHON_TYPES = {
    "Guid": "Guid",
    "String": "str",
    "Boolean": "bool | str",
    "Byte": "int | str",
    "Int16": "int | str",
    "Int32": "int | str",
    "Int64": "int | str",
    "Double": "Number",
    "DateTime": "Moment",
    "Binary": "bytes | str",
    None: "Any",
}
GROUPS = {
    "sync": "Changes since a `Timestamp`, in pages of 1,000; only `Timestamp` can be filtered on.",
    "bulk": "Reads in pages of 1,000; only some fields can be filtered on.",
    "read": "Functions, which take parameters instead of a filter, and overviews.",
    "beta": "What Exact may still change.",
}
INTRODUCTION = """\
# Catalogue

<!-- Written by `python -m tools.build_reference` from airflow_provider_exact/client/catalogue.jsonl. -->

The {count} endpoints of Exact Online that the provider knows, as `endpoint=` takes them. Others can be called as well:
then nothing is checked before the call. `exact-online endpoints project/TimeTransactions` shows the fields of one
([command line](command-line.md)).

- **key**: what `primary_key=` takes, and its type. A dict is needed where there are several.
- **page**: how many records come with one call; a dash where all come at once.
- **same records**: other endpoints that show them. `sync/…` is for keeping up with changes, `bulk/…` for reading much.
- **rules**: *filter* means that a list needs a filter on one of so many fields, *select* that it needs `select`.
  Functions name their parameters; *parameters?* means that they are not known. *unlisted* endpoints are not in Exact's
  reference.
"""


def row(endpoint: Endpoint) -> str:
    keys = "<br>".join(f"{field.name} {field.type or ''}".strip() for field in endpoint.key) or "-"
    twins = "<br>".join(f"`{twin.path}`" for twin in twins_of(endpoint).others(endpoint))
    cells = (
        f"`{endpoint.path}`",
        " ".join(endpoint.methods),
        keys,
        f"{endpoint.page_size:,}" if endpoint.page_size else "-",
        twins,
        ", ".join(rules(endpoint)),
    )
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def rules(endpoint: Endpoint) -> list[str]:
    found = []
    if endpoint.filter_mandatory:
        found.append(f"filter on one of {len(endpoint.filter_fields)} fields")
    elif endpoint.is_bulk and endpoint.filter_fields:
        found.append(f"filter only on {', '.join(endpoint.filter_fields)}")
    if endpoint.select_required:
        found.append("select")
    if endpoint.select_star is False:
        found.append("no `select=*`")
    if endpoint.is_function:
        known = endpoint.parameters
        found.append("parameters?" if known is None else f"`{', '.join(f'{f.name}: {f.type}' for f in known)}`")
    if not endpoint.is_listed:
        found.append("unlisted")
    return found


def group_of(endpoint: Endpoint) -> str:
    first = endpoint.path.partition("/")[0]
    return first if first in GROUPS else endpoint.service


def catalogue_page() -> str:
    endpoints = sorted(load().values(), key=lambda e: (group_of(e) in GROUPS, group_of(e), e.path.casefold()))
    parts = [INTRODUCTION.format(count=len(endpoints))]
    for group, members in groupby(endpoints, key=group_of):
        parts.append(f"\n## {group}\n\n{GROUPS[group]}\n\n" if group in GROUPS else f"\n## {group}\n\n")
        parts.append("| endpoint | methods | key | page | same records | rules |\n|---|---|---|---|---|---|\n")
        parts.extend(f"{row(endpoint)}\n" for endpoint in members)
    return "".join(parts)


TYPES_HEADER = '''\
"""
The fields of the most used records, for editors and type checkers: a wrong name is seen while it is typed.

``data: AccountData = {"Name": "Bakkerij", "Citty": "Assen"}`` is an error that mypy and editors show. At run time each
is a plain dict. Only the fields that can be written are in here, and none is required, since an update needs none.

Written by ``python -m tools.build_reference`` from the catalogue.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

# Text is always fine: it is what a template renders to.
Guid = str | UUID
Number = float | Decimal | str
Moment = date | str
'''


def python_type(prop: Property) -> str:
    if prop.target is None:
        return PYTHON_TYPES[prop.type]
    name = next((name for path, name in TYPED.items() if path.rpartition("/")[2] == prop.target), "dict[str, Any]")
    return f"list[{name}]" if prop.is_collection else name


def record_types() -> str:
    parts = [TYPES_HEADER]
    for path, name in TYPED.items():
        endpoint = load()[path.casefold()]
        fields = [prop for prop in endpoint.properties if prop.access != "r"]
        must = [prop.name for prop in fields if prop.mandatory]
        needs = f"; a new record needs {' and '.join(must)}" if must else ""
        parts.append(f'\n\nclass {name}(TypedDict, total=False):\n    """Fields of ``{path}``{needs}."""\n\n')
        parts.extend(f"    {prop.name}: {optional(python_type(prop))}\n" for prop in fields)
    return "".join(parts)


def optional(name: str) -> str:
    return name if name == "Any" else f"{name} | None"


FILES = {
    ROOT / "docs" / "catalogue.md": catalogue_page,
    ROOT / "airflow_provider_exact" / "record_types.py": record_types,
}


def main() -> None:
    for path, make in FILES.items():
        path.write_text(make(), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
