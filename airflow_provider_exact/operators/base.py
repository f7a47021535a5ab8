"""What all operators share: the hook, checks while a Dag is parsed, and which failures are worth a retry."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from airflow.sdk import BaseOperator

from airflow_provider_exact.client import catalogue
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactErrorLimitError,
    ExactRateLimitError,
    ExactRequestError,
    ExactTokenError,
)
from airflow_provider_exact.links import ExactOnlineReferenceLink

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from airflow.sdk import BaseOperatorLink, Context

    from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

T = TypeVar("T")

# Values that are final when the Dag is parsed; text needs a look, anything else may be filled in later.
_PLAIN = (bool, int, float, Decimal, date, UUID)

# The XCom of a task that waits for a limit to reset.
KEPT = "exact_online_kept"
# The XCom that tells what a task used.
USAGE = "exact_online_usage"
# Many tasks stop at the same limit; this far apart they come back.
SPREAD = 60.0
# A look of a sensor that does not get its turn within so many seconds is left out.
LOOK_PATIENCE = 120.0


class ExactOnlineOperator(BaseOperator):
    """
    Base of the operators: not used by itself.

    :param exact_online_conn_id: The Airflow connection to use.
    :param division: The company to work in; without one, the connection's.
    :param deferrable: At a limit that is worth no waiting, such as the day's, leave the worker until it resets and then
        go on; otherwise fail with ``ExactRateLimitError``.
    """

    template_fields: Sequence[str] = ("exact_online_conn_id", "division")
    # What the task works on; the operators set or fix it.
    endpoint: str
    # Seconds that a call may wait for its turn; ``None`` for the client's own.
    minute_patience: float | None = None
    ui_color = "#fbe4e4"
    operator_extra_links: Collection[BaseOperatorLink] = (ExactOnlineReferenceLink(),)

    def __init__(
        self,
        *,
        exact_online_conn_id: str = "exact_online_default",
        division: int | str | None = None,
        deferrable: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]  # whatever BaseOperator takes
        self.exact_online_conn_id = exact_online_conn_id
        self.division = division
        self.deferrable = deferrable
        # What ``execute`` wants to find again when a limit interrupts it, in plain JSON and without secrets.
        self.kept: dict[str, Any] = {}
        # What was used on other workers or in the triggerer.
        self._used_before: dict[str, float] = {}

    @cached_property
    def hook(self) -> ExactOnlineHook:
        """The hook of this task's connection and division; first asked for when templates are filled in."""
        # Late, since parsing a Dag needs no HTTP.
        from airflow_provider_exact.hooks.exact_online import ExactOnlineHook

        return ExactOnlineHook(self.exact_online_conn_id, division=given(self.division), patience=self.minute_patience)

    @contextlib.contextmanager
    def calling(self, context: Context) -> Iterator[None]:
        """
        Make the calls of ``execute`` in here, all in one block.

        Failures that no retry helps become final. At a limit the task leaves its worker, and ``execute`` is called anew
        when the limit has reset: what it then wants to skip, it looks up in ``self.kept``.
        """
        try:
            with no_retry_where_none_helps():
                yield
        except ExactErrorLimitError:
            # It wants a person, and comes with nobody to notice if the task just waits.
            self.tell_usage()
            raise
        except ExactRateLimitError as error:
            if not self.deferrable:
                self.tell_usage()
                raise
            from airflow_provider_exact.triggers.limits import ExactOnlineLimitTrigger

            self.log.warning("Going on when the limit resets, without a worker until then: %s", error)
            self.hook.note_limits()
            context["ti"].xcom_push(key=KEPT, value={"kept": self.kept, "used": self.used()})
            trigger = ExactOnlineLimitTrigger(resets_at=error.resets_at + random.uniform(0, SPREAD))  # noqa: S311
            self.defer(trigger=trigger, method_name="go_on")
        except Exception:
            self.tell_usage()
            raise
        finally:
            self.kept = {}

    def go_on(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """Execute anew after a limit has reset, with what was kept."""
        if (event or {}).get("status") != "reset":
            raise AirflowException(f"The trigger ended with an event that this task does not know: {event!r}.")
        from airflow.sdk.execution_time.xcom import XCom

        ti = context["ti"]
        # XComs survive a deferral, but not a retry.
        found = ti.xcom_pull(key=KEPT, map_indexes=ti.map_index) or {}
        self.kept, self._used_before = found.get("kept", {}), found.get("used", {})
        result = self.execute(context)
        XCom.delete(KEPT, ti.task_id, ti.dag_id, ti.run_id, ti.map_index)
        return result

    def used(self) -> dict[str, float]:
        """Return what this task used of Exact so far, in all of its parts."""
        usage = self.hook.usage
        return added({} if usage is None else asdict(usage), self._used_before)

    def tell_usage(self) -> dict[str, Any] | None:
        """
        Log what this task used and what is left; leave the limits where people can look them up.

        Returns the same for XCom; nothing when no call was made.
        """
        used = self.used()
        if not used:
            return None
        left: dict[str, Any] = {}
        text = ""
        if self.hook.usage is not None:
            self.hook.note_limits()
            seen = self.hook.get_conn().account.seen().get(self.worked_in or 0)
            if seen is not None:
                text = f"; left in division {self.worked_in}: {seen.text(time.time())}"
                windows = {"left_this_minute": seen.limits.minutely, "left_today": seen.limits.daily}
                left = {name: window.remaining for name, window in windows.items() if window is not None}
        self.log.info(
            "Exact Online: %s calls, %s records, %.0f seconds waited in %s waits, %s calls beyond a limit%s",
            used["calls"],
            used["records"],
            used["waited"],
            used["waits"],
            used["limited"],
            text,
        )
        return {**used, "waited": round(used["waited"], 1), "division": self.worked_in, **left}

    def hand_over(
        self, context: Context, done: str, record: dict[str, Any], *, primary_key: object = None
    ) -> dict[str, Any]:
        """
        Log what was done, push the record's key under its own name, and return the record.

        Without that push ``task.output["ID"]`` is nothing: Airflow takes it for an XCom of that name, not for a part
        of one.
        """
        known = catalogue.load().get(self.endpoint.strip(" /").casefold())
        keys = {field.name: record[field.name] for field in (known.key if known else ()) if field.name in record}
        key = primary_key or ", ".join(map(str, keys.values())) or "a record"
        self.log.info("%s %s of %s in division %s", done, key, self.endpoint, self.where)
        if self.do_xcom_push and "ti" in context:
            for name, value in keys.items():
                context["ti"].xcom_push(key=name, value=value)
        return record

    def post_execute(self, context: Context, result: object = None) -> None:
        """Tell what this task used."""
        super().post_execute(context, result)
        usage = self.tell_usage()
        if usage is not None and self.do_xcom_push and "ti" in context:
            context["ti"].xcom_push(key=USAGE, value=usage)

    @property
    def worked_in(self) -> int | None:
        """The division that calls of this task go to, its own or the connection's."""
        return self.hook.get_conn().division

    @property
    def where(self) -> str:
        """The same for log lines."""
        return str(self.worked_in)


def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return what was used in two parts of a task."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def given(value: T) -> T | None:
    """Return the value, or ``None`` for what a template leaves when there is nothing to fill in."""
    return None if value in ("", "None") else value


def is_final(value: object) -> bool:
    """Whether the task will run with this value; templates and other tasks' results are not known yet."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(is_final(key) and is_final(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(is_final(item) for item in value)
    return value is None or isinstance(value, _PLAIN)


def check_required(**arguments: object) -> None:
    """
    Refuse an argument that is already known to be empty, while the Dag is parsed rather than at night.

    :raises ExactRequestError: naming the argument.
    """
    for name, value in arguments.items():
        if value is None or (isinstance(value, (str, Mapping)) and not value):
            raise ExactRequestError(f"{name}: a value is needed, not {value!r}.")


def check_no_text(wanted: str = "a dict of fields", /, **arguments: object) -> None:
    """
    Refuse the text that a template makes of a dict, before it is sent.

    :param wanted: What the arguments take.
    :raises ExactRequestError: naming the argument and the setting of the Dag that helps.
    """
    for name, value in arguments.items():
        if isinstance(value, str):
            raise ExactRequestError(
                f"{name}: expected {wanted}, not the text {value[:80]!r}. If a template made it, set "
                "render_template_as_native_obj=True on the Dag."
            )


def check_filter(**arguments: object) -> None:
    """
    Refuse a dict that a template has made text; OData never begins with a brace.

    :raises ExactRequestError: naming the argument.
    """
    for name, value in arguments.items():
        if isinstance(value, str) and value.lstrip().startswith("{"):
            check_no_text("OData text or a dict", **{name: value})


def check_endpoint(endpoint: object) -> None:
    """
    Refuse an endpoint whose form can't be right; whether it exists is looked up when the task runs.

    :raises ExactRequestError: it is empty or no text, lacks its service, or carries a key or query.
    """
    if not is_final(endpoint):
        return
    if not isinstance(endpoint, str) or "/" not in endpoint.strip(" /") or any(mark in endpoint for mark in "(?&="):
        raise ExactRequestError(
            f"endpoint: expected 'service/Endpoint' such as 'project/TimeTransactions', not {endpoint!r}. "
            "Keys, filters and options have arguments of their own."
        )


@contextlib.contextmanager
def no_retry_where_none_helps() -> Iterator[None]:
    """
    Fail the task for good when another try can't succeed, or could write a record a second time.

    Everything else passes, and Airflow retries the task as its ``retries`` say.
    """
    try:
        yield
    except ExactError as error:
        if not is_final_error(error):
            raise
        raise AirflowFailException(str(error)) from error


def is_final_error(error: ExactError) -> bool:
    """Whether no other try can help, or none is safe because the record may have been written."""
    return error.outcome_unknown or isinstance(error, ExactTokenError | ExactRequestError)
