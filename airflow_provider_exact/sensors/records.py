"""A sensor for the records of any endpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.configuration import conf
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_exact.client import catalogue, query
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactErrorLimitError,
    ExactRateLimitError,
    ExactRequestError,
    ExactTransportError,
)
from airflow_provider_exact.operators.base import (
    LOOK_PATIENCE,
    ExactOnlineOperator,
    added,
    check_endpoint,
    check_filter,
    check_required,
    given,
    is_final,
    no_retry_where_none_helps,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


# A limit that resets sooner is waited out where the sensor is.
LONG = 300.0


class ExactOnlineRecordSensor(ExactOnlineOperator, BaseSensorOperator):
    """
    Wait until a record exists, until enough records meet a filter, or until a field meets a condition.

    ``primary_key``, ``filter`` and ``condition`` are joined with *and* into one small call that asks for no more
    records and fields than needed. A record that is not there yet is an empty answer, never a 404, of which Exact
    allows ten an hour.

    Returns the record when ``primary_key`` is given, else the list of the first ``min_records`` records.

    :param endpoint: The path behind the division.
    :param primary_key: Wait for the record with this key.
    :param filter: Which records to look at, as OData text or a dict.
    :param condition: What must be true of them, in the same words: ``{"HourStatus": 20}``.
    :param min_records: How many records there must be.
    :param select: Fields to return beside the key.
    :param max_failures: Fail after so many calls in a row without an answer. In ``mode="reschedule"`` each look is a
        process of its own that cannot count, and ``timeout`` is the bound.
    :param deferrable: Wait in the triggerer, without a worker; by default as ``[operators] default_deferrable`` says. A
        limit of the day is waited out there by default, and with ``False`` on the worker.
    """

    minute_patience = LOOK_PATIENCE
    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "endpoint",
        "primary_key",
        "filter",
        "condition",
        "min_records",
        "select",
    )

    def __init__(
        self,
        *,
        endpoint: str,
        primary_key: Any = None,
        filter: str | Mapping[str, Any] | None = None,
        condition: str | Mapping[str, Any] | None = None,
        min_records: int | str = 1,
        select: str | Sequence[str] | None = None,
        max_failures: int = 5,
        deferrable: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.primary_key = primary_key
        self.filter = filter
        self.condition = condition
        self.min_records = min_records
        self.select = select
        self.max_failures = max_failures
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self._keeps_worker = deferrable is False
        self._failures = 0
        self._resumes_at = 0.0
        self._deadline: float | None = None
        check_endpoint(endpoint)
        if query.whole_number("max_failures", max_failures) is None:
            raise ExactRequestError("max_failures: a whole number is needed.")
        if primary_key is not None:
            check_required(primary_key=primary_key)
        if is_final(min_records):
            self._count()

    def poke(self, context: Context) -> PokeReturnValue | bool:  # noqa: ARG002, Airflow's own name
        self._deadline = self._deadline or time.time() + self.timeout
        try:
            with no_retry_where_none_helps():
                wanted = self._wanted()
                records = self._look(wanted)
        except ExactError as error:
            # Airflow itself skips on its own exceptions only.
            if self.soft_fail and not self.silent_fail:
                raise AirflowSkipException(f"Skipping, since soft_fail is set: {error}") from error
            raise
        if len(records) >= wanted["min_records"]:
            return PokeReturnValue(is_done=True, xcom_value=self._result(records))
        self.log.info("%s of %s records of %s are there", len(records), wanted["min_records"], self.endpoint)
        if self.deferrable or (self._resumes_at > time.time() + LONG and not (self._keeps_worker or self.reschedule)):
            # Here rather than in execute, so that Airflow's own soft_fail and never_fail cover the first look too.
            self._defer(wanted)
        return False

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002
        event: dict[str, Any] | None = None,
        used: dict[str, float] | None = None,
    ) -> Any:
        """
        Go on with what the trigger found.

        :param used: What the first look used.
        """
        match event:
            case {"used": dict(later)}:
                used = added(used or {}, later)
        self._used_before = used or {}
        match event:
            case {"status": "found", "records": list(records)}:
                return self._result(records)
            case {"status": "timeout"}:
                raise AirflowSensorTimeout(f"Nothing was found in {self.endpoint} within {self.timeout:.0f} seconds.")
            case {"status": "error", "message": str(message), "retry": False}:
                raise AirflowFailException(message)
            case {"status": "error", "message": str(message)}:
                raise AirflowException(message)
        raise AirflowException(f"The trigger ended with an event that this sensor does not know: {event!r}.")

    def _wanted(self) -> dict[str, Any]:
        """Return the one call to make, in plain JSON: endpoint, filter, select, min_records."""
        endpoint = catalogue.resolve(self.endpoint)
        primary_key = given(self.primary_key)
        if self.primary_key is not None:
            check_required(primary_key=primary_key)
        check_filter(filter=self.filter, condition=self.condition)
        text = query.all_of(
            query.key_filter(endpoint, primary_key) if primary_key is not None else None,
            query.filter_text(endpoint, given(self.filter)),
            query.filter_text(endpoint, given(self.condition), "condition"),
        )
        keys = [field.name for field in endpoint.key]
        asked = query.names(given(self.select))
        seen = {name.casefold() for name in keys}
        select = [*keys, *(name for name in asked if name.casefold() not in seen)]
        return {
            "endpoint": endpoint.path,
            "filter": text,
            "select": select or None,
            "min_records": self._count(),
        }

    def _count(self) -> int:
        number = query.whole_number("min_records", given(self.min_records))
        if number is None:
            raise ExactRequestError("min_records: a whole number is needed.")
        if number > 1 and self.primary_key is not None:
            raise ExactRequestError("min_records: one record at most has the primary_key; leave one of them out.")
        return number

    def _look(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the records that are there; none when the call failed in a way that passes."""
        if time.time() < self._resumes_at:
            return []
        try:
            records = self.hook.list_records(
                wanted["endpoint"], filter=wanted["filter"], select=wanted["select"], top=wanted["min_records"]
            )
            found = list(records)
        except ExactErrorLimitError:
            # It wants a person, who would not notice a sensor that just waits.
            raise
        except ExactRateLimitError as error:
            self._resumes_at = error.resets_at
            self.log.warning("Looking again when the limit resets: %s", error)
            self._sit_out_the_limit()
            return []
        except ExactTransportError as error:
            self._failures += 1
            if self._failures >= self.max_failures:
                raise
            self.log.warning("Failed call %s of %s: %s", self._failures, self.max_failures, error)
            return []
        self._failures = 0
        return found

    def _sit_out_the_limit(self) -> None:
        """Leave the worker until the limit resets, where every look is a process of its own and forgets."""
        if self.reschedule and not (self.deferrable or self.silent_fail or self.never_fail):
            moment = min(self._resumes_at, time.time() + self.timeout)
            raise AirflowRescheduleException(datetime.fromtimestamp(moment, tz=UTC))  # type: ignore[no-untyped-call]

    def _result(self, records: list[dict[str, Any]]) -> Any:
        return records[0] if self.primary_key is not None else records

    def _defer(self, wanted: dict[str, Any]) -> NoReturn:
        from airflow_provider_exact.triggers.records import ExactOnlineRecordTrigger

        deadline = self._deadline or time.time() + self.timeout
        self.defer(
            trigger=ExactOnlineRecordTrigger(
                **wanted,
                poll_interval=self.poke_interval,
                deadline=deadline,
                max_failures=self.max_failures,
                exact_online_conn_id=self.exact_online_conn_id,
                division=given(self.division),
                resumes_at=self._resumes_at,
            ),
            method_name="execute_complete",
            kwargs={"used": self.used()},
            # Airflow's own clock, for when no triggerer is there to mind the deadline.
            timeout=timedelta(seconds=max(0.0, deadline - time.time())),
        )
