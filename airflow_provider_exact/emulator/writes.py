"""POST, PUT and DELETE on a plain endpoint."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.emulator import references, rules
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.routes import key_fields
from airflow_provider_exact.emulator.store import Key, Record, Shown, Store, guid
from airflow_provider_exact.emulator.views import COSTS, HIDDEN_PARENT, HOURS, entity_type, lines_of, view_of


@dataclass(frozen=True)
class Prepared:
    """A record that may be stored, and the lines below it; ``parent_field`` will hold the key of the one above."""

    endpoint: Endpoint
    record: Record
    parent_field: str
    lines: list[Prepared]


@dataclass(frozen=True)
class Writer:
    """
    Writes for one user at one moment.

    :param now: What the clock on Exact's wall shows.
    """

    store: Store
    user_id: str
    employee: str | None
    now: datetime
    zone: str
    division_name: str

    def create(self, endpoint: Endpoint, body: object) -> Shown:
        """Store a record and the lines sent with it; nothing is stored if any of them is refused."""
        header = self._prepared(endpoint, body)
        inserted: list[tuple[Endpoint, Key]] = []
        try:
            self._insert_all(header, inserted)
        except Refusal:
            for undone, undone_key in inserted:
                del self.store.table(view_of(undone).tables[0])[undone_key]
            raise
        return self._shown(endpoint, inserted[0][1])

    def _prepared(self, endpoint: Endpoint, body: object, prop: Property | None = None, field: str = "") -> Prepared:
        """
        Check a record and what is sent inside it.

        :param prop: The header's property that it came in, for a line; ``field`` will hold the header's key.
        """
        record = rules.checked_body(endpoint, body, "POST", self.zone)
        if prop is None or prop.mandatory or field != HIDDEN_PARENT:
            rules.check_mandatory(endpoint, record, given=(field,))
        if prop is not None:
            rules.check_references(self.store, endpoint, record)
        lines = [self._prepared(*line) for line in rules.line_bodies(endpoint, record)]
        return Prepared(endpoint, record, field, lines)

    def _insert_all(self, header: Prepared, inserted: list[tuple[Endpoint, Key]]) -> None:
        key = self._insert(header.endpoint, header.record)
        inserted.append((header.endpoint, key))
        numbers: Counter[str] = Counter()
        for line in header.lines:
            numbers[line.endpoint.path] += 1
            rules.complete_line(line.endpoint, line.record, header.record, numbers[line.endpoint.path])
            line.record[line.parent_field] = key[0]
            self._insert_all(line, inserted)

    def _insert(self, endpoint: Endpoint, record: Record) -> Key:
        table = view_of(endpoint).tables[0]
        rules.check_references(self.store, endpoint, record)
        if endpoint.path in {HOURS, COSTS}:
            rules.check_status(record)
            record.setdefault("Employee", self.employee)
            rules.check_booking(self.store, record)
            today = self.now.replace(hour=0, minute=0, second=0)
            rules.complete_booking(self.store, endpoint, record, today)
            record["DivisionDescription"] = self.division_name
        key = self._key(endpoint, record)
        if key in self.store.table(table):
            # A business error comes as a 500, in the user's language.
            raise Refusal(500, "Gegeven bestaat reeds.")
        rules.complete(self.store, endpoint, record)
        record.update({"Created": self.now, "Creator": self.user_id})
        self._stamp(endpoint, record)
        self.store.insert(table, key, record)
        return key

    def _key(self, endpoint: Endpoint, record: Record) -> Key:
        table = self.store.table(view_of(endpoint).tables[0])
        fields = key_fields(endpoint)
        if not fields:
            return (self.store.next_number(),)
        for field in fields:
            if record.get(field.name) is not None:
                continue
            match field.type:
                case "Guid":
                    record[field.name] = guid("made", self.store.division, self.store.next_number())
                case "Int16" | "Int32" | "Int64" if len(fields) == 1:
                    record[field.name] = max((key[0] for key in table), default=0) + 1
                case _:
                    raise Refusal(400, f"Mandatory: {field.name}")
        return tuple(record[field.name] for field in fields)

    def update(self, endpoint: Endpoint, key: Key, body: object) -> Shown:
        """
        Change the fields that were sent.

        :raises Refusal: 403 for an unknown key, as Exact answers.
        """
        table = view_of(endpoint).tables[0]
        row = self.store.table(table).get(key)
        if row is None:
            raise Refusal(403, "Forbidden")
        changes = rules.checked_body(endpoint, body, "PUT", self.zone)
        for prop in endpoint.properties:
            if prop.target is not None and prop.name in changes:
                raise Refusal(400, f"{prop.name}: lines are changed through their own endpoint")
            if prop.mandatory and prop.name in changes and changes[prop.name] in (None, ""):
                raise Refusal(400, f"Mandatory: {prop.name}")
        for field, value in zip(key_fields(endpoint), key, strict=True):
            if changes.get(field.name, value) != value:
                raise Refusal(400, f"The property '{field.name}' is part of the key and cannot be changed.")
        rules.check_references(self.store, endpoint, changes)
        rules.pad_code(endpoint, changes)
        changed = {**row.record, **changes}
        if endpoint.path in {HOURS, COSTS}:
            rules.check_status(changes)
            rules.check_booking(self.store, changed)
            if changes.keys() & {"Item", "Price"} and "PriceFC" not in changes:
                changed["PriceFC"] = None
            rules.complete_booking(self.store, endpoint, changed, self.now)
        self._stamp(endpoint, changed)
        self.store.update(table, key, changed)
        return self._shown(endpoint, key)

    def delete(self, endpoint: Endpoint, key: Key) -> None:
        """Remove a record and its lines."""
        table = view_of(endpoint).tables[0]
        if key not in self.store.table(table):
            raise Refusal(404, "Resource not found for the segment.")
        for prop in endpoint.properties:
            lines = None if prop.target is None or "c" not in prop.access else lines_of(endpoint, prop)
            if lines is None:
                continue
            rows = self.store.table(lines.endpoint.path)
            for line_key in [k for k, row in rows.items() if row.record.get(lines.parent_field) == key[0]]:
                self.delete(lines.endpoint, line_key)
        kind = entity_type(table)
        self.store.delete(table, key, entity_type=kind, deleted_at=self.now, deleted_by=self.user_id)

    def _stamp(self, endpoint: Endpoint, record: Record) -> None:
        record.update({"Modified": self.now, "Modifier": self.user_id})
        references.derive(self.store, endpoint, record)

    def _shown(self, endpoint: Endpoint, key: Key) -> Shown:
        found = view_of(endpoint).find(self.store, key)
        if found is None:
            raise LookupError(key)
        return found
