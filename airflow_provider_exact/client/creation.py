"""
A creation whose answer was lost: the record is looked for by what was sent, by whom and when.

Exact takes no idempotency key and has no upsert, and a 500 may be a refusal as well as a failure. So what can't be told
is left to a person: a record too many is worse than a task that fails.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_exact.client import query
from airflow_provider_exact.client.catalogue import Endpoint, Property
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactOutcomeError,
    ExactRateLimitError,
    ExactRequestError,
    ExactResponseError,
    ExactTokenError,
    ExactTransportError,
)
from airflow_provider_exact.client.flow import Flow, Wait
from airflow_provider_exact.client.likeness import comparable, lines_in, same_fields, same_lines, same_value
from airflow_provider_exact.client.lines import lines_of
from airflow_provider_exact.client.pagination import read_one
from airflow_provider_exact.client.serialisation import EPOCH
from airflow_provider_exact.client.transport import Request, Response

log = logging.getLogger(__name__)

Record = dict[str, Any]

# How often a creation is sent when it is certain each time that nothing came of it.
SENDS = 3
# Between two looks for a record: a gateway gives up before the server behind it does.
PAUSE = 15.0
# Clocks are read to the second, and Exact's gateway and database need not agree to the second.
MARGIN = 5.0
# An equal record this much older than the creation is neither ours nor certainly another one.
DOUBT = 300.0
# More rows than anybody creates in such a window: something else is wrong.
MOST_ROWS = 1000
MOST_NAMED = 5
# Each costs a call to read its lines.
MOST_READ = 20
KEPT_TEXT = 300
HOUR = 3600.0


@dataclass(frozen=True)
class Moment:
    """A moment by this machine's clock, and how far the server's is ahead; ``None`` before it has answered."""

    at: float
    ahead: float | None = None

    def there(self, now: Moment) -> float:
        """Return it by the server's clock; what is known of that by now serves a moment before the first answer."""
        ahead = self.ahead if self.ahead is not None else now.ahead
        return self.at + (ahead or 0.0)


@dataclass(frozen=True)
class Caller:
    """
    Steps that a create needs of the client.

    :param call: Send one request.
    :param rows: Return the first records that match a filter.
    :param expanded: Return one record with its lines, by its key.
    :param me: Return the signed-in user.
    :param moment: Return the time.
    """

    call: Callable[[Request], Flow[Response]]
    rows: Callable[[Endpoint, str, int | None, int], Flow[list[Record]]]
    expanded: Callable[[Endpoint, object, list[str], int | None], Flow[Record | None]]
    me: Callable[[], Flow[Record]]
    moment: Callable[[], Moment]


@dataclass(frozen=True)
class Creation:
    """
    One record to create.

    :param record: Its fields as they are sent.
    :param verify: Fields that no other record shares, to look for it by; without them, by all that can be compared.
    :param taken: Keys of records that are known to be others.
    """

    caller: Caller = field(repr=False)
    endpoint: Endpoint
    request: Request
    record: Mapping[str, Any] = field(repr=False)
    verify: tuple[str, ...] = ()
    taken: frozenset[str] = frozenset()

    def apart_from(self, keys: Collection[object]) -> Creation:
        """Return this creation, for which records with these keys are others."""
        return replace(self, taken=frozenset(str(key).casefold() for key in keys))

    def looked_for_by(self, record: Mapping[str, Any]) -> Creation:
        """Return this creation as it was when it sent another record, of which this is the ``identity``."""
        return replace(self, record=record, verify=tuple(name for name in self.verify if name in record))

    def identity(self) -> Record:
        """Return what the record is looked for by: bounded, since it is remembered; of lines only that there are."""
        names = {prop.name for prop in self._comparable()} | {*self.verify, *(part.name for part in self.endpoint.key)}
        return {
            name: value[:KEPT_TEXT] if isinstance(value, str) and name not in self.verify else value
            for name, value in self.record.items()
            if name in names
        } | {name: [{}] for name in lines_in(self.record)}

    def key_of(self, record: Mapping[str, Any]) -> Any:
        """Return the key of a record; ``None`` when it is not in there."""
        return record.get(self.endpoint.key[0].name) if self.endpoint.key else None

    def create(self) -> Flow[Record]:
        """
        Send the record, and return it as Exact has it then.

        :raises ExactOutcomeError: whether it was created can't be told.
        """
        since = self.caller.moment()
        for _ in range(SENDS):
            try:
                answer = yield from self.caller.call(self.request)
                created = read_one(answer, self.request, self.endpoint)
            except ExactTransportError as error:
                if not error.outcome_unknown:
                    raise
                lost: ExactError = error
            except ExactResponseError as error:
                if error.status is None or error.status >= 300:
                    raise
                lost = ExactTransportError(f"{error}", status=error.status, outcome_unknown=True)
            else:
                return created if created is not None else (yield from self._unshown(since))
            found = yield from self.find(since, lost=lost)
            if found is not None:
                return found
        raise ExactTransportError(
            f"{lost} It was looked for after each of {SENDS} attempts and is not there: nothing was created.",
            status=lost.status,
        ) from lost

    def _unshown(self, since: Moment) -> Flow[Record]:
        """Return a record that Exact created without showing it: as it has it if it can be found, else as sent."""
        try:
            found = yield from self.find(since)
        except ExactError:
            found = None
        return found if found is not None else dict(self.record)

    def find(
        self, since: Moment, *, within: float | None = None, lost: ExactError | None = None
    ) -> Flow[Record | None]:
        """
        Look for the record; return it, or ``None`` when two looks with a wait between did not find it.

        :param since: When it was sent first.
        :param within: Seconds after that in which it was created if it was; without them, until now.
        :param lost: The failure that is the reason to look.
        :raises ExactOutcomeError: what was found does not tell whether it was created.
        :raises ExactError: Exact could not be asked; ``outcome_unknown`` is set.
        """
        problem = str(lost) if lost is not None else f"{self.request}: an earlier attempt did not come to its end."
        for look in range(2):
            if look:
                yield Wait(PAUSE)
            search, rows = yield from self._look(since, within, problem)
            found = search.choose(rows, self._now())
            if found is not None:
                return found
        return None

    def _look(self, since: Moment, within: float | None, problem: str) -> Flow[tuple[_Search, list[Record]]]:
        try:
            search = yield from self._search(since, within, problem)
            rows = yield from self.caller.rows(self.endpoint, search.filter, self.request.division, MOST_ROWS + 1)
            search = yield from self._with_lines(search, rows)
        except ExactOutcomeError:
            raise
        except ExactRequestError as error:
            raise ExactOutcomeError(f"{problem} It could not be looked for. {error}") from error
        except ExactRateLimitError as error:
            raise type(error)(
                f"{problem} Looking for it has to wait. {error}", resets_at=error.resets_at, outcome_unknown=True
            ) from error
        except ExactError as error:
            kind = ExactTokenError if isinstance(error, ExactTokenError) else ExactTransportError
            raise kind(
                f"{problem} Looking for it failed, too. {error}", status=error.status, outcome_unknown=True
            ) from error
        return search, rows

    def _with_lines(self, search: _Search, rows: list[Record]) -> Flow[_Search]:
        """Return the search with the lines of the rows that may be the record; what can't be read does not tell."""
        names = list(lines_in(self.record))
        lines: dict[str, Record] = {}
        candidates = search.candidates(rows, self._now()) if names and self.endpoint.key else []
        for key in map(self.key_of, candidates[:MOST_READ]):
            try:
                row = yield from self.caller.expanded(self.endpoint, key, names, self.request.division)
            except ExactRequestError as error:
                log.warning("The lines of what may be the record could not be read. %s", error)
                break
            lines[str(key)] = row or {}
        return replace(search, lines=lines)

    def is_taken(self, row: Record) -> bool:
        """Whether a row is known to be another record."""
        return str(self.key_of(row)).casefold() in self.taken

    def _now(self) -> float:
        now = self.caller.moment()
        return now.there(now)

    def _search(self, since: Moment, within: float | None, problem: str) -> Flow[_Search]:
        if self.endpoint.methods and "GET" not in self.endpoint.methods:
            raise ExactOutcomeError(
                f"{problem} Whether it was done can't be looked up: {self.endpoint.path} has no list. Look in Exact "
                "Online before you send it again."
            )
        if self.verify:
            wanted = {name: self.record[name] for name in self.verify}
            return _Search(self, problem, query.filter_text(self.endpoint, wanted) or "")
        key = self.key_of(self.record)
        if not self.endpoint.property("Created"):
            return _Search(self, problem, self._by_links(problem), compared=self._comparable(), key=key)
        me = yield from self.caller.me()
        offsets = _offsets(me.get("ServerUtcOffset"))
        first = since.there(self.caller.moment())
        last = self._now() if within is None else min(self._now(), first + within)
        windows = [
            f"({_created('ge', first + offset - DOUBT)} and {_created('le', last + offset + DOUBT)})"
            for offset in offsets
        ]
        text = windows[0] if len(windows) == 1 else f"({' or '.join(windows)})"
        terms = [text, *self._sure_terms()]
        if self.endpoint.property("Creator") and me.get("UserID"):
            terms.insert(0, f"Creator eq {query.literal('Creator', me['UserID'], 'Guid')}")
        text = " and ".join(terms)
        if key is not None:
            text = f"({query.key_filter(self.endpoint, key)}) or ({text})"
        return _Search(
            self,
            problem,
            text,
            compared=self._comparable(),
            key=key,
            period=_Period(first, last, tuple(offsets)),
        )

    def _sure_terms(self) -> list[str]:
        """Return what the record certainly meets, to get few rows: its links, and its days, of which times may drop."""
        fields = [
            prop
            for prop in self._comparable()
            if prop.name in self.endpoint.filter_fields or not self.endpoint.filter_mandatory
        ]
        terms = [
            f"{prop.name} eq {query.literal(prop.name, self.record[prop.name], 'Guid')}"
            for prop in fields
            if prop.type == "Guid" and prop.name not in [part.name for part in self.endpoint.key]
        ]
        for prop in fields:
            if prop.type == "DateTime":
                day = datetime.fromisoformat(self.record[prop.name][:10])
                terms += [_moment(prop.name, "ge", day), _moment(prop.name, "lt", day + timedelta(days=1))]
        return terms

    def _by_links(self, problem: str) -> str:
        """Return a filter for an endpoint that does not tell when its records were created: what they belong to."""
        links = {prop.name: self.record[prop.name] for prop in self._comparable() if prop.type == "Guid"}
        listed = self.endpoint.filter_fields
        if not links or (self.endpoint.filter_mandatory and listed and not set(links) & set(listed)):
            raise ExactOutcomeError(
                f"{problem} {self.endpoint.path} does not tell when a record was created, and no field that was sent "
                "finds it. Look in Exact Online before you send it again, or name fields to look by in verify."
            )
        return query.filter_text(self.endpoint, links) or ""

    def _comparable(self) -> list[Property]:
        return comparable(self.endpoint, self.record)


@dataclass(frozen=True)
class _Period:
    """
    When the record was created if it was, by the server's clock; ``offsets`` are what its ``Created`` may be ahead.

    Public sources contradict each other on whether Exact shows moments in UTC or as a clock on its wall.
    """

    since: float
    until: float
    offsets: tuple[float, ...]

    def narrowed(self, rows: list[Record], now: float) -> _Period:
        """Return it without the offsets by which one of these records were of the future."""
        latest = max((shown for row in rows if (shown := _shown(row)) is not None), default=now)
        return replace(self, offsets=tuple(offset for offset in self.offsets if latest - offset <= now + DOUBT))

    def judge(self, row: Record) -> bool | None:
        """Whether a record was created in this period: ``None`` when that depends on what is not known."""
        shown = _shown(row)
        verdicts: set[bool | None] = set()
        if shown is None:
            return None
        for offset in self.offsets:
            at = shown - offset
            if at < self.since - DOUBT or at > self.until + DOUBT:
                verdicts.add(False)
            else:
                verdicts.add(True if at >= self.since - MARGIN else None)
        return verdicts.pop() if len(verdicts) == 1 else None


@dataclass(frozen=True)
class _Search:
    """What is asked for, and what is made of the rows that come."""

    creation: Creation
    problem: str
    filter: str
    compared: list[Property] = field(default_factory=list)
    key: object = None
    period: _Period | None = None
    lines: Mapping[str, Record] = field(default_factory=dict)

    def choose(self, rows: list[Record], now: float) -> Record | None:
        """
        Return the row that is the record, or ``None`` if none is.

        :raises ExactOutcomeError: that can't be told.
        """
        if self.creation.verify:
            # The caller vouches that no two records share these fields: an old one is the record, too.
            found = [row for row in rows if not self.creation.is_taken(row)]
            return self._only(found, "are equal in " + ", ".join(self.creation.verify))
        if len(rows) > MOST_ROWS:
            raise self._unsure(f"More than {MOST_ROWS} records were created at that time.", [])
        period = self.period.narrowed(rows, now) if self.period is not None else None
        for row in rows:
            if self._has_own_key(row):
                return self._with_own_key(row, period)
        candidates = self.candidates(rows, now)
        if period is None:
            self._check_none(candidates, "has the same content, and does not tell when it was created")
            return None
        if self.key is not None:
            self._check_none(candidates, "has the same content under another key than the one that was sent")
            return None
        verdicts = [(row, period.judge(row) and self._is_equal(row)) for row in candidates]
        self._check_none(
            [row for row, verdict in verdicts if verdict is None],
            "may be it, as far as can be seen of its content and of when it was created",
        )
        return self._only([row for row, verdict in verdicts if verdict], "have the same content")

    def candidates(self, rows: list[Record], now: float) -> list[Record]:
        """Return the rows that may be the record by what is known of them."""
        period = self.period.narrowed(rows, now) if self.period is not None else None
        return [
            row
            for row in rows
            if not (self.creation.verify or self.creation.is_taken(row) or self._has_own_key(row))
            and (period is None or period.judge(row) is not False)
            and self._is_equal(row) is not False
        ]

    def _has_own_key(self, row: Record) -> bool:
        return self.key is not None and same_value(self.creation.key_of(row), self.key, "Guid")

    def _with_own_key(self, row: Record, period: _Period | None) -> Record:
        if self.creation.is_taken(row) or (period is not None and period.judge(row) is False):
            raise ExactRequestError(
                f"{self.creation.request}: {self.key} exists already, created on {row.get('Created')}. Leave the key "
                "out, or update that record."
            )
        return row

    def _is_equal(self, row: Record) -> bool | None:
        """Whether a row has the content that was sent; ``None`` when it does not show all of it."""
        sent, endpoint = self.creation.record, self.creation.endpoint
        there = self.lines.get(str(self.creation.key_of(row)), {})
        lines = lines_in(sent)
        if not lines and not any(row.get(prop.name) not in (None, "") for prop in self.compared):
            return False
        verdicts = [same_fields(self.compared, sent, row)]
        for name, value in lines.items():
            behind = lines_of(endpoint, endpoint.property(name) or Property(name))
            verdicts.append(same_lines(behind.endpoint if behind else None, value, there.get(name)))
        return False if False in verdicts else None if None in verdicts else True

    def _only(self, rows: list[Record], what: str) -> Record | None:
        if len(rows) > 1:
            raise self._unsure(f"{len(rows)} records {what}: {{keys}}.", rows)
        return rows[0] if rows else None

    def _check_none(self, rows: list[Record], what: str) -> None:
        if rows:
            raise self._unsure(f"A record {what}: {{keys}}.", rows)

    def _unsure(self, why: str, rows: list[Record]) -> ExactOutcomeError:
        keys = tuple(str(self.creation.key_of(row)) for row in rows)
        named = ", ".join(keys[:MOST_NAMED]) + (" and more" if len(keys) > MOST_NAMED else "")
        return ExactOutcomeError(
            f"{self.problem} It was looked for, without certainty. {why.replace('{keys}', named)} Look at "
            f"{self.creation.endpoint.path} with the filter {self.filter}: if the record is there, go on with it; if "
            "not, create it by hand. Fields that no other record shares, named in verify, spare you this.",
            filter=self.filter,
            keys=keys,
        )


def _shown(row: Record) -> float | None:
    """Return what a record's ``Created`` is as if it were UTC."""
    try:
        return datetime.fromisoformat(str(row.get("Created"))).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _created(operator: str, at: float) -> str:
    return _moment("Created", operator, (EPOCH + timedelta(seconds=math.floor(at))).replace(tzinfo=None))


def _moment(name: str, operator: str, moment: datetime) -> str:
    return f"{name} {operator} {query.literal(name, moment, 'DateTime')}"


def _offsets(told: object) -> list[float]:
    """Return the seconds that ``Created`` may be ahead of UTC; Exact's users see the offset in hours or in seconds."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        seconds = told * HOUR if abs(told) <= 14 else float(told)
        return sorted({0.0, seconds})
    return [0.0, HOUR, 2 * HOUR]
