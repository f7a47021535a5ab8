"""How far a task's extraction has come, where another try of it finds that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_exact.client.errors import ExactTransportError

if TYPE_CHECKING:
    from airflow.sdk import Context

KEY = "exact_online_progress"


class TaskProgress:
    """
    In Airflow 3.3's store for the states of tasks, which mapped tasks have one each of.

    It outlives retries, deferrals, a killed worker, and clearing: a task that failed and is cleared goes on where it
    was. So who has finished deletes it, and a task that succeeded and is cleared begins anew. To begin a failed one
    anew, delete the key in Airflow's UI, or reset the cursor, which makes what was begun before it void.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self) -> dict[str, Any] | None:
        try:
            found = self._store.get(KEY)
        except Exception as error:  # of several kinds, by where the task runs
            raise _failed("read", error) from error
        return found if isinstance(found, dict) else None

    def set(self, progress: dict[str, Any]) -> None:
        try:
            self._store.set(KEY, progress)
        except Exception as error:  # of several kinds, by where the task runs
            raise _failed("keep", error) from error

    def delete(self) -> None:
        try:
            self._store.delete(KEY)
        except Exception as error:  # of several kinds, by where the task runs
            raise _failed("delete", error) from error


def task_progress(context: Context) -> TaskProgress | None:
    """Return the progress of a running task; ``None`` before Airflow 3.3, where the destination keeps it."""
    store = context.get("task_state_store")
    return None if store is None else TaskProgress(store)


def _failed(what: str, error: Exception) -> ExactTransportError:
    return ExactTransportError(
        f"Airflow could not {what} the progress of this task ({type(error).__name__}). Check its API server and "
        "database."
    )
