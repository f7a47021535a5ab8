"""A connection becomes a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_provider_exact.client.account import Usage
    from airflow_provider_exact.client.auth.token_provider import TokenProvider
    from airflow_provider_exact.client.client import ExactClient, Record
    from airflow_provider_exact.client.divisions import Choice
    from airflow_provider_exact.client.documents import Download
    from airflow_provider_exact.client.pagination import Page
    from airflow_provider_exact.client.query import Filter, Names
    from airflow_provider_exact.client.upsert import Upserted
    from airflow_provider_exact.client.xml_api import XmlMessage, XmlPage
    from airflow_provider_exact.connection import ConnectionSettings

T = TypeVar("T")

# Of all triggers of a process. When a sign-in or Exact ends the token, each call under way is one of the ten errors an
# hour that Exact allows; a division's sixty calls a minute need no more than this.
CALLS_AT_ONCE = 2


class ExactOnlineHook(BaseHook):
    """
    Exact Online through an Airflow connection of type ``exact_online``; connects when first used.

    :param exact_online_conn_id: The connection.
    :param division: The company to work in, instead of the connection's default division.
    :param patience: Seconds that a call may wait for its turn within Exact's limit a minute; half an hour without one.
    """

    conn_name_attr = "exact_online_conn_id"
    default_conn_name = "exact_online_default"
    conn_type = "exact_online"
    hook_name = "Exact Online"

    def __init__(
        self,
        exact_online_conn_id: str = default_conn_name,
        division: int | str | None = None,
        patience: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.exact_online_conn_id = exact_online_conn_id
        self.division = division
        self.patience = patience

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields for Airflow 3.1; later versions read them from the provider's metadata."""
        from airflow_provider_exact.connection_form import connection_form_widgets

        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow 3.1."""
        from airflow_provider_exact.connection_form import ui_field_behaviour

        return ui_field_behaviour()

    @cached_property
    def settings(self) -> ConnectionSettings:
        """The connection, read once."""
        from airflow_provider_exact.connection import ConnectionSettings

        return ConnectionSettings.of(self.get_connection(self.exact_online_conn_id))

    @cached_property
    def _client(self) -> ExactClient:
        from airflow_provider_exact import metrics
        from airflow_provider_exact.accounts import shared_account
        from airflow_provider_exact.client.client import ExactClient
        from airflow_provider_exact.client.flow import PATIENCE
        from airflow_provider_exact.client.query import whole_number
        from airflow_provider_exact.client.transport import RequestsTransport
        from airflow_provider_exact.connection import seconds

        settings = self.settings
        return ExactClient(
            settings.site,
            settings.token_provider(),
            division=self.division
            if self.division not in (None, "")
            else whole_number(f"Connection {settings.conn_id!r}, default division", settings.division),
            transport=RequestsTransport((seconds("connect_timeout"), seconds("read_timeout"))),
            account=shared_account(settings),
            patience=PATIENCE if self.patience is None else self.patience,
            count=metrics.counter(settings.conn_id),
            in_thread=_in_thread,
            turns=_turns,
        )

    def get_conn(self) -> ExactClient:
        """
        Return the client; it makes no call yet.

        :raises ExactRequestError: the connection lacks something or contradicts itself.
        """
        return self._client

    async def aget_conn(self) -> ExactClient:
        """Return the client from a coroutine, without blocking its event loop."""
        return await _in_thread(self.get_conn)

    def list_records(
        self,
        endpoint: str,
        *,
        filter: Filter = None,
        select: Names = None,
        expand: Names = None,
        order_by: Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> Iterator[Record]:
        """Yield an endpoint's records, page by page; see ``ExactClient.list_records``."""
        return self.get_conn().list_records(
            endpoint, filter=filter, select=select, expand=expand, order_by=order_by, top=top, division=division
        )

    def list_pages(
        self,
        endpoint: str,
        *,
        filter: Filter = None,
        select: Names = None,
        expand: Names = None,
        order_by: Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
        start: str | None = None,
    ) -> Iterator[Page]:
        """Yield an endpoint's records in Exact's pages, from any of their links on; see ``ExactClient.list_pages``."""
        return self.get_conn().list_pages(
            endpoint,
            filter=filter,
            select=select,
            expand=expand,
            order_by=order_by,
            top=top,
            division=division,
            start=start,
        )

    async def alist_records(
        self,
        endpoint: str,
        *,
        filter: Filter = None,
        select: Names = None,
        order_by: Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> list[Record]:
        """Return an endpoint's records from a coroutine, such as a trigger's, without blocking its event loop."""
        client = await self.aget_conn()
        records = client.alist_records(
            endpoint, filter=filter, select=select, order_by=order_by, top=top, division=division
        )
        return [record async for record in records]

    def get_record(
        self,
        endpoint: str,
        primary_key: object,
        *,
        select: Names = None,
        expand: Names = None,
        division: int | str | None = None,
    ) -> Record:
        """Return one record by its key; see ``ExactClient.get_record``."""
        return self.get_conn().get_record(endpoint, primary_key, select=select, expand=expand, division=division)

    def create_record(
        self, endpoint: str, data: Mapping[str, Any], *, division: int | str | None = None, verify: Names = None
    ) -> Record:
        """Create a record and return it; a lost answer is looked into, see ``ExactClient.create_record``."""
        return self.get_conn().create_record(endpoint, data, division=division, verify=verify)

    def update_record(
        self, endpoint: str, primary_key: object, data: Mapping[str, Any], *, division: int | str | None = None
    ) -> Record:
        """Change a record's fields and return it; see ``ExactClient.update_record``."""
        return self.get_conn().update_record(endpoint, primary_key, data, division=division)

    def delete_record(
        self, endpoint: str, primary_key: object, *, missing_ok: bool = False, division: int | str | None = None
    ) -> bool:
        """Delete a record; return whether it was there; see ``ExactClient.delete_record``."""
        return self.get_conn().delete_record(endpoint, primary_key, missing_ok=missing_ok, division=division)

    def upload_attachment(
        self,
        document: object,
        content: object,
        filename: str | None = None,
        *,
        verify: Names = None,
        division: int | str | None = None,
    ) -> Record:
        """
        Attach a file to a document; return the attachment's record, without the file.

        :param document: The document's ``ID``.
        :param content: Bytes, or the file's path: ``Path``, ``ObjectStoragePath``, or text such as ``/data/x.pdf`` and
            ``s3://aws_default@bucket/x.pdf``.
        :param filename: How the file is called at Exact, where that is not its own name; bytes need one.
        :param verify: Fields that no other attachment shares, usually ``["Document", "FileName"]``, to look for it by
            when the answer was lost.
        """
        from airflow_provider_exact.client.documents import upload_attachment
        from airflow_provider_exact.storage import path_of

        source = content if isinstance(content, bytes | bytearray | memoryview) else path_of(content)
        return upload_attachment(self.get_conn(), document, source, filename, verify=verify, division=division)

    def download_attachment(self, attachment: object, path: object, *, division: int | str | None = None) -> Download:
        """
        Fetch an attached file, only from the connection's own address; return where it is and its length.

        :param attachment: The attachment's ``ID``, its record with a ``Url``, or that address.
        :param path: The file to write, or a folder, where it is called as at Exact; text or a path, as for uploads.
        """
        from airflow_provider_exact.client.documents import download_attachment
        from airflow_provider_exact.storage import path_to_write

        return download_attachment(self.get_conn(), attachment, path_to_write(path), division=division)

    def upload_xml(self, topic: str, xml: object, *, division: int | str | None = None) -> list[XmlMessage]:
        """
        Send a document to the XML API and return its message about each record; a refused one raises.

        :param topic: Such as ``GLAccounts`` or ``MatchSets``.
        :param xml: The document: text, bytes, an element, or a ``Path`` or ``ObjectStoragePath``.
        """
        from airflow_provider_exact.client.xml_api import upload_xml

        return upload_xml(self.get_conn(), topic, xml, division=division)

    def download_xml(
        self, topic: str, parameters: Mapping[str, Any] | None = None, *, division: int | str | None = None
    ) -> Iterator[XmlPage]:
        """
        Yield a topic's records from the XML API, page by page, as elements.

        :param parameters: As Exact's reference of the topic names them, such as ``{"Params_GLAccount": "8000"}``.
        """
        from airflow_provider_exact.client.xml_api import download_xml

        return download_xml(self.get_conn(), topic, parameters, division=division)

    def call_function(
        self,
        endpoint: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        select: Names = None,
        top: int | str | None = None,
        division: int | str | None = None,
    ) -> Iterator[Record]:
        """Yield what a function (``read/…``) answers; see ``ExactClient.call_function``."""
        return self.get_conn().call_function(endpoint, parameters, select=select, top=top, division=division)

    def find_record(
        self,
        endpoint: str,
        match: Mapping[str, Any],
        *,
        select: Names = None,
        expand: Names = None,
        division: int | str | None = None,
    ) -> Record | None:
        """Return the one record with these values, or ``None``; see ``ExactClient.find_record``."""
        return self.get_conn().find_record(endpoint, match, select=select, expand=expand, division=division)

    def get_me(self) -> Record:
        """Return the signed-in user."""
        return self.get_conn().get_me()

    def upsert_record(
        self, endpoint: str, data: Mapping[str, Any], match: Names, *, division: int | str | None = None
    ) -> Upserted:
        """Update the record that matches, or create it; see ``ExactClient.upsert_record``."""
        return self.get_conn().upsert_record(endpoint, data, match, division=division)

    def list_divisions(
        self,
        source: str = "system/Divisions",
        *,
        country: Choice = None,
        name: Choice = None,
        code: Choice = None,
        select: Names = ("Code", "Description"),
    ) -> list[Record]:
        """Return the divisions that the signed-in user granted; see ``ExactClient.list_divisions``."""
        return self.get_conn().list_divisions(source, country=country, name=name, code=code, select=select)

    def division_name(self, *, fresh: bool = False) -> str | None:
        """
        Return what the division is called, looked up once a day; ``None`` if that can't be told.

        :param fresh: Look it up now.
        :raises ExactError: it was to be looked up now, and something other than a missing right came between.
        """
        from airflow_provider_exact import division_names

        return division_names.name_of(self.exact_online_conn_id, self.get_conn(), fresh=fresh)

    def note_limits(self) -> None:
        """Leave what the answers said of Exact's limits where people can see it; a task's end is a good moment."""
        self.get_conn().account.tell()

    async def anote_limits(self) -> None:
        """Do the same from a coroutine."""
        await _in_thread(self.note_limits)

    @property
    def usage(self) -> Usage | None:
        """What this hook's client did so far; ``None`` when it has made no call."""
        client: ExactClient | None = self.__dict__.get("_client")
        return client.usage if client is not None and client.usage.calls else None

    def test_connection(self) -> tuple[bool, str]:
        """
        Look who is signed in, with one call; spend no refresh token whose successor could not be stored.
        """
        from airflow_provider_exact.client.errors import ExactError

        try:
            return self._tested()
        except ExactError as error:
            return False, str(error)

    def _tested(self) -> tuple[bool, str]:
        client = self.get_conn()
        if not self.settings.access_token:
            tokens = self._tokens_to_test()
            if isinstance(tokens, tuple):
                return tokens
            client.tokens = tokens
        me = client.get_me()
        division = (
            f"default division {client.division}" if client.division else "no default division, so tasks name theirs"
        )
        user = me.get("FullName") or me.get("UserName")
        return True, f"Signed in to {self.settings.site.base_url} as {user}; {division}."

    def _tokens_to_test(self) -> TokenProvider | tuple[bool, str]:
        """
        Return the tokens for a test, or the result of a test without a call.

        A form that is not saved has a made-up id, and leaves its refresh token to the tasks.
        """
        from airflow_provider_exact.connection import MASKED, saved_as
        from airflow_provider_exact.tokens import variables

        settings = self.settings
        complete = f"The connection is complete, for {settings.site.base_url}"
        if settings.client_secret == MASKED:
            return True, (
                f"{complete}. Exact Online was not called: this version of Airflow tests a form without the saved "
                "client secret. The page Admin, Exact Online tells whether somebody is signed in."
            )
        has_sign_in = self._has_sign_in()
        if has_sign_in and not variables.is_server():
            return settings.token_provider()
        shared = replace(settings, conn_id="", refresh_token=None)
        if has_sign_in and not settings.refresh_token:
            return shared.token_provider()
        saved = saved_as(settings) if variables.is_server() else settings
        own = saved if saved is not None and saved.refresh_token else None
        if has_sign_in:
            return (own or shared).token_provider()
        if not variables.can_write():
            return True, (
                f"{complete}. Exact Online was not called: this test runs where Airflow keeps no tokens. The Test "
                "button tells whether somebody is signed in."
            )
        if own is None:
            # The answer to a wrong secret as well: a person may test connections without the right to read.
            return False, (
                f"{complete}, but no sign-in fits its client ID and client secret. Check both, save the connection, "
                "and sign in on the page Admin, Exact Online."
            )
        return own.token_provider()

    def _has_sign_in(self) -> bool:
        """Whether tokens are stored for the app, and the client secret opens them."""
        from airflow_provider_exact.client.errors import ExactTokenError

        try:
            return self.settings.token_store().kept() is not None
        except ExactTokenError:
            return False


async def _in_thread(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """
    Run a function off the event loop that may use Airflow's stores.

    Only through asgiref does Airflow's channel to its stores work from a trigger's thread; a plain one breaks the
    channel of the whole triggerer on Airflow 3.1.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=False, executor=_threads())(*args, **kwargs)


@cache
def _threads() -> ThreadPoolExecutor:
    """Return threads of our own for all triggers of this process, so that nobody else's triggers wait for Exact."""
    return ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="exact-online")


_turns_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _turns() -> asyncio.Semaphore:
    """
    Return what all triggers of this process queue at.

    Exact allows one call a second; and when a token is refused, each call under way with it costs one of the ten errors
    an hour that it allows.
    """
    return _turns_by_loop.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(CALLS_AT_ONCE))
