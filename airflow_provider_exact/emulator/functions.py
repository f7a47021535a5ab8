"""The functions and overviews below ``read/``: they take parameters in the query instead of a ``$filter``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_exact.client.catalogue import Endpoint, load
from airflow_provider_exact.emulator import references
from airflow_provider_exact.emulator.errors import Refusal, syntax_error
from airflow_provider_exact.emulator.store import Record, Shown, Store
from airflow_provider_exact.emulator.values import WrongTypeError, any_literal, literal
from airflow_provider_exact.emulator.views import COSTS, HOURS, view_of

# HourStatus -> the column of an overview that shows the quantity.
STATUS_COLUMNS = {1: "Draft", 2: "Rejected", 10: "Submitted", 20: "Approved"}
RECENT_WEEKS = 4


def parameters(endpoint: Endpoint, options: dict[str, str]) -> dict[str, Any]:
    """
    Read a function's parameters.

    :raises Refusal: one is missing, unknown or of another type, or ``$filter`` was used instead.
    """
    given = {name.casefold(): text for name, text in options.items() if not name.startswith("$")}
    if "$filter" in options or "$orderby" in options:
        raise syntax_error()
    read: dict[str, Any] = {}
    try:
        if endpoint.parameters is None:
            # Functions whose parameters nobody published take any.
            return {name: any_literal(text)[1] for name, text in given.items()}
        for field in endpoint.parameters:
            text = given.pop(field.name.casefold(), None)
            if text is None:
                raise syntax_error()
            read[field.name.casefold()] = literal(field.type, text)
    except WrongTypeError as error:
        raise syntax_error() from error
    if given:
        raise syntax_error()
    return read


@dataclass(frozen=True)
class Functions:
    """
    Answers for one user at one moment.

    :param employee: The user's employee, whose entries the overviews show.
    :param now: What the clock on Exact's wall shows.
    """

    store: Store
    employee: str | None
    now: datetime

    def records(self, endpoint: Endpoint, given: dict[str, Any]) -> Sequence[Shown]:
        """Return what a function or overview gives."""
        name = endpoint.name
        if endpoint.path == "read/sync/Sync/SyncTimestamp":
            return self.sync_timestamp(given)
        if endpoint.service == "read/project":
            for begins, maker in self._project_functions().items():
                if name.startswith(begins):
                    return list(maker(given, name))
        return list(view_of(endpoint).records(self.store))

    def _project_functions(self) -> dict[str, Callable[[dict[str, Any], str], Iterator[Shown]]]:
        return {
            "RecentHours": self.entries,
            "RecentCosts": self.entries,
            "HoursBy": self.entries,
            "CostsBy": self.entries,
            "HourTypes": self.items,
            "CostTypes": self.items,
            "HourCostTypes": self.items,
            "TimeAndBillingEntryProjects": self.projects,
            "HourEntryActivitiesByProject": self.activities,
            "TimeAndBillingActivitiesAndExpenses": self.activities,
        }

    def scalar(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return the answer of a function that gives one value instead of records."""
        return {endpoint.name: True if endpoint.name == "UserHasRights" else 0}

    def entries(self, given: dict[str, Any], name: str) -> Iterator[Shown]:
        """Yield the user's own hours or costs, the newest first."""
        table = COSTS if "Costs" in name else HOURS
        monday = self.now.replace(hour=0, minute=0, second=0) - timedelta(days=self.now.weekday())
        since: datetime | None = monday - timedelta(weeks=int(given.get("numberofweeks", RECENT_WEEKS)) - 1)
        until: datetime | None = None
        if "entryid" in given or "checkdate" in given:
            since, until = given.get("checkdate"), given.get("checkdate")
        found = []
        for row in self.store.table(table).values():
            record, day = row.record, row.record["Date"]
            if record.get("Employee") != self.employee or (since and day < since):
                continue
            if (until and day.date() > until.date()) or given.get("entryid", record["ID"]) != record["ID"]:
                continue
            found.append((day, row.version, record))
        found.sort(key=lambda entry: entry[:2], reverse=True)
        for number, (_, _, record) in enumerate(found, start=1):
            yield self._entry(table, record, number)

    def _entry(self, table: str, record: Record, number: int) -> Record:
        item = self.store.get(references.ITEMS, record.get("Item")) or {}
        project = self.store.get(references.PROJECTS, record.get("Project")) or {}
        account = self.store.get(references.ACCOUNTS, record.get("Account")) or {}
        column = STATUS_COLUMNS.get(record["HourStatus"], "Submitted")
        entry: Record = {
            "Id": number,
            "EntryId": record["ID"],
            "Date": record["Date"],
            "WeekNumber": record["Date"].isocalendar().week,
            "Notes": record.get("Notes"),
            "Activity": record.get("Activity"),
            "ActivityDescription": record.get("ActivityDescription"),
            "AccountId": record.get("Account"),
            "AccountCode": account.get("Code"),
            "AccountName": account.get("Name"),
            "ItemId": record.get("Item"),
            "ItemCode": item.get("Code"),
            "ItemDescription": item.get("Description"),
            "ProjectId": record.get("Project"),
            "ProjectCode": project.get("Code"),
            "ProjectDescription": project.get("Description"),
            "CurrencyCode": record.get("Currency"),
        }
        for status in STATUS_COLUMNS.values():
            quantity = record["Quantity"] if status == column else 0.0
            if table == HOURS:
                entry[f"Hours{status}"] = entry[f"Hours{status}Billable"] = quantity
            else:
                entry[f"Quantity{status}"] = quantity
                entry[f"Amount{status}"] = record["AmountFC"] if status == column else 0.0
        return entry

    def items(self, given: dict[str, Any], name: str) -> Iterator[Shown]:
        self._project_of(given)
        for row in self.store.table(references.ITEMS).values():
            item = row.record
            if name.startswith("HourCost") or bool(item.get("IsTime")) == name.startswith("Hour"):
                yield {"ItemId": item["ID"], "ItemCode": item["Code"], "ItemDescription": item["Description"]}

    def projects(self, given: dict[str, Any], _name: str) -> Iterator[Shown]:
        for row in self.store.table(references.PROJECTS).values():
            project = row.record
            if given.get("accountid", project.get("Account")) == project.get("Account"):
                yield {
                    "ProjectId": project["ID"],
                    "ProjectCode": project["Code"],
                    "ProjectDescription": project["Description"],
                }

    def activities(self, given: dict[str, Any], _name: str) -> Iterator[Shown]:
        for row in self.store.table(references.ACTIVITIES).values():
            if given.get("projectid", row.record["Project"]) == row.record["Project"]:
                yield row.record

    def _project_of(self, given: dict[str, Any]) -> None:
        project = given.get("projectid")
        if project is not None and self.store.get(references.PROJECTS, project) is None:
            raise Refusal(404, "Resource not found for the segment.")

    def sync_timestamp(self, given: dict[str, Any]) -> list[Record]:
        """Return the row version of the first record changed at or after a moment."""
        wanted = given["endpoint"].casefold()
        endpoint = next((e for e in load().values() if e.is_sync and e.name.casefold() == wanted), None)
        if endpoint is None:
            raise syntax_error()
        since = given["modified"]
        found = [
            (record["Timestamp"], record["Modified"])
            for record in view_of(endpoint).records(self.store)
            if record.get("Modified") is not None and record["Modified"] >= since
        ]
        if not found:
            return []
        version, modified = min(found)
        return [{"Modified": modified, "API": endpoint.name, "TimeStampAsBigInt": version}]
