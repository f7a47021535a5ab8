"""Operators for project hours: create and change ``project/TimeTransactions``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.serialisation import to_guid, to_json
from airflow_provider_exact.client.time_transactions import CHARGED_TO, TYPES
from airflow_provider_exact.client.time_transactions import hour_status as status_number
from airflow_provider_exact.operators.base import (
    check_no_text,
    check_required,
    given,
    is_final,
)
from airflow_provider_exact.operators.writing import CreatingOperator, ExactOnlineWriteOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from decimal import Decimal
    from uuid import UUID

    from airflow.sdk import Context

    from airflow_provider_exact.record_types import TimeTransactionData

    Guid = str | UUID
    Number = float | Decimal | str
    Day = date | str
    Moment = datetime | str

ENDPOINT = "project/TimeTransactions"

# Arguments and the fields they fill. Price and Amount, which Exact calls obsolete, are left to ``data``.
FIELDS = {
    "item": "Item",
    "quantity": "Quantity",
    "project": "Project",
    "account": "Account",
    "subscription": "Subscription",
    "date": "Date",
    "employee": "Employee",
    "activity": "Activity",
    "notes": "Notes",
    "start_time": "StartTime",
    "end_time": "EndTime",
    "hour_status": "HourStatus",
    "attachment": "Attachment",
    "currency": "Currency",
    "entry_number": "EntryNumber",
    "error_text": "ErrorText",
    "subscription_account": "SubscriptionAccount",
    "skip_validation": "SkipValidation",
}


class Unchanged(enum.Enum):
    """The default of a field that an update leaves as it is; ``None`` empties the field."""

    UNCHANGED = "(unchanged)"

    def __repr__(self) -> str:
        return self.value

    def __str__(self) -> str:
        return self.value

    def serialize(self) -> str:
        """Return what Airflow shows among the rendered templates."""
        return self.value


UNCHANGED: Final = Unchanged.UNCHANGED
Kept = Literal[Unchanged.UNCHANGED] | None


class _TimeTransactionOperator(ExactOnlineWriteOperator):
    """What creating and changing hours share: how arguments become the fields of a record."""

    template_fields: Sequence[str] = (*ExactOnlineWriteOperator.template_fields, *FIELDS, "data")
    template_fields_renderers: ClassVar[dict[str, str]] = {"data": "json"}
    # The operator link reads it.
    endpoint = ENDPOINT

    data: Mapping[str, Any] | None

    def _arguments(self) -> dict[str, Any]:
        """Return the fields that have an argument of their own and were given one."""
        raise NotImplementedError

    def _record(self) -> dict[str, Any]:
        """
        Return the fields to send.

        :raises ExactRequestError: a field is given twice, or ``data`` is not a dict.
        """
        check_no_text(data=self.data)
        if self.data is not None and not isinstance(self.data, Mapping):
            raise ExactRequestError(f"data: expected a dict of fields, not {type(self.data).__name__}.")
        data = dict(self.data or {})
        arguments = self._arguments()
        in_data = {name.casefold() for name in data if isinstance(name, str)}
        for argument, field in FIELDS.items():
            if field in arguments and field.casefold() in in_data:
                raise ExactRequestError(f"{field}: given as {argument} and again in data; leave one of them out.")
        return {**arguments, **data}

    def _check_final(self) -> None:
        """Refuse an argument of another type while the Dag is parsed, when it is already known."""
        arguments = self._arguments()
        for argument, field in FIELDS.items():
            if field not in arguments or not is_final(value := arguments[field]):
                continue
            if field == "HourStatus":
                status_number(value)
            else:
                to_json(argument, value, TYPES.get(field, "String"))


class ExactOnlineCreateTimeTransactionOperator(CreatingOperator, _TimeTransactionOperator):
    """
    Write an hour entry and return it as Exact stored it.

    ``item``, ``quantity`` and one of ``project``, ``account`` and ``subscription`` are mandatory. Hours belong to the
    user who signed in unless ``employee`` says otherwise. A task instance writes its entry once, however often it runs.

    :param item: GUID of the hour type (``logistics/Items``; ``read/project/HourTypes`` lists the usable ones).
    :param quantity: Number of hours; a fraction only if the item may be divided.
    :param project: GUID of the project the hours are booked on.
    :param account: GUID of the customer the hours are booked on.
    :param subscription: GUID of the subscription the hours are booked on.
    :param date: The day of the work.
    :param employee: GUID of the employee who worked (``payroll/Employees``).
    :param activity: GUID of the activity in the project's work breakdown structure (``project/WBSActivities``).
    :param notes: Text shown with the entry.
    :param start_time: When the work began, without a time zone.
    :param end_time: When the work ended, without a time zone.
    :param hour_status: ``"draft"`` (1), ``"rejected"`` (2) or ``"submitted"`` (10); Exact's other statuses can't be
        written.
    :param attachment: GUID of the document that belongs to the entry.
    :param currency: Currency code, such as ``EUR``.
    :param entry_number: Number of the entry.
    :param error_text: Text of a background job's error; Exact's own jobs use it.
    :param subscription_account: GUID of the subscription's customer.
    :param skip_validation: Have Exact skip its own validation; hidden in Exact's documentation.
    :param data: Further fields by Exact's names, such as the obsolete ``Price`` and ``Amount``, or an ``ID`` of your
        own.
    """

    def __init__(
        self,
        *,
        item: Guid,
        quantity: Number,
        project: Guid | None = None,
        account: Guid | None = None,
        subscription: Guid | None = None,
        date: Day | None = None,
        employee: Guid | None = None,
        activity: Guid | None = None,
        notes: str | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        hour_status: int | str | None = None,
        attachment: Guid | None = None,
        currency: str | None = None,
        entry_number: int | str | None = None,
        error_text: str | None = None,
        subscription_account: Guid | None = None,
        skip_validation: bool | str | None = None,
        data: TimeTransactionData | None = None,
        verify: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.verify = verify
        self.item = item
        self.quantity = quantity
        self.project = project
        self.account = account
        self.subscription = subscription
        self.date = date
        self.employee = employee
        self.activity = activity
        self.notes = notes
        self.start_time = start_time
        self.end_time = end_time
        self.hour_status = hour_status
        self.attachment = attachment
        self.currency = currency
        self.entry_number = entry_number
        self.error_text = error_text
        self.subscription_account = subscription_account
        self.skip_validation = skip_validation
        self.data = data
        check_required(item=item, quantity=quantity)
        self._check_final()
        if data is None or isinstance(data, Mapping):
            self._check_charged()

    def _arguments(self) -> dict[str, Any]:
        fields = {field: given(getattr(self, argument)) for argument, field in FIELDS.items()}
        return {field: value for field, value in fields.items() if value is not None}

    def _check_charged(self) -> None:
        names = {name.casefold() for name in self._record() if isinstance(name, str)}
        if not names.intersection(name.casefold() for name in CHARGED_TO):
            raise ExactRequestError(
                "project, account, subscription: hours are booked on one of them, and none is given."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            self.check_division()
            record = self.creations(context).one(self._record())
        return self.hand_over(context, "Created", record)


class ExactOnlineUpdateTimeTransactionOperator(_TimeTransactionOperator):
    """
    Change an hour entry and return it as Exact then has it.

    Only the fields that are given are sent; ``None`` empties a field, except ``hour_status``. The arguments are those
    of ``ExactOnlineCreateTimeTransactionOperator``.

    :param time_transaction_id: The entry's ``ID``.
    """

    template_fields: Sequence[str] = (*_TimeTransactionOperator.template_fields, "time_transaction_id")

    def __init__(
        self,
        *,
        time_transaction_id: Guid,
        item: Guid | Kept = UNCHANGED,
        quantity: Number | Kept = UNCHANGED,
        project: Guid | Kept = UNCHANGED,
        account: Guid | Kept = UNCHANGED,
        subscription: Guid | Kept = UNCHANGED,
        date: Day | Kept = UNCHANGED,
        employee: Guid | Kept = UNCHANGED,
        activity: Guid | Kept = UNCHANGED,
        notes: str | Kept = UNCHANGED,
        start_time: Moment | Kept = UNCHANGED,
        end_time: Moment | Kept = UNCHANGED,
        hour_status: int | str | Kept = UNCHANGED,
        attachment: Guid | Kept = UNCHANGED,
        currency: str | Kept = UNCHANGED,
        entry_number: int | str | Kept = UNCHANGED,
        error_text: str | Kept = UNCHANGED,
        subscription_account: Guid | Kept = UNCHANGED,
        skip_validation: bool | str | Kept = UNCHANGED,
        data: TimeTransactionData | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.time_transaction_id = time_transaction_id
        self.item = item
        self.quantity = quantity
        self.project = project
        self.account = account
        self.subscription = subscription
        self.date = date
        self.employee = employee
        self.activity = activity
        self.notes = notes
        self.start_time = start_time
        self.end_time = end_time
        self.hour_status = hour_status
        self.attachment = attachment
        self.currency = currency
        self.entry_number = entry_number
        self.error_text = error_text
        self.subscription_account = subscription_account
        self.skip_validation = skip_validation
        self.data = data
        # Text "None" is what such a one leaves of nothing, and otherwise what a person wrote.
        texts = {name: value for name in FIELDS if isinstance(value := getattr(self, name), str)}
        self._templates = {name for name, text in texts.items() if not is_final(text)}
        check_required(time_transaction_id=time_transaction_id)
        if is_final(time_transaction_id):
            to_guid("time_transaction_id", time_transaction_id)
        self._check_final()
        if data is None or isinstance(data, Mapping):
            self._changes()

    def _arguments(self) -> dict[str, Any]:
        fields = {field: self._argument(argument) for argument, field in FIELDS.items()}
        return {field: value for field, value in fields.items() if value is not UNCHANGED}

    def _argument(self, name: str) -> Any:
        value = getattr(self, name)
        return given(value) or "" if name in self._templates and isinstance(value, str) else value

    def _changes(self) -> dict[str, Any]:
        changes = self._record()
        if not changes:
            raise ExactRequestError("time_transaction_id: nothing to change is given; name at least one field.")
        return changes

    def execute(self, context: Context) -> dict[str, Any]:
        with self.calling(context):
            check_required(time_transaction_id=given(self.time_transaction_id))
            self.check_division()
            key = to_guid("time_transaction_id", self.time_transaction_id)
            record = self.hook.update_record(ENDPOINT, key, self._changes())
        return self.hand_over(context, "Updated", record, primary_key=self.time_transaction_id)
