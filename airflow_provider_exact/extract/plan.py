"""What an extraction reads: from which endpoint, which columns, and by which field it tells what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.client.rows import Column

Mode = Literal["full", "incremental"]

TIMESTAMP = "Timestamp"
MODIFIED = "Modified"


@dataclass(frozen=True)
class Plan:
    """
    One extraction, decided before its first call.

    :param endpoint: What was asked for, and what the destination is named after.
    :param source: What is listed: the endpoint itself or a twin of it.
    :param columns: What the rows hold, in this order; the key is among them, and ``by`` if there is one.
    :param key: The columns that tell records apart.
    :param by: The column that rises with each change: ``Timestamp`` of a sync endpoint, else ``Modified``; ``None``
        when neither is among the columns, which only full extractions can do without.
    :param filter: OData text, without what a cursor adds.
    :param only: Keep rows with these values, which Exact can't be asked for: ``{"Type": 1}``.
    :param deletions: The number under which ``sync/Deleted`` lists deleted records; ``None`` if they can't be seen.
    :param why: The choice of the source, for the log.
    """

    division: int
    endpoint: Endpoint
    source: Endpoint
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    mode: Mode = "full"
    by: str | None = None
    filter: str | None = None
    only: tuple[tuple[str, object], ...] = ()
    deletions: int | None = None
    why: str = ""
