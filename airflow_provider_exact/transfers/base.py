"""What the transfers share: a plan, a cursor, an extraction, and what Airflow is told of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.operators.base import (
    ExactOnlineOperator,
    check_endpoint,
    check_filter,
    check_no_text,
    given,
    is_final,
)
from airflow_provider_exact.transfers.outlets import with_alias

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Asset, Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_provider_exact.extract.cursor import Cursor
    from airflow_provider_exact.extract.destination import Destination
    from airflow_provider_exact.extract.engine import Outcome
    from airflow_provider_exact.extract.plan import Plan
    from airflow_provider_exact.lineage import Output
    from airflow_provider_exact.transfers.cursors import CursorStore

MODES = ("full", "incremental")


class ExactOnlineTransfer(ExactOnlineOperator):
    """
    Base of the transfers: not used by itself.

    :param endpoint: The path behind the division: ``crm/Accounts``. Its sync or bulk twin is read where that serves.
    :param select: The fields wanted, as a list or separated by commas; without it, all that the chosen source has.
    :param filter: OData text or a dict; sync endpoints take none, so that it can cost more calls.
    :param mode: ``full`` reads everything each time, ``incremental`` what changed since the last run.
    :param prefer: Read from the ``sync``, ``bulk`` or ``plain`` endpoint, or fail.
    :param deletions: What becomes of records that Exact no longer has; ``ignore`` saves a call in each incremental run.
    :param types: Edm types by field (``{"FreeField": "String"}``), for what the catalogue does not know or has wrong.
    """

    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "endpoint",
        "select",
        "filter",
        "mode",
        "prefer",
        "types",
        "deletions",
    )
    deletion_modes: ClassVar[tuple[str, ...]]
    template_fields_renderers: ClassVar[dict[str, str]] = {"types": "json"}

    def __init__(
        self,
        *,
        endpoint: str,
        select: str | Sequence[str] | None = None,
        filter: str | Mapping[str, Any] | None = None,
        mode: str = "full",
        prefer: str | None = None,
        types: Mapping[str, str] | None = None,
        deletions: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.select = select
        self.filter = filter
        self.mode = mode
        self.prefer = prefer
        self.types = types
        self.deletions = deletions
        self.outcome: Outcome | None = None
        self._asset: Asset | None = None
        check_endpoint(endpoint)
        if is_final(mode) and mode not in MODES:
            raise ExactRequestError(f"mode: expected {' or '.join(map(repr, MODES))}, not {mode!r}.")
        if is_final(deletions) and deletions not in self.deletion_modes:
            raise ExactRequestError(f"deletions: expected one of {', '.join(self.deletion_modes)}, not {deletions!r}.")
        self.outlets = with_alias(self.outlets, endpoint)

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """
        Set the arguments that all mapped tasks share, and declare the alias of their endpoint.

        Airflow makes a declared alias when it reads the Dag. Airflow makes an unknown alias when a task has succeeded,
        and on PostgreSQL fails one of two tasks that do so at the same moment (unique index on the name, 3.3.2).
        """
        shared = super().partial(**kwargs)
        shared.kwargs["outlets"] = with_alias(shared.kwargs.get("outlets"), shared.kwargs.get("endpoint"))
        return shared

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_exact.assets import create_asset
        from airflow_provider_exact.extract.engine import Extraction
        from airflow_provider_exact.transfers.cursors import cursor_store
        from airflow_provider_exact.transfers.outlets import event_extra, tell

        with self.calling(context):
            client = self.hook.get_conn()
            plan = self.plan(client.in_division(None))
            asset = create_asset(
                region_or_host=client.site.base_url, division=plan.division, endpoint=plan.endpoint.path
            )
            destination, store = self.prepare(context, plan), None
            if plan.mode == "incremental":
                store = cursor_store(context, asset.uri, destination=self.destination_text)
            cursor = self.begin(destination, plan, store)
            outcome = Extraction(client, plan, destination, cursor, self.log).run()
            self.keep(outcome, store)
        self.outcome, self._asset = outcome, asset
        done, used = outcome.checkpoint, self.used()
        self.log.info(
            "Read %s records and %s deletions of %s in division %s: %s pages, %s calls",
            done.rows,
            done.deletions,
            plan.source.path,
            plan.division,
            done.pages,
            used["calls"],
        )
        where = self.whereabouts(outcome) | ({"reload": done.reload} if done.reload else {})
        extra = event_extra(
            rows=outcome.told["rows"],
            deletions=outcome.told["deletions"],
            calls=int(used["calls"]),
            cursor=outcome.cursor,
            **where,
        )
        tell(self, context, asset, extra)
        return {
            "endpoint": plan.endpoint.path,
            "source": plan.source.path,
            "division": plan.division,
            "mode": plan.mode,
            "reload": done.reload,
            **outcome.told,
        }

    def get_openlineage_facets_on_complete(self, _: object) -> OperatorLineage[Any, Any] | None:
        """Return what was read and written, for OpenLineage."""
        if self.outcome is None or self._asset is None:
            return None
        from airflow_provider_exact.lineage import lineage

        return lineage(self._asset, self.outcome.plan, self.outcome, self.written_to(self.outcome))

    def plan(self, division: int) -> Plan:
        """
        Return what to read, decided without a call.

        :raises ExactRequestError: an argument can't be right.
        """
        from airflow_provider_exact.extract.sources import make_plan

        check_filter(filter=self.filter)
        check_no_text("a dict of types", types=given(self.types))
        return make_plan(
            self.endpoint,
            division=division,
            select=given(self.select),
            filter=given(self.filter),
            types=given(self.types),
            mode=self.mode,  # type: ignore[arg-type]  # checked there
            prefer=given(self.prefer),  # type: ignore[arg-type]
            deletions=self.deletions != "ignore",
        )

    @property
    @abstractmethod
    def destination_text(self) -> str:
        """Where the records go, for a person to read; without secrets."""

    @abstractmethod
    def prepare(self, context: Context, plan: Plan) -> Destination:
        """
        Return where to write.

        :raises ExactRequestError: an argument can't be right.
        """

    @abstractmethod
    def begin(self, destination: Any, plan: Plan, store: CursorStore | None) -> Cursor | None:
        """
        Look around at the destination before the first call, and return the cursor to go on from.

        :param store: Where Airflow keeps the cursor of an incremental extraction; ``None`` where it can't, as in a bare
            call of ``execute``.
        """

    @abstractmethod
    def keep(self, outcome: Outcome, store: CursorStore | None) -> None:
        """Keep the cursor, now that everything up to it is safely written."""

    @abstractmethod
    def whereabouts(self, outcome: Outcome) -> dict[str, str]:
        """Return what the asset's event tells of the destination."""

    @abstractmethod
    def written_to(self, outcome: Outcome) -> Output:
        """Return what OpenLineage calls the destination."""


def run_of(context: Context) -> str:
    """Return the Dag run that this belongs to; nothing in a bare call of ``execute``."""
    return context["ti"].run_id if "ti" in context else ""
