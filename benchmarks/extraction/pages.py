"""Pages of time transactions as Exact writes them, always the same ones, made at next to no cost."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from airflow_provider_exact.client.catalogue import Endpoint

DIVISION = 3000001
# Eight digits in the page's records, which are those of the page before otherwise.
MARK = b"@page@@@"
SKIPTOKEN = re.compile(r"&(?:\$|%24)skiptoken=guid(?:'|%27)(\d{8})[^&]*")
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = ("Jansen", "De Vries", "Bakker", "Smit", "Peeters", "Maes", "Özdemir", "Jacobs")
TOWNS = ("Delft", "Gent", "Zwolle", "Mechelen", "Breda", "Hasselt", "Assen", "Brugge")
WORK = ("Ontwerp", "Bouw", "Oplevering", "Overleg", "Storing", "Reistijd", "Onderhoud", "Advies")


class Pages:
    """A list of so many records, in pages of the endpoint's size."""

    def __init__(self, endpoint: Endpoint, rows: int) -> None:
        self.rows = rows
        self.page_size = endpoint.page_size or rows
        fields = [prop.name for prop in endpoint.properties if not prop.hidden]
        metadata = {"type": f"Exact.Web.Api.Models.{endpoint.name}"}
        base = f"https://start.exactonline.nl/api/v1/{DIVISION}/{endpoint.path}"
        self._records = [
            msgspec.json.encode(
                {"__metadata": {"uri": f"{base}(guid'{_id(number)}')", **metadata}}
                | {name: _value(name, number) for name in fields}
            )
            for number in range(min(self.page_size, rows))
        ]
        self._whole = b",".join(self._records).split(MARK)

    def page(self, url: str) -> tuple[bytes, str | None]:
        """Return the answer to a request, and the address that it says the list goes on at; ``url`` is a whole one."""
        found = SKIPTOKEN.search(url)
        number = int(found[1]) + 1 if found else 0
        left = self.rows - number * self.page_size
        parts = self._whole if left >= self.page_size else b",".join(self._records[:left]).split(MARK)
        tail, next_url = b"]}}", None
        if left > self.page_size:
            last = f"{number:08d}-0000-4000-8000-{self.page_size - 1:012x}"
            next_url = f"{SKIPTOKEN.sub('', url)}&$skiptoken=guid'{last}'"
            tail = b'],"__next":"%s"}}' % next_url.encode()
        whole = [b'{"d":{"results":[' + parts[0], *parts[1:-1], parts[-1] + tail]
        return (b"%08d" % number).join(whole), next_url


def _id(number: int) -> str:
    return f"{MARK.decode()}-0000-4000-8000-{number:012x}"


def _value(name: str, number: int) -> Any:
    """Return what a field of the page's record of this number says."""
    maker = _MAKERS.get(name)
    return maker(_Hour(number)) if maker else None


class _Hour:
    """Hours that somebody wrote for a project of a customer."""

    def __init__(self, number: int) -> None:
        chance = random.Random(number)
        self.number = number
        self.employee = chance.randrange(40)
        self.project = chance.randrange(120)
        self.customer = self.project % 30
        self.work = chance.randrange(len(WORK))
        self.day = FIRST_DAY + timedelta(days=chance.randrange(700))
        self.begin = chance.randrange(28, 40) * 900 if chance.random() < 0.5 else None
        self.quarters = chance.randrange(1, 33)
        self.price = chance.choice((65.0, 87.5, 95.0, 112.75))
        self.note = chance.random() < 0.35

    @property
    def written(self) -> timedelta:
        return timedelta(hours=17, seconds=self.number % 3600, milliseconds=self.number * 37 % 1000)


def _guid(kind: int, number: int) -> str:
    return str(UUID(int=random.Random(kind * 10_000 + number).getrandbits(128), version=4))


def _date(moment: datetime) -> str:
    return f"/Date({int(moment.timestamp() * 1000)})/"


def _clock(hour: _Hour, quarters: int) -> str | None:
    return None if hour.begin is None else _date(hour.day + timedelta(seconds=hour.begin + quarters * 900))


# The rest is null, as it is in most books.
_MAKERS: dict[str, Callable[[_Hour], Any]] = {
    "ID": lambda hour: _id(hour.number),
    "Timestamp": lambda hour: f"7{MARK.decode()}{hour.number:04d}",
    "Account": lambda hour: _guid(1, hour.customer),
    "AccountName": lambda hour: f"{NAMES[hour.customer % 8]} Installatietechniek {TOWNS[hour.customer % 7]} B.V.",
    "Activity": lambda hour: _guid(5, hour.work),
    "ActivityDescription": lambda hour: WORK[hour.work],
    "AmountFC": lambda hour: hour.price * hour.quarters / 4,
    "Created": lambda hour: _date(hour.day + hour.written),
    "Creator": lambda hour: _guid(2, hour.employee),
    "CreatorFullName": lambda hour: f"A. {NAMES[hour.employee % 8]}",
    "Currency": lambda _: "EUR",
    "Date": lambda hour: _date(hour.day),
    "Division": lambda _: DIVISION,
    "DivisionDescription": lambda _: "Voorbeeld Techniek B.V.",
    "Employee": lambda hour: _guid(3, hour.employee),
    "EndTime": lambda hour: _clock(hour, hour.quarters),
    "EntryNumber": lambda hour: 100_000 + hour.number,
    "HourStatus": lambda hour: (1, 2, 20)[hour.number % 3],
    "Item": lambda hour: _guid(4, hour.work),
    "ItemDescription": lambda hour: f"Uren {WORK[hour.work].lower()}",
    "ItemDivisable": lambda _: True,
    "Modified": lambda hour: _date(hour.day + hour.written + timedelta(days=hour.number % 5)),
    "Modifier": lambda hour: _guid(2, hour.employee),
    "ModifierFullName": lambda hour: f"A. {NAMES[hour.employee % 8]}",
    "Notes": lambda hour: f'{WORK[hour.work]}: "fase {hour.project % 9}"\r\nzie mail' if hour.note else None,
    "PriceFC": lambda hour: hour.price,
    "Project": lambda hour: _guid(6, hour.project),
    "ProjectAccount": lambda hour: _guid(1, hour.customer),
    "ProjectAccountCode": lambda hour: f"{1000 + hour.customer:>18}",
    "ProjectAccountName": lambda hour: (
        f"{NAMES[hour.customer % 8]} Installatietechniek {TOWNS[hour.customer % 7]} B.V."
    ),
    "ProjectCode": lambda hour: f"P{hour.project:05d}",
    "ProjectDescription": lambda hour: f"Renovatie {TOWNS[hour.project % 8]} fase {hour.project % 9}",
    "Quantity": lambda hour: hour.quarters / 4,
    "StartTime": lambda hour: _clock(hour, 0),
    "Type": lambda _: 1,
    "WBS": lambda hour: _guid(5, hour.work),
    "WBSDescription": lambda hour: WORK[hour.work],
}
