"""Everything that the emulator remembers, and the way back to the seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.emulator.clock import Clock
from airflow_provider_exact.emulator.faults import Faults
from airflow_provider_exact.emulator.journal import Journal
from airflow_provider_exact.emulator.limits import ErrorVelocity, Limits
from airflow_provider_exact.emulator.seed import Seed
from airflow_provider_exact.emulator.settings import (
    DEFAULT_APP,
    DIVISIONS,
    App,
    DivisionInfo,
    Settings,
    bare_client_id,
)
from airflow_provider_exact.emulator.store import Key, Record, Store
from airflow_provider_exact.emulator.tokens import Grant, Pair, TokenBook

SEED_SETTINGS = ("seed", "time_transactions", "item_codes_padded")


class Emulator:
    """
    One emulated Exact Online.

    :param apps: Registered beside the default one, also after a reset.
    :param start_at: Where its clock starts, in seconds since the epoch; real time when absent.
    """

    def __init__(
        self, settings: Settings | None = None, *, apps: tuple[App, ...] = (), start_at: float | None = None
    ) -> None:
        self._first_settings = settings or Settings()
        self._first_apps = (DEFAULT_APP, *apps)
        self.clock = Clock(start_at)
        self.divisions: dict[int, DivisionInfo] = {info.code: info for info in DIVISIONS}
        self._seeded: dict[int, tuple[tuple[object, ...], Store]] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the seed: records, tokens, apps, settings, limits, faults, statistics and the clock."""
        self.settings = self._first_settings
        self.clock.reset()
        self.apps = {bare_client_id(app.client_id): app for app in self._first_apps}
        self.tokens = TokenBook()
        self.limits = Limits()
        self.errors = ErrorVelocity()
        self.faults = Faults()
        self.journal = Journal()
        self.stores: dict[int, Store] = {}
        self.current_division = DIVISIONS[0].code

    def store(self, division: int) -> Store:
        """Return the data of a division, seeded table by table as it is used."""
        if division not in self.stores:
            untouched = self._untouched(division)

            def copied(_: Store, table: str) -> Iterator[tuple[Key, Record]]:
                return ((key, dict(row.record)) for key, row in untouched.table(table).items())

            self.stores[division] = Store(division, copied, untouched.table_numbers)
        return self.stores[division]

    def _untouched(self, division: int) -> Store:
        """
        Return the seeded data that nobody writes to; it outlives a reset, since making it takes time.

        A table that is first used after writes to others is thereby seeded as if there had been none.
        """
        today = self.wall().date()
        made_of = (today, *(getattr(self.settings, name) for name in SEED_SETTINGS))
        kept = self._seeded.get(division)
        if kept is None or kept[0] != made_of:
            numbers = {path: number for number, path in enumerate(sorted(load()))}
            store = Store(division, Seed(self.settings, self.divisions[division], today), numbers)
            kept = self._seeded[division] = made_of, store
        return kept[1]

    def change_settings(self, changes: dict[str, object]) -> None:
        """
        Change settings; one that shapes the seed brings the records back to it.

        :raises ValueError: a name or value is wrong.
        """
        before, self.settings = self.settings, self.settings.changed(changes)
        if any(getattr(before, name) != getattr(self.settings, name) for name in SEED_SETTINGS):
            self.stores = {}

    def sign_in(self, client_id: str, user: int = 0, divisions: frozenset[int] | None = None) -> Pair:
        """
        Sign a user in without the page in the browser.

        :raises ValueError: there is no such app or division.
        """
        app = self.apps.get(bare_client_id(client_id))
        if app is None:
            raise ValueError("client_id: no such app; register it with POST /_emulator/apps")
        granted = frozenset(self.divisions) if divisions is None else divisions
        if unknown := granted - frozenset(self.divisions):
            raise ValueError(f"divisions: there is no {min(unknown)}; there are {sorted(self.divisions)}")
        self.journal.sign_ins += 1
        return self.tokens.sign_in(Grant(app, user, granted), self.settings, self.clock.now())

    def move_division(self, division: int) -> None:
        self.store(division).move(self.wall())

    def wall(self) -> datetime:
        """Return what Exact's own clock on the wall shows."""
        return self.clock.wall(self.settings.zone)

    def describe(self) -> dict[str, Any]:
        return {"now": self.clock.now(), "is_held": self.clock.is_held}
