"""
Airflow's Variables, from every kind of process.

A task and a trigger reach Variables through the supervisor, the API server and the command line through the database.
In further processes, for example in the callback of a deadline, Variables can be read at best. Call the functions from
a plain thread or through ``sync_to_async``, never from a coroutine: in a trigger, a call from a coroutine would block
the triggerer's only channel.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from airflow_provider_exact.client.auth.token_store import StoreUnavailableError

READ_PAUSES = (0.5, 0.5)
WRITE_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class VariableReadError(StoreUnavailableError):
    """Failure of Airflow to read a Variable."""


class VariableWriteError(StoreUnavailableError):
    """Failure of Airflow to store a Variable."""


def has_supervisor() -> bool:
    """Whether this process is a task or trigger with a channel to its supervisor."""
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(task_runner, "SUPERVISOR_COMMS", None) is not None


def is_server() -> bool:
    """Whether this process may use Airflow's database: the API server, or a command of the command line."""
    return not has_supervisor() and os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server"


def can_write() -> bool:
    return is_server() or (has_supervisor() and not _is_callback())


def _is_callback() -> bool:
    """
    Whether this process runs the callback of a deadline. The supervisor of a callback never answers a write.

    Only the call stack shows a callback: a process with earlier callbacks may fork a task.
    """
    if (module := sys.modules.get("airflow.sdk.execution_time.callback_supervisor")) is None:
        return False
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_globals is vars(module) and frame.f_code.co_name == "execute_callback":
            return True
        frame = frame.f_back
    return False


def read(key: str) -> str | None:
    """Return a Variable's text, or ``None`` for a missing or unreadable Variable."""
    if is_server():
        from airflow.models import Variable as ServerVariable

        return _text(ServerVariable.get(key, default_var=None))
    from airflow.sdk import Variable

    return _text(Variable.get(key, default=None))


def read_surely(
    key: str, *, pauses: Iterable[float] = READ_PAUSES, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """
    Return a Variable's text, or ``None`` only when Airflow reports a missing Variable.

    :param pauses: Seconds between tries, while Airflow's API server or database fails.
    :raises VariableReadError: no try succeeded.
    """
    for pause in (*pauses, None):
        if (text := read(key)) is not None:
            return text
        with suppress(Exception):
            return _asked(key)
        if pause is not None:
            sleep(pause)
    raise VariableReadError(f"Airflow did not read the Variable {key!r}. Check its API server and database.")


def _asked(key: str) -> str | None:
    """Read past Airflow's ``Variable.get``: there a failure looks like a missing Variable, here a failure raises."""
    if has_supervisor():
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time import comms, task_runner

        answer: Any = task_runner.SUPERVISOR_COMMS.send(comms.GetVariable(key=key))
        if not isinstance(answer, comms.ErrorResponse):
            return _text(answer.value)
        if answer.error != ErrorType.VARIABLE_NOT_FOUND:
            raise AirflowRuntimeError(answer)
    elif is_server():
        from airflow.models import Variable as ServerVariable
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            found = session.scalar(select(ServerVariable).where(ServerVariable.key == key))
            # The database failed in the first read only.
            return None if found is None else _text(found.get_val())
    return None


def write(key: str, text: str, *, description: str, is_timely: Callable[[], bool] = lambda: True) -> bool:
    """
    Replace a Variable's text.

    :param is_timely: Called directly before the write; ``False`` prevents the write, and is returned. After a stop
        between read and write, a process would overwrite newer text.
    :raises VariableWriteError: the process can't write Variables, or Airflow's API server or database failed.
    """
    if not is_timely():
        return False
    try:
        if is_server():
            from airflow.models import Variable as ServerVariable

            ServerVariable.set(key, text, description=description)
        else:
            from airflow.sdk import Variable

            Variable.set(key, text, description=description)
    except Exception as error:  # noqa: BLE001 - many kinds, by version and place; the text could hold the value
        raise VariableWriteError(
            f"Airflow did not store the Variable {key!r} ({type(error).__name__}). Check its API server and database."
        ) from None
    return True


def write_surely(key: str, text: str, *, description: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """
    Replace a Variable's text, with several tries over half a minute: no second copy of the text exists.

    Each try reads the Variable back, because Airflow before 3.3 logs a failed write and continues. A text that a second
    process wrote meanwhile stays.

    :raises VariableWriteError: no try succeeded.
    """
    before = read(key)
    for pause in (*WRITE_PAUSES, None):
        with suppress(VariableWriteError):
            write(key, text, description=description)
            after = read(key)
            if after == text or (before is not None and after not in (before, None)):
                return
        if pause is not None:
            sleep(pause)
    raise VariableWriteError(
        f"Airflow did not store the Variable {key!r}. Check its API server and database, and that no environment "
        "variable or secrets backend holds one of this name."
    )


def delete(key: str) -> None:
    """Delete a Variable; after a failure the Variable stays."""
    with suppress(Exception):
        if is_server():
            from airflow.models import Variable as ServerVariable

            ServerVariable.delete(key)
        else:
            from airflow.sdk import Variable

            Variable.delete(key)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
