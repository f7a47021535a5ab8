"""What an Airflow connection of type ``exact_online`` says, and the site, grants and tokens that follow from it."""

from __future__ import annotations

import hmac
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from airflow_provider_exact import metrics
from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.token import App, Token
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider, TokenProvider
from airflow_provider_exact.client.errors import ExactError, ExactRequestError
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.provider_info import get_provider_info
from airflow_provider_exact.tokens.providers import ConnectionTokenProvider, shared_provider
from airflow_provider_exact.tokens.token_store import TOKEN_KEY, VariableTokenStore, connections_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

CONN_TYPE = "exact_online"
CONFIG_SECTION = "exact_online"
ENVIRONMENT = "AIRFLOW_CONN_"
# Id of a connection during a test of Airflow's API server.
MADE_UP = re.compile(r"[0-9a-zA-Z]{8}")
# Text in the form for a saved secret. Airflow 3.1.3 tests a connection with this text, later versions with the secret.
MASKED = "***"
TEXT_FIELDS = ("region", "redirect_uri", "refresh_token", "access_token", "token_variable")


@dataclass(frozen=True)
class ConnectionSettings:
    """
    One connection; ``division`` is as it was written, ``None`` when empty.
    """

    conn_id: str
    client_id: str
    client_secret: str = field(repr=False)
    # A person may write a password into it.
    server_url: str | None = field(default=None, repr=False)
    region: str | None = None
    division: int | str | None = None
    redirect_uri: str | None = None
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    token_variable: str | None = None

    @classmethod
    def of(cls, connection: Connection) -> ConnectionSettings:
        """
        Read a connection.

        :raises ExactRequestError: the connection has a different type, or the extra is malformed.
        """
        if connection.conn_type not in (CONN_TYPE, "", None):
            raise ExactRequestError(
                f"Connection {connection.conn_id!r} is of type {connection.conn_type!r}, not {CONN_TYPE!r}. Choose "
                "another connection, or change its type."
            )
        extra = connection.extra_dejson
        if not isinstance(extra, dict):
            raise ExactRequestError(f"Connection {connection.conn_id!r}: the extra is not a JSON object.")
        text = {name: str(extra[name]).strip() or None for name in TEXT_FIELDS if extra.get(name) is not None}
        division = extra.get("division")
        return cls(
            conn_id=connection.conn_id,
            client_id=(connection.login or "").strip(),
            client_secret=(connection.password or "").strip(),
            server_url=_server_url(connection),
            division=None if division in (None, "") else division,
            **{name: value for name, value in text.items() if value != MASKED},
        )

    @cached_property
    def site(self) -> Site:
        """
        The Exact Online that the connection means.

        :raises ExactRequestError: region and Server URL are missing, malformed or contradict each other.
        """
        try:
            return Site.of(self.region, self.server_url)
        except ExactRequestError as error:
            raise ExactRequestError(f"Connection {self.conn_id!r}: {error}") from error

    @property
    def app(self) -> App:
        """The connection's app registration."""
        return App(self.client_id, self.client_secret)

    @property
    def _seed(self) -> Token | None:
        """The connection's own refresh token, to begin with."""
        return Token.to_begin_with(self.refresh_token) if self.refresh_token else None

    @property
    def token_key(self) -> str:
        """
        Key of the Variable that keeps the tokens: connections with one app on one site share a sign-in.

        :raises ExactRequestError: region or Server URL is wrong.
        """
        # In each case with site and app: two apps with an equal token_variable have two sign-ins.
        names = [urlsplit(self.site.base_url).netloc, self.app.bare_id]
        if self.token_variable:
            names.append(self.token_variable)
        return TOKEN_KEY + "__".join(re.sub(r"[^\w.-]", "_", name, flags=re.ASCII) for name in names)[:200]

    @property
    def advice(self) -> str:
        """What a person does to sign in for this connection."""
        if not self.conn_id:
            return "Save the connection, and sign in on the page Admin, Exact Online of Airflow."
        return (
            f"Sign in for the connection {self.conn_id!r}: on the page Admin, Exact Online of Airflow, or with the "
            f"command 'exact-online login --conn-id {self.conn_id}'."
        )

    def grants(self) -> Grants:
        """
        Return the grants of the connection's app registration.

        :raises ExactRequestError: client id or secret is missing.
        """
        has = {"Client ID": bool(self.client_id), "Client secret": bool(self.client_secret)}
        if missing := [name for name, is_set in has.items() if not is_set]:
            raise ExactRequestError(
                f"Connection {self.conn_id!r} lacks {' and '.join(missing)}; both are on the app's page in Exact's App "
                "Center."
            )
        return Grants(self.site, self.app, (seconds("connect_timeout"), seconds("token_timeout")))

    def token_store(self, *, sleep: Callable[[float], None] = time.sleep) -> VariableTokenStore:
        """Return where the connection's tokens are kept."""
        return VariableTokenStore(
            self.token_key, self.app, self.site, seed=self._seed, conn_id=self.conn_id, sleep=sleep
        )

    def token_provider(self) -> TokenProvider:
        """Return the store that calls of this connection take their tokens from."""
        if self.access_token:
            return FixedTokenProvider(self.access_token)
        return self.refreshing_provider()

    def refreshing_provider(self) -> ConnectionTokenProvider:
        """Return the process's provider of the stored tokens, with refreshes."""
        shared = shared_provider(
            self.token_key,
            self.grants(),
            seed=self._seed,
            conn_id=self.conn_id,
            on_refresh=partial(metrics.counter(self.conn_id), "refreshes", 1),
        )
        return ConnectionTokenProvider(shared, self.advice)


def _server_url(connection: Connection) -> str | None:
    """Put a connection's host together with a scheme and port that a connection URI leaves in fields of their own."""
    host = (connection.host or "").strip()
    if not host:
        return None
    if "://" not in host and connection.schema in ("http", "https"):
        host = f"{connection.schema}://{host}"
    names_a_port = host.rpartition("://")[2].rstrip("/").rpartition(":")[2].isdecimal()
    return f"{host.rstrip('/')}:{connection.port}" if connection.port and not names_a_port else host


def seconds(option: str) -> float:
    """
    Return a length of time from Airflow's configuration.

    :raises ExactRequestError: the option is not a number above 0.
    """
    value = _option(option)
    if value <= 0:
        raise ExactRequestError(f"[{CONFIG_SECTION}] {option}: expected seconds above 0, not {value}.")
    return value


def count_option(option: str) -> int:
    """
    Return a number of things from Airflow's configuration.

    :raises ExactRequestError: the option is not a whole number from 0 on.
    """
    value = _option(option)
    if value < 0 or value != int(value):
        raise ExactRequestError(f"[{CONFIG_SECTION}] {option}: expected a number from 0 on, not {value:g}.")
    return int(value)


def _option(option: str) -> float:
    from airflow.configuration import conf

    text = str(conf.get(CONFIG_SECTION, option, fallback=_default(option))).strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ExactRequestError(f"[{CONFIG_SECTION}] {option}: expected a number, not {text!r}.")
    return value


def _default(option: str) -> str:
    """Return an option's default, which Airflow 3.1 does not load in every process."""
    config: Any = get_provider_info()["config"]
    return str(config[CONFIG_SECTION]["options"][option]["default"])


def connections_among(conn_ids: Iterable[str]) -> tuple[list[ConnectionSettings], dict[str, str]]:
    """Return the connections of this type among ids, and the fault of each unusable connection by id."""
    found, faults = [], {}
    for conn_id in conn_ids:
        try:
            settings = find_connection(conn_id)
        except ExactError as error:
            faults[conn_id] = str(error)
        else:
            if settings is not None:
                found.append(settings)
    return found, faults


def known_connections() -> tuple[list[ConnectionSettings], dict[str, str]]:
    """Return :func:`connections_among` :func:`known_ids`."""
    return connections_among(known_ids())


def known_ids() -> list[str]:
    """
    Return ids that may be connections of this type: :func:`stored_ids` and all in the environment.

    A secrets backend can't be asked for a list; a connection in one shows up once somebody has signed in for it.
    """
    in_environment = {name.removeprefix(ENVIRONMENT).lower() for name in os.environ if name.startswith(ENVIRONMENT)}
    return sorted(stored_ids() | in_environment)


def stored_ids() -> set[str]:
    """
    Return ids of connections of this type in Airflow's database, and ids that token Variables list.

    Only for the API server and the command line.
    """
    from airflow.models import Connection as StoredConnection
    from airflow.models import Variable as StoredVariable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        of_our_type = select(StoredConnection.conn_id).where(StoredConnection.conn_type == CONN_TYPE)
        ids = {str(conn_id) for conn_id in session.scalars(of_our_type)}
        for variable in session.scalars(select(StoredVariable).where(StoredVariable.key.startswith(TOKEN_KEY))):
            ids.update(connections_of(cast("str | None", variable.val)))
        return ids


def saved_as(settings: ConnectionSettings) -> ConnectionSettings | None:
    """
    Return the saved connection with the sign-in, client secret and refresh token of a form that is tested.

    The form's Test button tests its content under a made-up id, and may send a mask for the saved refresh token.
    """
    stored = stored_ids()
    for saved in known_connections()[0]:
        # During the test, the made-up id is in the environment as well. A ready token says nothing of a sign-in.
        if saved.access_token or (MADE_UP.fullmatch(saved.conn_id) and saved.conn_id not in stored):
            continue
        try:
            # The site as well: a chosen token_variable is no part of it, and the form's site gets the token.
            is_same = saved.token_key == settings.token_key and saved.site == settings.site
        except ExactRequestError:
            continue
        # In constant time: a person may test connections without the right to read the secret.
        is_same &= hmac.compare_digest(saved.client_secret.encode(), settings.client_secret.encode())
        if is_same and settings.refresh_token in (None, saved.refresh_token):
            return saved
    return None


def find_connection(conn_id: str) -> ConnectionSettings | None:
    """
    Return a connection by its id from any place that Airflow reads; ``None`` for a missing id or a different type.

    :raises ExactRequestError: the connection can't be read, for example in a secrets backend without access.
    """
    # Airflow 3.1 has it nowhere else.
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined]
    from airflow.sdk import BaseHook

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    except Exception as error:
        log.exception("The connection %r could not be read", conn_id)
        raise ExactRequestError(
            f"Connection {conn_id!r}: Airflow could not read the connection ({type(error).__name__}); the log has the "
            "details."
        ) from None
    return ConnectionSettings.of(connection) if connection.conn_type == CONN_TYPE else None
