"""
The data that a division starts with: linked accounts, items, employees, projects and hours.

Ids follow from the seed, the division and the number of a record alone, so a table can point at another that was not
made yet. Dates count back from the day on which the emulator's clock was started.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.emulator import names, references
from airflow_provider_exact.emulator.generate import ROWS, generic_rows
from airflow_provider_exact.emulator.rules import ATTACHMENTS, CODE_WIDTH
from airflow_provider_exact.emulator.settings import USERS, DivisionInfo, Settings
from airflow_provider_exact.emulator.store import Key, Record, Store, guid, user_id
from airflow_provider_exact.emulator.views import COSTS, HOURS


@dataclass(frozen=True)
class Seed:
    """Makes the first records of each table of one division."""

    settings: Settings
    info: DivisionInfo
    today: date

    def __call__(self, store: Store, table: str) -> Iterable[tuple[Key, Record]]:
        makers = {
            references.ACCOUNTS: self.accounts,
            references.ITEMS: self.items,
            references.EMPLOYEES: self.employees,
            references.PROJECTS: self.projects,
            references.ACTIVITIES: self.activities,
            references.SUBSCRIPTIONS: self.subscriptions,
            references.USERS: self.users,
            ATTACHMENTS: self.attachments,
            HOURS: self.hours,
            COSTS: self.costs,
        }
        endpoint = load()[table]
        maker = makers.get(endpoint.path)
        if maker is None:
            return generic_rows(endpoint, self)
        return self._complete(store, table, maker())

    def _complete(self, store: Store, table: str, records: Iterator[Record]) -> Iterator[tuple[Key, Record]]:
        endpoint = load()[table]
        for number, record in enumerate(records):
            record[endpoint.key[0].name] = self.id_of(table, number) if table != "users/users" else user_id(number)
            changed_at = record.setdefault("Modified", self.moment(-200 + number % 180, number))
            record.setdefault("Created", changed_at)
            record.setdefault("Creator", user_id(0))
            record["Modifier"] = record["Creator"]
            references.derive(store, endpoint, record)
            yield (record[endpoint.key[0].name],), record

    def id_of(self, table: str, number: int) -> str:
        """Return the id of a seeded record."""
        return guid(self.settings.seed, self.info.code, table.casefold(), number)

    def random(self, table: str) -> random.Random:
        return random.Random(f"{self.settings.seed}|{self.info.code}|{table}")  # noqa: S311 - not a secret

    def moment(self, days: int, number: int = 0) -> datetime:
        return self.day(days) + timedelta(hours=8, seconds=(number * 37) % 32_000)

    def day(self, days: int) -> datetime:
        return datetime.combine(self.today, time()) + timedelta(days=days)

    def count(self, full: int, least: int) -> int:
        return max(least, round(full * self.info.size))

    @property
    def account_count(self) -> int:
        return self.count(150, 12)

    @property
    def project_count(self) -> int:
        return self.count(90, 8)

    def accounts(self) -> Iterator[Record]:
        for number in range(self.account_count):
            first = names.ACCOUNT_FIRST[number % len(names.ACCOUNT_FIRST)]
            second = names.ACCOUNT_SECOND[(number * 5 + number // 11) % len(names.ACCOUNT_SECOND)]
            name = f"{first} {second} {names.ACCOUNT_FORMS[number % len(names.ACCOUNT_FORMS)]}"
            yield {
                "Code": str(1001 + number).rjust(CODE_WIDTH),
                "Name": name,
                "City": names.CITIES[number % len(names.CITIES)],
                "Country": "NL",
                "AddressLine1": f"{second}straat {number + 1}",
                "Postcode": f"{9701 + number} AB",
                "Email": f"info@{first.lower()}-{number + 1}.example",
                "Phone": f"+31 50 555 {1000 + number}",
                "Status": "C" if number % 4 else "P",
                "Type": "A",
                "Blocked": False,
                "IsSales": True,
                "IsSupplier": number % 5 == 0,
                "IsReseller": False,
                "StartDate": self.day(-900 + number),
            }

    def items(self) -> Iterator[Record]:
        for number, (code, text, price, divisable, unit) in enumerate(names.HOUR_TYPES + names.COST_TYPES):
            yield {
                "Code": code.rjust(CODE_WIDTH) if self.settings.item_codes_padded else code,
                "Description": text,
                "StandardSalesPrice": price,
                "IsFractionAllowedItem": divisable,
                "IsTime": int(number < len(names.HOUR_TYPES)),
                "IsSalesItem": True,
                "IsStockItem": False,
                "IsPurchaseItem": False,
                "IsWebshopItem": 0,
                "Unit": unit,
                "UnitType": "T" if unit == "hour" else "O",
                "StartDate": self.day(-1200),
            }

    def employees(self) -> Iterator[Record]:
        for number in range(self.count(14, 4)):
            first, last = names.FIRST_NAMES[number], names.LAST_NAMES[number]
            if number < len(USERS):
                first, last = USERS[number].full_name.split(" ", 1)
            yield {
                "Code": str(number + 1).rjust(CODE_WIDTH),
                "HID": number + 1,
                "EmployeeHID": number + 1,
                "FirstName": first,
                "LastName": last,
                "FullName": f"{first} {last}",
                "Initials": f"{first[0]}.",
                "Gender": "V" if number % 2 == 0 else "M",
                "BusinessEmail": f"{first.lower()}@example.test",
                "IsActive": True,
                "StartDate": self.day(-1500 + number * 60),
                "User": user_id(number) if number < len(USERS) else None,
                "UserFullName": USERS[number].full_name if number < len(USERS) else None,
            }

    def projects(self) -> Iterator[Record]:
        for number in range(self.project_count):
            kind = names.PROJECT_KINDS[number % len(names.PROJECT_KINDS)]
            city = names.CITIES[(number * 7) % len(names.CITIES)]
            yield {
                "Code": f"P{number + 1:05d}",
                "Description": f"{kind} {city}",
                "Account": self.id_of(references.ACCOUNTS, number % self.account_count),
                "Type": (2, 3, 4, 5)[number % 4],
                "TypeDescription": ("Fixed price", "Time and material", "Non-billable", "Prepaid")[number % 4],
                "Manager": user_id(number % len(USERS)),
                "StartDate": self.day(-400 + number),
                "EndDate": None if number % 3 else self.day(120 + number),
                "DivisionName": self.info.name,
                "BlockEntry": False,
                "BlockPlanning": False,
                "HasWBSLines": True,
                "UseBillingMilestones": False,
            }

    def activities(self) -> Iterator[Record]:
        for project in range(self.project_count):
            for number, text in enumerate(names.ACTIVITIES, start=1):
                yield {
                    "Description": text,
                    "Project": self.id_of(references.PROJECTS, project),
                    "SequenceNumber": number,
                    "BudgetedHours": 40.0 * number,
                    "BlockEntry": False,
                    "Completed": False,
                    "Type": 2,
                    "StartDate": self.day(-400 + project),
                }

    def subscriptions(self) -> Iterator[Record]:
        for number in range(self.count(12, 3)):
            yield {
                "Number": 100 + number,
                "Description": f"Onderhoud {names.CITIES[number % len(names.CITIES)]}",
                "OrderedBy": self.id_of(references.ACCOUNTS, number),
                "InvoiceTo": self.id_of(references.ACCOUNTS, number),
                "StartDate": self.day(-300),
                "EndDate": self.day(430),
                "BlockEntry": False,
            }

    def users(self) -> Iterator[Record]:
        for user in USERS:
            first, last = user.full_name.split(" ", 1)
            yield {
                "UserName": user.name,
                "Email": user.name,
                "FirstName": first,
                "LastName": last,
                "FullName": user.full_name,
                "Language": "NL-NL",
            }

    def attachments(self) -> Iterator[Record]:
        for number in range(ROWS):
            text = f"Bijlage {number + 1} van {self.info.name}\n".encode()
            yield {
                "Document": self.id_of("documents/Documents", number),
                "FileName": f"bijlage-{number + 1}.txt",
                "FileSize": float(len(text)),
                "Attachment": base64.b64encode(text).decode(),
            }

    def hours(self) -> Iterator[Record]:
        count = self.count(self.settings.time_transactions, min(90, self.settings.time_transactions))
        yield from self._bookings(HOURS, count, 0, len(names.HOUR_TYPES), kind=1)

    def costs(self) -> Iterator[Record]:
        yield from self._bookings(COSTS, self.count(240, 20), len(names.HOUR_TYPES), len(names.COST_TYPES), kind=2)

    def _bookings(self, table: str, count: int, first_item: int, items: int, *, kind: int) -> Iterator[Record]:
        """Yield hours or costs, the oldest first, over the working days of the last months."""
        pick = self.random(table)
        employees = self.count(14, 4)
        activities = len(names.ACTIVITIES)
        types = names.HOUR_TYPES + names.COST_TYPES
        for number in range(count):
            back = (count - 1 - number) * 230 // max(count, 1) + 1
            day = self.day(-back)
            day -= timedelta(days=max(0, day.weekday() - 4))
            item = first_item + pick.randrange(items)
            project = pick.randrange(self.project_count)
            employee = pick.randrange(employees)
            quantity = pick.randrange(1, 33) / 4 if types[item][3] else float(pick.randrange(1, 4))
            price = types[item][2]
            starts = day + timedelta(hours=8 + pick.randrange(4))
            yield {
                "Type": kind,
                "Item": self.id_of(references.ITEMS, item),
                "Project": self.id_of(references.PROJECTS, project),
                "Account": self.id_of(references.ACCOUNTS, project % self.account_count),
                "Activity": self.id_of(references.ACTIVITIES, project * activities + pick.randrange(activities)),
                "Employee": self.id_of(references.EMPLOYEES, employee),
                "Quantity": quantity,
                "PriceFC": price,
                "AmountFC": round(quantity * price, 2),
                "Currency": "EUR",
                "Date": day,
                "StartTime": starts if kind == 1 else None,
                "EndTime": starts + timedelta(hours=quantity) if kind == 1 else None,
                "EntryNumber": number + 1,
                "HourStatus": 20 if back > 40 else pick.choice((1, 2, 10, 10, 20)),
                "Notes": pick.choice(names.NOTES),
                "DivisionDescription": self.info.name,
                "Created": self.moment(-back, number),
                "Modified": self.moment(-back, number),
                "Creator": user_id(employee % len(USERS)),
            }
