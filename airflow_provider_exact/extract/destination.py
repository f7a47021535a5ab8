"""What an extraction wants of the place that it writes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.rows import Moments
from airflow_provider_exact.extract.cursor import Checkpoint
from airflow_provider_exact.extract.plan import Plan


class ExactTakenOverError(ExactRequestError):
    """Another task or try writes to the same place by now: stop, since trying again would only oust that one."""


class Destination(Protocol):
    """
    Files or a table. It decides when what it was given is safe, and keeps the checkpoint that belongs to it.
    """

    @property
    def moments(self) -> Moments:
        """What makes of epoch milliseconds what it wants of dates."""

    def unfinished(self, plan: Plan) -> Checkpoint | None:
        """Return where an interrupted try of this plan goes on, or ``None`` when there was none."""

    def open(self, plan: Plan, checkpoint: Checkpoint) -> None:
        """Get ready; what is there beyond the checkpoint is dropped."""

    def write(self, rows: Sequence[Any], checkpoint: Checkpoint) -> None:
        """
        Take the rows of a page; of several rows with one key, the one with the highest ``plan.by`` counts in the end.

        :param rows: Structs of a ``RowReader`` for ``plan.columns``: attributes ``f0``, ``f1``, … in their order.
        :param checkpoint: Where to go on once these rows are safe.
        """

    def delete(self, keys: Sequence[tuple[object, ...]], checkpoint: Checkpoint) -> None:
        """Take the keys of records that Exact no longer has; a key counts as deleted whatever was written before."""

    def finish(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Make everything visible and durable; return what to tell about it (counts, paths), in plain JSON."""

    def interrupt(self) -> None:
        """Make safe what can be, because the extraction stops before its end; must not raise for being called twice."""
