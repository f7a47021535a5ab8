"""The signed-in user, and the lists of the divisions that they gave an app access to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator.rules import CODE_WIDTH
from airflow_provider_exact.emulator.settings import USERS, DivisionInfo
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.store import Record, guid, user_id
from airflow_provider_exact.emulator.tokens import Grant

DIVISION_LISTS = frozenset(
    {"system/divisions", "system/alldivisions", "hrm/divisions", "system/getmostrecentlyuseddivisions"}
)


def me(emulator: Emulator, grant: Grant) -> Record:
    user = USERS[grant.user]
    first, last = user.full_name.split(" ", 1)
    now = emulator.wall()
    offset = ZoneInfo(emulator.settings.zone).utcoffset(now) or timedelta()
    return {
        "UserID": user_id(grant.user),
        "CurrentDivision": emulator.current_division,
        "AccountingDivision": emulator.current_division,
        "UserName": user.name,
        "Email": user.name,
        "FirstName": first,
        "LastName": last,
        "FullName": user.full_name,
        "Initials": f"{first[0]}.",
        "Language": "NL-NL",
        "LanguageCode": "nl-NL",
        "Legislation": 1,
        "Nationality": "NL",
        "EmployeeID": employee_id(emulator, grant, emulator.current_division),
        "IsEmployeeSelfServiceUser": False,
        "IsStarterUser": False,
        "ServerTime": now.isoformat(),
        "ServerUtcOffset": offset.total_seconds() / 3600,
    }


def employee_id(emulator: Emulator, grant: Grant, division: int) -> str:
    """Return the employee that the user is in a division."""
    seed = emulator.settings.seed
    return guid(seed, division, "payroll/employees", USERS[grant.user].employee)


def divisions(emulator: Emulator, grant: Grant, endpoint: Endpoint) -> list[Record]:
    """Return a division list's records: only what was granted at sign-in."""
    names = {prop.name for prop in endpoint.properties}
    found = []
    for number, info in enumerate(emulator.divisions.values()):
        if info.code in grant.divisions:
            record = _division(emulator, info, number)
            found.append({name: value for name, value in record.items() if name in names})
    return found


def _division(emulator: Emulator, info: DivisionInfo, number: int) -> dict[str, Any]:
    started = datetime(2014 + number, 1, 1)  # noqa: DTZ001 - naive, as everywhere in here
    store = emulator.stores.get(info.code)
    return {
        "Code": info.code,
        "Hid": number + 1,
        "Description": info.name,
        "City": info.city,
        "Country": "BE" if info.city == "Gent" else "NL",
        "Currency": "EUR",
        "Current": info.code == emulator.current_division,
        "Customer": guid("customer"),
        "CustomerCode": "1".rjust(CODE_WIDTH),
        "CustomerName": emulator.divisions[next(iter(emulator.divisions))].name,
        "IsMainDivision": number == 0,
        "IsHRDivision": False,
        "IsDossierDivision": False,
        "IsPracticeDivision": False,
        "Status": 0,
        "BlockingStatus": 0,
        "StartDate": started,
        "Created": started,
        "Modified": started,
        "Creator": user_id(0),
        "CreatorFullName": USERS[0].full_name,
        "Modifier": user_id(0),
        "ModifierFullName": USERS[0].full_name,
        "DivisionMoveDate": None if store is None else store.moved_at,
    }
