"""The rules of ``project/TimeTransactions`` (and ``project/CostTransactions``) that go beyond field types."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from airflow_provider_exact.client.errors import ExactRequestError


class HourStatus(IntEnum):
    """What a time transaction's ``HourStatus`` means; only the first three can be written."""

    DRAFT = 1
    REJECTED = 2
    SUBMITTED = 10
    FAILED_ON_APPROVAL = 11
    PROCESSING = 14
    ALSO_PROCESSING = 16
    FAILED_WHILE_UNDOING_APPROVAL = 19
    FINAL = 20


WRITABLE_STATUSES = (HourStatus.DRAFT, HourStatus.REJECTED, HourStatus.SUBMITTED)
CHARGED_TO = ("Account", "Project", "Subscription")
# As in the catalogue, which takes long to load while a Dag is parsed; what is not here is text.
TYPES = {
    **dict.fromkeys(
        (*CHARGED_TO, "Item", "Employee", "Activity", "Attachment", "SubscriptionAccount"),
        "Guid",
    ),
    **dict.fromkeys(("Date", "StartTime", "EndTime"), "DateTime"),
    "Quantity": "Double",
    "EntryNumber": "Int32",
    "SkipValidation": "Boolean",
}


def hour_status(value: object) -> int:
    """
    Return a status to write as its number.

    :param value: ``"draft"``, ``"rejected"`` or ``"submitted"`` in any letter case, or 1, 2 or 10.
    :raises ExactRequestError: it is another one; Exact sets those itself.
    """
    word = value.strip().upper().replace(" ", "_") if isinstance(value, str) else value
    for status in WRITABLE_STATUSES:
        if not isinstance(word, bool) and word in (status, status.name, str(int(status))):
            return int(status)
    choices = ", ".join(f"{int(status)} {status.name.lower()}" for status in WRITABLE_STATUSES)
    known = (
        next((s for s in HourStatus if word in (s, s.name, str(int(s)))), None) if not isinstance(word, bool) else None
    )
    reason = (
        f"{int(known)} ({known.name.lower().replace('_', ' ')}) is set by Exact Online itself"
        if known
        else f"{value!r} is not a status"
    )
    raise ExactRequestError(f"HourStatus: {reason}. Choose one of {choices}.")


def check_charged(data: Mapping[str, object], *, path: str) -> None:
    """
    Check that a new transaction says what it is booked on.

    :raises ExactRequestError: none of account, project and subscription is given.
    """
    if not any(data.get(name) for name in CHARGED_TO):
        raise ExactRequestError(f"{path}: one of {', '.join(CHARGED_TO)} is needed, to book the transaction on.")
