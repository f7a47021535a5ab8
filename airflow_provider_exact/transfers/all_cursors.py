"""Every cursor that Airflow keeps, for the command line: it may look into Airflow's database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.extract.cursor import of_json
from airflow_provider_exact.transfers.cursors import KEY, CursorStore, KeptCursor, asset_key, variable_shelf
from airflow_provider_exact.transfers.shelves import Shelf, VariableShelf, has_asset_store


@dataclass(frozen=True)
class Found:
    """A cursor and where it is."""

    kept: KeptCursor
    store: CursorStore
    where: str


class AssetTableShelf:
    """The state store of an active asset, by way of the database."""

    def __init__(self, asset_id: int, uri: str, key: str) -> None:
        from airflow.state import get_state_backend  # type: ignore[import-not-found,unused-ignore]  # since 3.3

        self.where = f"state store of the asset {uri}"
        self.key = key
        self._asset_id = asset_id
        self._backend = get_state_backend()

    def read(self, *, surely: bool = True) -> dict[str, Any] | None:  # noqa: ARG002, a database knows
        text = self._backend.get(self._scope, self.key)
        found = None if text is None else json.loads(text)
        return found if isinstance(found, dict) else None

    def write(self, value: dict[str, Any]) -> bool:
        self._backend.set(self._scope, self.key, json.dumps(value))
        return True

    def delete(self) -> None:
        self._backend.delete(self._scope, self.key)

    @property
    def _scope(self) -> Any:
        from airflow._shared.state import AssetScope  # type: ignore[import-not-found,unused-ignore]

        return AssetScope(asset_id=self._asset_id)


def all_cursors() -> tuple[list[Found], list[str]]:
    """Return the cursors of all tasks, those that count, and what is wrong with others."""
    found: dict[tuple[str, str, str], Found] = {}
    problems = []
    for shelf in (*_variables(), *_in_asset_stores()):
        try:
            if (value := shelf.read()) is None:
                continue
            kept = of_json(KeptCursor, value, f"The {shelf.where}")
        except ExactError as error:
            problems.append(str(error))
            continue
        whose = (kept.dag_id, kept.task_id, kept.asset)
        if whose not in found or found[whose].kept.revision <= kept.revision:
            store = CursorStore(*whose, _shelves(*whose))
            found[whose] = Found(kept, store, shelf.where)
    return [found[whose] for whose in sorted(found)], problems


def _shelves(dag_id: str, task_id: str, uri: str) -> list[Shelf]:
    shelves: list[Shelf] = [variable_shelf(dag_id, task_id, uri)]
    if (asset_id := _active(uri)) is not None:
        shelves.insert(0, AssetTableShelf(asset_id, uri, asset_key(dag_id, task_id)))
    return shelves


def _variables() -> Iterator[Shelf]:
    from airflow.models import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        # An underscore stands for any letter here, which does no harm.
        rows = session.execute(select(Variable.key, Variable.description).where(Variable.key.startswith(KEY))).all()
    for key, description in rows:
        yield VariableShelf(key, description or "")


def _in_asset_stores() -> Iterator[Shelf]:
    if not has_asset_store():
        return
    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel  # type: ignore[import-not-found,unused-ignore]
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows = session.execute(
            select(AssetModel.id, AssetModel.uri, AssetStateStoreModel.key)
            .join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
            .where(AssetStateStoreModel.key.startswith(KEY), AssetModel.active.has())
        ).all()
    for asset_id, uri, key in rows:
        yield AssetTableShelf(asset_id, uri, key)


def _active(uri: str) -> int | None:
    """Return the id of the asset whose state store can be used, if this Airflow has them."""
    if not has_asset_store():
        return None
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found: int | None = session.scalar(select(AssetModel.id).where(AssetModel.uri == uri, AssetModel.active.has()))
    return found
