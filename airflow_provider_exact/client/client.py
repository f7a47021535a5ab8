"""
A client of Exact Online in plain Python: records of any endpoint, in one division at a time.

Sync methods and their async twins run the same flows; nothing here knows where tokens are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_exact.client import flow as flows
from airflow_provider_exact.client import query
from airflow_provider_exact.client.calls import ACCEPT, ME, Calls
from airflow_provider_exact.client.catalogue import Endpoint, resolve
from airflow_provider_exact.client.creation import Caller, Creation, Moment
from airflow_provider_exact.client.divisions import Choice, check_division_list, chosen
from airflow_provider_exact.client.errors import (
    ExactError,
    ExactNotFoundError,
    ExactRequestError,
    ExactResponseError,
)
from airflow_provider_exact.client.functions import check_not_filtered, parameter_texts
from airflow_provider_exact.client.listing_rules import check_listing
from airflow_provider_exact.client.pagination import Page, Pages, read_one, read_page
from airflow_provider_exact.client.reading_ahead import pages_ahead
from airflow_provider_exact.client.rows import RowReader
from airflow_provider_exact.client.transport import Request, ThreadedTransport
from airflow_provider_exact.client.upsert import Upserted, upsert_record
from airflow_provider_exact.client.validation import check_method, check_record

Record = dict[str, Any]

DIVISIONS = "system/Divisions"
MOST_NAMED = 20
# More than one client can create in the minutes in which one record can be taken for another.
MOST_REMEMBERED = 1000


class ExactClient(Calls):
    """
    Calls Exact Online as one signed-in user; see ``Calls`` for what it is made of.
    """

    _who: Record | None = None

    def list_records(
        self,
        endpoint: str,
        *,
        filter: query.Filter = None,
        select: query.Names = None,
        expand: query.Names = None,
        order_by: query.Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> Iterator[Record]:
        """
        Yield the records of an endpoint, fetching page after page as they are asked for.

        :param endpoint: ``service/Endpoint``, such as ``project/TimeTransactions``.
        :param filter: OData text or a dict, see ``query.filter_text``.
        :raises ExactRequestError: before the first call, if the call is known to be wrong.
        """
        pages = self.list_pages(
            endpoint, filter=filter, select=select, expand=expand, order_by=order_by, top=top, division=division
        )
        return islice(chain.from_iterable(page.records for page in pages), query.whole_number("top", top))

    def list_pages(
        self,
        endpoint: str,
        *,
        filter: query.Filter = None,
        select: query.Names = None,
        expand: query.Names = None,
        order_by: query.Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
        start: str | None = None,
    ) -> Iterator[Page]:
        """
        Yield the same records in the pages that Exact sends, each with the link to the next one.

        :param top: Asks for no more when they fit into a page; longer lists are for the caller to cut.
        :param start: Go on at this ``next_url`` of an earlier page.
        :raises ExactRequestError: ``start`` belongs to another list.
        """
        found, request, _ = self._listing(endpoint, filter, select, expand, order_by, top, division)
        return self._pages(found, self._going_on(request, start))

    def list_rows(
        self,
        endpoint: str,
        reader: RowReader,
        *,
        filter: query.Filter = None,
        division: int | str | None = None,
        start: str | None = None,
    ) -> Iterator[Page]:
        """
        Yield the records of an endpoint as rows of the reader's columns; each next page is fetched meanwhile.

        :param start: Go on at this ``next_url`` of an earlier page.
        """
        fields = [column.name for column in reader.columns]
        _, request, _ = self._listing(endpoint, filter, fields, None, None, None, division)
        request = replace(request, decoder=reader.decoder)
        return pages_ahead(self, self._going_on(request, start), reader)

    def count_records(
        self, endpoint: str, *, filter: query.Filter = None, division: int | str | None = None
    ) -> int | None:
        """Return how many records a list has, or ``None`` where the answer is no number."""
        found = resolve(endpoint)
        request = self.request_to("GET", found, division, options={"$filter": query.filter_text(found, filter)})
        address, mark, options = request.url.partition("?")
        counting = replace(request, url=f"{address}/$count{mark}{options}", headers={"Accept": "text/plain"})
        text = self.send(counting).body.strip()
        return int(text) if text.isdigit() else None

    async def alist_records(
        self,
        endpoint: str,
        *,
        filter: query.Filter = None,
        select: query.Names = None,
        expand: query.Names = None,
        order_by: query.Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> AsyncIterator[Record]:
        """Yield the same without blocking the event loop."""
        if division is None and self.division is None:
            # The error may ask Exact for the divisions to name, which would block the loop.
            await self._in_thread(self.in_division, None)
        found, request, limit = self._listing(endpoint, filter, select, expand, order_by, top, division)
        pages, count = Pages(self.site), 0
        following: Request | None = request
        while following is not None:
            answer = await flows.run_async(
                self.call(following),
                transport=ThreadedTransport(self.transport, self._in_thread),
                tokens=self.tokens,
                in_thread=self._in_thread,
                on_wait=self.on_wait,
                turns=self._turns(),
            )
            page: Page = read_page(answer, following, found)
            self.usage.records += len(page.records)
            for record in page.records:
                if limit is not None and count >= limit:
                    return
                count += 1
                yield record
            following = None if count == limit else pages.next_request(page, following)

    def get_record(
        self,
        endpoint: str,
        primary_key: object,
        *,
        select: query.Names = None,
        expand: query.Names = None,
        division: int | str | None = None,
    ) -> Record:
        """
        Return one record by its key.

        :param primary_key: A GUID, number, text or date, as the endpoint's key is; a dict for keys of several fields.
        :raises ExactNotFoundError: there is none. Exact counts that as an error; to look whether one exists, list
            with a filter.
        """
        found = resolve(endpoint)
        check_method(found, "GET")
        options = {"$select": query.select_text(found, select), "$expand": query.expand_text(found, expand)}
        request = self.request_to("GET", found, division, key=primary_key, options=options)
        record = read_one(self.run(self.call(request)), request, found)
        self.usage.records += 1
        if record is None:
            raise ExactNotFoundError(f"{request}: there is no such record.", status=404)
        return record

    def create_record(
        self,
        endpoint: str,
        data: Mapping[str, Any],
        *,
        division: int | str | None = None,
        verify: query.Names = None,
    ) -> Record:
        """
        Create a record and return it as Exact filled it in.

        When the answer is lost or a server error, the record is looked for: by the fields that were sent, by whom and
        when. If it is there, it is returned; if it is certainly not, it is sent again. No record that this client has
        created before is taken for it; an equal one that another client creates meanwhile can't be told from it.

        :param verify: Fields that no other record shares, such as ``YourRef``, to look for it by.
        :raises ExactOutcomeError: whether it was created can't be told.
        :raises ExactError: with ``outcome_unknown`` when Exact could not be asked.
        """
        return self.create(self.creation(endpoint, data, division=division, verify=verify))

    def find_created(self, creation: Creation, since: Moment, *, within: float | None = None) -> Record | None:
        """Look for the record of a creation whose end was not seen; see ``Creation.find``."""
        found = self.run(creation.find(since, within=within))
        self._remember(creation, found)
        return found

    def creation(
        self,
        endpoint: str,
        data: Mapping[str, Any],
        *,
        division: int | str | None = None,
        verify: query.Names = None,
    ) -> Creation:
        """
        Return a creation that is checked and not sent yet.

        :raises ExactRequestError: the record is known to be wrong.
        """
        found = resolve(endpoint)
        check_method(found, "POST")
        record = check_record(found, data, method="POST")
        names = tuple(query.field_of(found, name, "verify").name for name in query.names(verify, "verify"))
        if missing := [name for name in names if record.get(name) in (None, "")]:
            raise ExactRequestError(f"verify: {' and '.join(missing)} can't identify the record: data has no value.")
        if names:
            wanted = query.filter_text(found, {name: record[name] for name in names})
            check_listing(found, filter=wanted, select=None, top=None, option="verify")
        request = self.request_to("POST", found, division, record=record)
        return Creation(self._caller(), found, request, record, names)

    def create(self, creation: Creation) -> Record:
        """Send a creation; see ``create_record``."""
        made = [key for url, key in tuple(self._made) if url == creation.request.url]
        created = self.run(creation.apart_from([*creation.taken, *made]).create())
        self._remember(creation, created)
        self.usage.records += 1
        return created

    def update_record(
        self,
        endpoint: str,
        primary_key: object,
        data: Mapping[str, Any],
        *,
        division: int | str | None = None,
    ) -> Record:
        """
        Change the fields that ``data`` names; return the record as Exact sends it, or only its key when it sends none.
        """
        found = resolve(endpoint)
        check_method(found, "PUT")
        record = check_record(found, data, method="PUT")
        request = self.request_to("PUT", found, division, key=primary_key, record=record)
        changed = read_one(self.run(self.call(request)), request, found)
        self.usage.records += 1
        if changed is not None:
            return changed
        if isinstance(primary_key, Mapping):
            return dict(primary_key)
        return {found.key[0].name if found.key else "ID": str(primary_key)}

    def upsert_record(
        self, endpoint: str, data: Mapping[str, Any], match: query.Names, *, division: int | str | None = None
    ) -> Upserted:
        """Update the record with these values in the ``match`` fields, or create it; see ``upsert.upsert_record``."""
        return upsert_record(self, endpoint, data, match, division=division)

    def delete_record(
        self,
        endpoint: str,
        primary_key: object,
        *,
        missing_ok: bool = False,
        division: int | str | None = None,
    ) -> bool:
        """
        Delete a record; return whether it was there.

        :param missing_ok: Take a record that is gone already for success, so that a repeated task succeeds.
        :raises ExactNotFoundError: it was not there, and ``missing_ok`` is false.
        """
        found = resolve(endpoint)
        check_method(found, "DELETE")
        request = self.request_to("DELETE", found, division, key=primary_key)
        try:
            self.run(self.call(request))
        except ExactNotFoundError:
            if not missing_ok:
                raise
            return False
        except ExactRequestError as error:
            # Exact answers a change of a missing record with 403; a list tells whether that was meant.
            if not missing_ok or error.status != 403 or not found.key or self._is_there(found, primary_key, division):
                raise
            return False
        self.usage.records += 1
        return True

    def call_function(
        self,
        endpoint: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        select: query.Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> Iterator[Record]:
        """
        Yield what a function (``read/…``) answers; a function that answers one value gives one record of it.

        :param parameters: By name; GUIDs and dates may be text. Where Exact's parameters are not known, a value's own
            Python type decides how it is written.
        :raises ExactRequestError: before the call, if a parameter is missing, unknown or of another type.
        """
        found = resolve(endpoint)
        check_method(found, "GET")
        limit = query.whole_number("top", top)
        options = {
            **parameter_texts(found, parameters),
            "$select": query.select_text(found, select),
            "$top": str(limit) if limit else None,
        }
        request = self.request_to("GET", found, division, options=options)
        return islice(chain.from_iterable(page.records for page in self._pages(found, request)), limit)

    def find_record(
        self,
        endpoint: str,
        match: Mapping[str, Any],
        *,
        select: query.Names = None,
        expand: query.Names = None,
        division: int | str | None = None,
    ) -> Record | None:
        """
        Return the one record with these values, such as ``{"Code": "1068"}``, or ``None``.

        :raises ExactRequestError: several records have them; the message names two of their keys.
        """
        found = resolve(endpoint)
        if not isinstance(match, Mapping) or not match:
            raise ExactRequestError(f"match: expected a dict of fields of {found.path}, not {match!r}.")
        if empty := [name for name, value in match.items() if value in (None, "")]:
            raise ExactRequestError(f"match: no value is given for {' and '.join(empty)}.")
        keys = [field.name for field in found.key] or ["ID"]
        fields = [*keys, *query.names(select)] if select else None
        wanted = query.filter_text(found, match, "match")
        rows = list(self.list_records(endpoint, filter=wanted, select=fields, expand=expand, top=2, division=division))
        if len(rows) > 1:
            both = " and ".join(", ".join(f"{name} {row.get(name)}" for name in keys) for row in rows)
            raise ExactRequestError(
                f"{found.path} in division {self.in_division(division)}: more than one record has {dict(match)}: "
                f"{both}. Match on more fields, or name the one that is meant by its key."
            )
        return rows[0] if rows else None

    def get_me(self) -> Record:
        """Return the signed-in user (``current/Me``); needs no division."""
        return self.run(self._me())

    def list_divisions(
        self,
        source: str = DIVISIONS,
        *,
        country: Choice = None,
        name: Choice = None,
        code: Choice = None,
        select: query.Names = ("Code", "Description"),
    ) -> list[Record]:
        """
        Return the divisions that the signed-in user may see and has granted, ordered by code; needs no division.

        :param source: Which list: ``system/Divisions``, ``system/AllDivisions`` (of the whole licence) or
            ``hrm/Divisions``.
        :param country: Only of these country codes.
        :param name: Only those whose name holds one of these texts.
        :param code: Only these numbers, which must all be there.
        :param select: The fields to return; ``None`` for all.
        :raises ExactError: they could not be listed.
        """
        path = check_division_list(source)
        asked = query.names(select)
        needed = (
            [*asked, "Code", *(["Country"] if country else []), *(["Description"] if name else [])] if asked else None
        )
        # Exact wants some division in the path; the user's own current one is always granted or refused as a whole.
        division = self.division or self.get_me().get("CurrentDivision")
        rows = self.list_records(path, select=list(dict.fromkeys(needed)) if needed else None, division=division)
        return chosen(rows, country=country, name=name, code=code)

    def division_name(self) -> str | None:
        """
        Return what this client's division is called; ``None`` if the signed-in user does not see it among theirs.

        :raises ExactError: that could not be looked up.
        """
        name: str | None = self.division_field("Description")
        return name

    def division_field(self, field: str, *, division: int | str | None = None) -> Any:
        """Return what ``system/Divisions`` says of a division in one field; ``None`` where it does not list it."""
        number = self.in_division(division)
        rows = self.list_records(DIVISIONS, filter={"Code": number}, select=["Code", field], top=1, division=number)
        return next((row.get(field) for row in rows), None)

    def _is_there(self, endpoint: Endpoint, primary_key: object, division: int | str | None) -> bool:
        wanted = query.key_filter(endpoint, primary_key)
        keys = [field.name for field in endpoint.key]
        return any(self.list_records(endpoint.path, filter=wanted, select=keys, top=1, division=division))

    def _pages(self, endpoint: Endpoint, request: Request) -> Iterator[Page]:
        links = Pages(self.site)
        following: Request | None = request
        while following is not None:
            page = read_page(self.run(self.call(following)), following, endpoint)
            self.usage.records += len(page.records)
            yield page
            following = links.next_request(page, following)

    def _going_on(self, request: Request, start: str | None) -> Request:
        """Return the request for the page of a list at which to go on."""
        if start is None:
            return request
        if not self.site.owns(start) or urlsplit(start).path != urlsplit(request.url).path:
            raise ExactRequestError(f"{request}: the link to go on at belongs to another list; start anew.")
        return replace(request, url=start)

    def _listing(
        self,
        path: str,
        filter: query.Filter,
        select: query.Names,
        expand: query.Names,
        order_by: query.Names,
        top: int | str | None,
        division: int | str | None,
    ) -> tuple[Endpoint, Request, int | None]:
        endpoint = resolve(path)
        check_method(endpoint, "GET")
        check_not_filtered(endpoint, filter=filter, expand=expand, order_by=order_by)
        limit = query.whole_number("top", top)
        # An answer to $top has no link to a next page: more than a page is fetched without it, and cut here.
        fits = limit is not None and limit <= (endpoint.page_size or limit)
        options = {
            "$filter": query.filter_text(endpoint, filter),
            "$select": query.select_text(endpoint, select),
            "$expand": query.expand_text(endpoint, expand),
            "$orderby": query.order_by_text(endpoint, order_by),
            "$top": str(limit) if fits else None,
        }
        check_listing(endpoint, filter=options["$filter"], select=options["$select"], top=limit)
        # A function without a filter is called rather than listed.
        options |= parameter_texts(endpoint, None) if endpoint.is_function else {}
        return endpoint, self.request_to("GET", endpoint, division, options=options), limit

    def divisions_to_choose_from(self) -> str:
        try:
            rows = self.list_divisions()
        except ExactError:
            return ""
        named = [f"{row.get('Code')} ({row.get('Description')})" for row in rows]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return f" The signed-in user's are: {', '.join(named[:MOST_NAMED])}{more}." if named else ""

    def _me(self) -> flows.Flow[Record]:
        request = Request("GET", self.site.endpoint_url(ME, None), ACCEPT, subject=f"GET {ME}")
        record = read_one((yield from self.call(request)), request, resolve(ME))
        if record is None:
            raise ExactResponseError(f"{request}: the answer is empty.")
        return record

    @cached_property
    def _made(self) -> deque[tuple[str, object]]:
        """The addresses and keys of the last records that this client created, which no other creation made."""
        return deque(maxlen=MOST_REMEMBERED)

    def _remember(self, creation: Creation, record: Record | None) -> None:
        key = None if record is None else creation.key_of(record)
        if key is not None:
            self._made.append((creation.request.url, key))

    def _known_me(self) -> flows.Flow[Record]:
        """Ask once who is signed in."""
        if self._who is None:
            self._who = yield from self._me()
        return self._who

    def _caller(self) -> Caller:
        return Caller(self.call, self._rows, self._expanded, self._known_me, self.moment)

    def _rows(self, endpoint: Endpoint, filter: str, division: int | None, most: int) -> flows.Flow[list[Record]]:
        """Return the first records that meet a filter, as a part of another flow."""
        rows: list[Record] = []
        pages = Pages(self.site)
        following: Request | None = self.request_to("GET", endpoint, division, options={"$filter": filter})
        while following is not None and len(rows) < most:
            page = read_page((yield from self.call(following)), following, endpoint)
            rows += page.records
            following = pages.next_request(page, following)
        return rows

    def _expanded(
        self, endpoint: Endpoint, key: object, names: list[str], division: int | None
    ) -> flows.Flow[Record | None]:
        """Return a record with the lines in these fields, as a part of another flow."""
        request = self.request_to("GET", endpoint, division, key=key, options={"$expand": ",".join(names)})
        return read_one((yield from self.call(request)), request, endpoint)
