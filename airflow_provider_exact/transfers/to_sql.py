"""Operator that keeps a table of a database in step with an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_exact.client.query import whole_number
from airflow_provider_exact.operators.base import check_required, given, is_final
from airflow_provider_exact.transfers.base import ExactOnlineTransfer, run_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from sqlalchemy.engine import Engine

    from airflow_provider_exact.extract.cursor import Cursor
    from airflow_provider_exact.extract.engine import Outcome
    from airflow_provider_exact.extract.plan import Plan
    from airflow_provider_exact.extract.sql_table import Table
    from airflow_provider_exact.lineage import Output
    from airflow_provider_exact.transfers.cursors import CursorStore

BATCH_SIZE = 5000


class ExactOnlineToSqlOperator(ExactOnlineTransfer):
    """
    Write an endpoint's records to a table, by key, in transactions; return how many, never the records.

    The table is made from the catalogue and gets columns as they appear. Beside the endpoint's own it has
    ``_division``, ``_deleted`` and ``_load``; several divisions share it. How far each has come is in
    ``_exact_online_state`` in the same schema, written in the transaction of the rows. Needs the extra ``sql`` and the
    driver of the database.

    :param sql_conn_id: The Airflow connection of the database; with ``sqlalchemy_scheme`` in its extra
        (``postgresql+psycopg``) it needs no provider for its type.
    :param table: ``table`` or ``schema.table``, in the letter case that it has or is to have.
    :param mode: ``incremental`` reads what changed since the last run, ``full`` everything each time.
    :param deletions: What becomes of rows whose records Exact no longer has: ``delete`` them, ``mark`` them with
        ``_deleted``, or ``ignore`` it.
    :param batch_size: Rows of a transaction.
    """

    deletion_modes = ("delete", "mark", "ignore")
    template_fields: Sequence[str] = (
        *ExactOnlineTransfer.template_fields,
        "sql_conn_id",
        "table",
        "batch_size",
    )

    def __init__(
        self,
        *,
        sql_conn_id: str,
        table: str,
        mode: str = "incremental",
        deletions: str = "delete",
        batch_size: int | str = BATCH_SIZE,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, deletions=deletions, **kwargs)
        self.sql_conn_id = sql_conn_id
        self.table = table
        self.batch_size = batch_size
        self._engine: Engine | None = None
        check_required(sql_conn_id=sql_conn_id, table=table)
        if is_final(batch_size):
            whole_number("batch_size", batch_size)

    def execute(self, context: Context) -> dict[str, Any]:
        try:
            return super().execute(context)
        finally:
            if self._engine is not None:
                self._engine.dispose()

    @property
    def destination_text(self) -> str:
        return f"{self.table} of {self.sql_conn_id}"

    def prepare(self, context: Context, plan: Plan) -> Table:  # noqa: ARG002, the base's
        from airflow_provider_exact.transfers.databases import engine_of

        check_required(sql_conn_id=given(self.sql_conn_id), table=given(self.table))
        self._engine = engine_of(self.sql_conn_id)
        # Only now is it certain that SQLAlchemy is there.
        from airflow_provider_exact.extract.sql_table import Table

        return Table(
            self._engine,
            self.table,
            run=run_of(context),
            deletions=self.deletions,  # type: ignore[arg-type]  # checked there
            batch_size=whole_number("batch_size", self.batch_size) or BATCH_SIZE,
        )

    def begin(self, destination: Table, plan: Plan, store: CursorStore | None) -> Cursor | None:
        from airflow_provider_exact.extract.sql_table import Wish

        kept = store.get() if store else None
        if kept is not None and kept.by_hand is not None:
            destination.wish = Wish(kept.by_hand, kept.cursor)
        return destination.cursor(plan)

    def keep(self, outcome: Outcome, store: CursorStore | None) -> None:
        if store is not None:
            store.copy(outcome.cursor)

    def whereabouts(self, outcome: Outcome) -> dict[str, str]:  # noqa: ARG002, the base's
        return {"table": self.table, "sql_conn_id": self.sql_conn_id}

    def written_to(self, outcome: Outcome) -> Output:  # noqa: ARG002, the base's
        from airflow_provider_exact.client.rows import Column
        from airflow_provider_exact.extract.sql_schema import DELETED, DIVISION, LOAD
        from airflow_provider_exact.lineage import table_output

        # Its address stays known when it is disposed of.
        engine = cast("Engine", self._engine)
        return table_output(
            engine.url, self.table, [Column(DIVISION, "Int32"), Column(DELETED, "Boolean"), Column(LOAD, "Int32")]
        )
