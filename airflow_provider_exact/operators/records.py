"""Operators for the records of any endpoint: list, get, create, update, delete, and call a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_exact.client.errors import ExactNotFoundError, ExactRequestError
from airflow_provider_exact.client.query import whole_number
from airflow_provider_exact.operators.base import (
    ExactOnlineOperator,
    check_endpoint,
    check_filter,
    check_no_text,
    check_required,
    given,
    is_final,
)
from airflow_provider_exact.operators.writing import CreatingOperator, ExactOnlineWriteOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ExactOnlineListOperator(ExactOnlineOperator):
    """
    Return the records of an endpoint that meet a filter.

    The records travel through XCom, so their number is bounded by ``max_records``. To go through more, use
    ``ExactOnlineHook.list_records`` in a ``@task``: it hands out one record at a time.

    :param endpoint: The path behind the division: ``project/TimeTransactions``, ``sync/CRM/Accounts``.
    :param filter: OData text (``"Quantity gt 8"``) or a dict (``{"Project": guid, "Quantity": (">", 8)}``).
    :param select: The fields to return, as a list or separated by commas; without it, all.
    :param expand: Linked records to return inside each record.
    :param order_by: A field, with ``desc`` behind it for descending.
    :param top: Return the first so many.
    :param max_records: Fail rather than return more than this.
    """

    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "endpoint",
        "filter",
        "select",
        "expand",
        "order_by",
        "top",
        "max_records",
    )

    def __init__(
        self,
        *,
        endpoint: str,
        filter: str | Mapping[str, Any] | None = None,
        select: str | Sequence[str] | None = None,
        expand: str | Sequence[str] | None = None,
        order_by: str | Sequence[str] | None = None,
        top: int | str | None = None,
        max_records: int | str = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.filter = filter
        self.select = select
        self.expand = expand
        self.order_by = order_by
        self.top = top
        self.max_records = max_records
        check_endpoint(endpoint)
        if is_final(top) and is_final(max_records):
            bounds(top, max_records)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        with self.calling(context):
            top, most = bounds(self.top, self.max_records)
            check_filter(filter=self.filter)
            found: list[dict[str, Any]] = self.kept.get("records", [])
            pages = self.hook.list_pages(
                self.endpoint,
                filter=given(self.filter),
                select=given(self.select),
                expand=given(self.expand),
                order_by=given(self.order_by),
                top=top,
                start=self.kept.get("next_url"),
            )
            for page in pages:
                found.extend(page.records)
                self.kept = {"records": found, "next_url": page.next_url}
                if len(found) >= (top or most + 1):
                    break
            if top is not None:
                del found[top:]
            if len(found) > most:
                raise ExactRequestError(
                    f"{self.endpoint} holds more than {most} records that meet this filter, the most that "
                    "this task returns. Narrow the filter, take the first ones with top, raise max_records, or "
                    "go through all of them with ExactOnlineHook().list_records(…) in a @task."
                )
        self.log.info("Listed %s records of %s in division %s", len(found), self.endpoint, self.worked_in)
        return found


class ExactOnlineGetOperator(ExactOnlineOperator):
    """
    Return one record, by its key or by fields of it; one that is not there fails the task without a retry.

    :param endpoint: The path behind the division.
    :param primary_key: The value of the record's key, in most endpoints a GUID.
    :param match: Instead of the key, fields that only this record has: ``{"Code": "1068"}``.
    :param select: The fields to return, as a list or separated by commas; without it, all.
    :param expand: Linked records to return inside the record.
    """

    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "endpoint",
        "primary_key",
        "match",
        "select",
        "expand",
    )

    def __init__(
        self,
        *,
        endpoint: str,
        primary_key: Any = None,
        match: Mapping[str, Any] | None = None,
        select: str | Sequence[str] | None = None,
        expand: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.primary_key = primary_key
        self.match = match
        self.select = select
        self.expand = expand
        check_endpoint(endpoint)
        if match is None:
            check_required(primary_key=primary_key)
        elif primary_key is not None:
            raise ExactRequestError("match: the record is named by its primary_key already; leave one of them out.")
        else:
            check_required(match=match)

    def execute(self, context: Context) -> dict[str, Any]:
        select, expand = given(self.select), given(self.expand)
        with self.calling(context):
            check_no_text(match=self.match)
            if self.match is None:
                check_required(primary_key=given(self.primary_key))
                record = self.hook.get_record(self.endpoint, self.primary_key, select=select, expand=expand)
            elif found := self.hook.find_record(self.endpoint, self.match, select=select, expand=expand):
                record = found
            else:
                raise ExactNotFoundError(f"{self.endpoint} in division {self.worked_in}: no record has {self.match}.")
        return self.hand_over(context, "Read", record, primary_key=self.primary_key)


class ExactOnlineCreateOperator(CreatingOperator):
    """
    Create a record and return it as Exact stored it; or create many and return their keys.

    The fields are checked before the call. A task instance creates each record once, however often it runs: a lost
    answer is looked into, and what was created is remembered for retries and for a cleared task.

    :param endpoint: The path behind the division.
    :param data: The fields of the record, by Exact's names; or a list of up to 1000 of those.
    :param verify: Fields that no other record shares, such as ``YourRef``, to find the record by after a lost answer.
    """

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, "endpoint", "data", "verify")
    template_fields_renderers: ClassVar[dict[str, str]] = {"data": "json"}

    def __init__(
        self,
        *,
        endpoint: str,
        data: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        verify: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.data = data
        self.verify = verify
        check_endpoint(endpoint)
        check_required(data=data)

    def execute(self, context: Context) -> dict[str, Any] | list[Any]:
        with self.calling(context):
            check_no_text("a dict of fields or a list of those", data=self.data)
            self.check_division()
            if isinstance(self.data, Mapping):
                record = self.creations(context).one(self.data)
            elif isinstance(self.data, Sequence):
                return self._create_all(context, self.data)
            else:
                raise ExactRequestError(f"data: expected a dict of fields or a list of those, not {self.data!r}.")
        return self.hand_over(context, "Created", record)

    def _create_all(self, context: Context, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        made = self.creations(context).all(rows)
        self.log.info("%s of %s records of %s are in division %s", made.number, len(rows), self.endpoint, self.where)
        if made.failed:
            if self.do_xcom_push and "ti" in context:
                context["ti"].xcom_push(key="created", value=made.keys)
                context["ti"].xcom_push(key="failed", value=made.failures())
            raise made.error(f"records of {self.endpoint} in division {self.where}")
        return made.keys


class ExactOnlineUpdateOperator(ExactOnlineWriteOperator):
    """
    Change fields of a record and return the record as Exact then has it.

    :param endpoint: The path behind the division.
    :param primary_key: The value of the record's key, in most endpoints a GUID.
    :param data: The fields to change, by Exact's names; the others stay, ``None`` empties a field.
    """

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, "endpoint", "primary_key", "data")
    template_fields_renderers: ClassVar[dict[str, str]] = {"data": "json"}

    def __init__(self, *, endpoint: str, primary_key: Any, data: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.primary_key = primary_key
        self.data = data
        check_endpoint(endpoint)
        check_required(primary_key=primary_key, data=data)

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            check_required(primary_key=given(self.primary_key))
            check_no_text(data=self.data)
            self.check_division()
            record = self.hook.update_record(self.endpoint, self.primary_key, self.data)
        return self.hand_over(context, "Updated", record, primary_key=self.primary_key)


class ExactOnlineDeleteOperator(ExactOnlineWriteOperator):
    """
    Delete a record; return whether it was there.

    :param endpoint: The path behind the division.
    :param primary_key: The value of the record's key, in most endpoints a GUID.
    :param missing_ok: Succeed when there is no such record, as after a try that deleted it and then failed.
    """

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, "endpoint", "primary_key")

    def __init__(self, *, endpoint: str, primary_key: Any, missing_ok: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.primary_key = primary_key
        self.missing_ok = missing_ok
        check_endpoint(endpoint)
        check_required(primary_key=primary_key)

    def execute(self, context: Context) -> bool:
        with self.calling(context):
            check_required(primary_key=given(self.primary_key))
            self.check_division()
            deleted = self.hook.delete_record(self.endpoint, self.primary_key, missing_ok=self.missing_ok)
        outcome = "Deleted %s of %s in division %s" if deleted else "%s of %s was not there in division %s"
        self.log.info(outcome, self.primary_key, self.endpoint, self.where)
        return deleted


class ExactOnlineFunctionOperator(ExactOnlineOperator):
    """
    Call a function (most of ``read/…``) and return its answer as a list of records.

    Functions only read. The parameters are checked before the call where the catalogue knows them; where it does not,
    a value's own type decides how it is written, and text may be an OData literal (``datetime'2026-01-31'``).

    :param endpoint: The path behind the division: ``read/project/HoursByDate``.
    :param parameters: The function's parameters by name, such as ``{"checkDate": "{{ ds }}"}``.
    :param select: The fields to return, as a list or separated by commas; without it, all.
    :param top: Return the first so many.
    :param max_records: Fail rather than return more than this.
    """

    template_fields: Sequence[str] = (
        *ExactOnlineOperator.template_fields,
        "endpoint",
        "parameters",
        "select",
        "top",
        "max_records",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json"}

    def __init__(
        self,
        *,
        endpoint: str,
        parameters: Mapping[str, Any] | None = None,
        select: str | Sequence[str] | None = None,
        top: int | str | None = None,
        max_records: int | str = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.parameters = parameters
        self.select = select
        self.top = top
        self.max_records = max_records
        check_endpoint(endpoint)
        if is_final(top) and is_final(max_records):
            bounds(top, max_records)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        with self.calling(context):
            top, most = bounds(self.top, self.max_records)
            check_no_text("a dict", parameters=self.parameters)
            records = self.hook.call_function(self.endpoint, self.parameters, select=given(self.select), top=top)
            found = list(islice(records, most + 1))
            if len(found) > most:
                raise ExactRequestError(
                    f"{self.endpoint} answers with more than {most} records, the most that this task returns. Take the "
                    "first ones with top, raise max_records, or go through all of them with "
                    "ExactOnlineHook().call_function(…) in a @task."
                )
        self.log.info("Called %s in division %s: %s records", self.endpoint, self.worked_in, len(found))
        return found


def bounds(top: int | str | None, max_records: int | str) -> tuple[int | None, int]:
    """
    Return ``top`` and ``max_records`` as numbers.

    :raises ExactRequestError: they are none, or contradict each other.
    """
    first = whole_number("top", given(top))
    most = whole_number("max_records", given(max_records))
    if most is None:
        raise ExactRequestError("max_records: a whole number is needed.")
    if first is not None and first > most:
        raise ExactRequestError(
            f"top: {first} is above max_records ({most}), the most this task returns. Lower the one or raise the other."
        )
    return first, most
