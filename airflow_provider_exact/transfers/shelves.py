"""
Where Airflow can keep a cursor: the state store of an asset (3.3 and newer), or a Variable.

Values are JSON objects. A task reaches both through its supervisor, the command line through the database.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import msgspec
from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_exact.client.errors import ExactRequestError, ExactTransportError
from airflow_provider_exact.tokens import variables

log = logging.getLogger(__name__)

# What Airflow's state stores are made for; a task could write more, with a warning each time.
MOST_BYTES = 65_535
NOT_FOUND = 404


class Shelf(Protocol):
    """One place for one cursor; ``where`` names it for a person."""

    where: str

    def read(self, *, surely: bool = True) -> dict[str, Any] | None:
        """
        Return what is kept here, if anything.

        :param surely: Take some time to make sure that there is nothing.
        :raises ExactTransportError: Airflow did not say.
        """

    def write(self, value: dict[str, Any]) -> bool:
        """
        Keep it, and return whether that could be done here at all.

        :raises ExactTransportError: it could, and Airflow failed.
        """

    def delete(self) -> None: ...


class VariableShelf:
    """A Variable, in every Airflow."""

    def __init__(self, key: str, description: str) -> None:
        self.where = f"Variable {key}"
        self.key = key
        self._description = description

    def read(self, *, surely: bool = True) -> dict[str, Any] | None:
        text = variables.read_surely(self.key) if surely else variables.read(self.key)
        if text is None:
            return None
        try:
            found = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ExactRequestError(
                f"The Variable {self.key!r} holds no cursor ({error}). Delete it, and the next run reads everything."
            ) from error
        return found

    def write(self, value: dict[str, Any]) -> bool:
        variables.write_surely(self.key, msgspec.json.encode(value).decode(), description=self._description)
        return True

    def delete(self) -> None:
        variables.delete(self.key)


class AssetShelf:
    """
    The state store of an asset, for a task.

    It takes nothing for an asset that is not active. One that a Dag names is active since that Dag was read; one that a
    task added to an alias is about a minute after its first event, and stays so.
    """

    def __init__(self, uri: str, key: str) -> None:
        # Any task may use any asset's store; ``context["asset_state_store"]`` only knows those that a Dag file names.
        from airflow.sdk.execution_time.context import AssetStateStoreAccessor

        self.where = f"state store of the asset {uri}"
        self.key = key
        self._store = AssetStateStoreAccessor(uri=uri)

    def read(self, *, surely: bool = True) -> dict[str, Any] | None:  # noqa: ARG002, failures are told here
        try:
            found = self._store.get(self.key)
        except Exception as error:  # of several kinds, by where the task runs
            raise self._failed("read", error) from error
        return found if isinstance(found, dict) else None

    def write(self, value: dict[str, Any]) -> bool:
        if len(msgspec.json.encode(value)) > MOST_BYTES:
            return False
        try:
            self._store.set(self.key, value)
        except Exception as error:  # of several kinds, by where the task runs
            if _status(error) == NOT_FOUND:
                return False
            raise self._failed("write", error) from error
        return True

    def delete(self) -> None:
        try:
            self._store.delete(self.key)
        except Exception as error:  # of several kinds, by where the task runs
            if _status(error) != NOT_FOUND:
                raise self._failed("delete", error) from error

    def _failed(self, what: str, error: Exception) -> ExactTransportError:
        return ExactTransportError(
            f"Airflow could not {what} the cursor in the {self.where} ({type(error).__name__}). Check its API server "
            "and database."
        )


def has_asset_store() -> bool:
    """Whether this Airflow has state stores for assets."""
    from airflow.sdk.execution_time import context

    return hasattr(context, "AssetStateStoreAccessor")


def _status(error: Exception) -> object:
    """Return the status of the API server's answer: from a supervisor, or as the client of ``dag.test`` raises it."""
    if isinstance(error, AirflowRuntimeError):
        return (error.error.detail or {}).get("status_code")
    return getattr(getattr(error, "response", None), "status_code", None)
