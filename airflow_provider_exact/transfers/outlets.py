"""
The assets that a task updates, and what their events tell.

An asset's name holds the site's host, which is in the connection, so no Dag file knows it; and division and endpoint
may be templates, or differ by mapped task. Hence a task declares an alias, ``exactonline:crm/Accounts``, and names the
asset when it has run. Airflow then makes an asset that it does not know yet, and starts Dags that are scheduled on the
asset, on its URI, or on the alias. Who declares the asset (``outlets=[create_asset(…)]``) gets its event on that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_exact.assets import alias_of, is_ours, parts_of
from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.extract.cursor import Cursor, to_json
from airflow_provider_exact.operators.base import is_final

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context


def with_alias(outlets: Any, endpoint: str | None) -> list[Any]:
    """
    Return a task's outlets with the alias of its endpoint, unless they hold one of Exact's assets or an alias already.

    :param outlets: One outlet, or a list.
    :param endpoint: A template, or the ``None`` of a mapped argument, gets its alias from :func:`tell`.
    """
    own = outlets if isinstance(outlets, list) else [outlets] if outlets else []
    if not endpoint or not is_final(endpoint) or any(isinstance(one, AssetAlias) or is_ours(one) for one in own):
        return own
    # The task reports a wrong endpoint when it runs.
    with suppress(ExactRequestError):
        return [*own, alias_of(endpoint)]
    return own


def tell(task: BaseOperator, context: Context, asset: Asset, extra: Mapping[str, Any]) -> None:
    """
    Have Airflow emit the event of an asset when the task succeeds.

    :param asset: What :func:`~airflow_provider_exact.assets.create_asset` makes of the task's site, division and
        endpoint.
    :param extra: The event's, see :func:`event_extra`.
    """
    if "outlet_events" not in context:
        return
    events = context["outlet_events"]
    declared = next((own for own in task.outlets if isinstance(own, Asset) and own.uri == asset.uri), None)
    if declared is not None:
        # Mapped tasks declare the assets of all of them; each updates its own.
        task.outlets = [own for own in task.outlets if own is declared or not is_ours(own)]
        events[declared].extra.update(extra)
        return
    aliases = [own for own in task.outlets if isinstance(own, AssetAlias)]
    if not aliases:
        aliases = [alias_of(parts_of(asset.uri)[2])]
        task.outlets = [*task.outlets, *aliases]
    for alias in aliases:
        try:
            # Of assets with one URI and several names, the active one gets the event.
            events[alias].add(Asset.ref(uri=asset.uri), extra=dict(extra))  # type: ignore[arg-type]  # refs since 3.0
        except AirflowRuntimeError:
            # Airflow does not know it yet.
            events[alias].add(asset, extra=dict(extra))


def event_extra(
    *,
    rows: int,
    deletions: int = 0,
    calls: int | None = None,
    cursor: Cursor | None = None,
    **where: str,
) -> dict[str, Any]:
    """
    Return the extra of an event.

    :param cursor: It is told without the marks of single records.
    :param where: What was written: ``manifest``, or ``table``.
    """
    extra: dict[str, Any] = {"rows": rows, "deletions": deletions, "calls": calls, **where}
    if cursor is not None:
        kept = to_json(cursor)
        del kept["recent"], kept["fields"]
        extra["cursor"] = {name: value for name, value in kept.items() if value is not None}
    return {name: value for name, value in extra.items() if value is not None}
