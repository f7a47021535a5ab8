"""What can be switched: where public sources on Exact Online contradict each other, the default is the harsher one."""

from __future__ import annotations

import dataclasses
import re
import typing
import zoneinfo
from dataclasses import dataclass, field

# Shown in the start message and used by tests: the emulator's app and users are no secrets.
CLIENT_ID = "5b1f0c1e-7a44-4c0e-9d5b-0a1ec0de0001"
CLIENT_SECRET = "emulated-secret"  # noqa: S105 - of the emulator only
USER_NAME = "demo@example.test"
PASSWORD = "demo"  # noqa: S105 - of the emulator only


@dataclass(frozen=True)
class Settings:
    """
    How the emulator behaves; every field is a command-line option and can be changed while it runs.

    ``help`` in a field's metadata is what the command line shows.
    """

    seed: int = field(default=1, metadata={"help": "chooses the names and ids of the seeded data"})
    time_transactions: int = field(default=3000, metadata={"help": "hours seeded in the first division"})
    calls_per_minute: int = field(default=60, metadata={"help": "per app and division"})
    calls_per_day: int = field(default=5000, metadata={"help": "per app and division"})
    limits_shared_by_apps: bool = field(default=False, metadata={"help": "one budget per division for all apps"})
    limit_headers_on_me: bool = field(default=False, metadata={"help": "count current/Me and send its limits"})
    error_limit: int = field(
        default=10, metadata={"help": "400, 401, 403 and 404 per endpoint and hour before a block; 0: no block"}
    )
    error_block_status: int = field(default=429, metadata={"help": "what a blocked call is answered with"})
    access_token_seconds: int = field(default=600, metadata={"help": "life of an access token"})
    refresh_after_seconds: int = field(default=570, metadata={"help": "an earlier refresh is refused"})
    refresh_token_days: float = field(default=30, metadata={"help": "life of an unused refresh token"})
    code_seconds: int = field(default=60, metadata={"help": "life of an authorisation code (other source: 180)"})
    token_calls_per_day: int = field(default=200, metadata={"help": "per app and user; 0: no limit"})
    refresh_grace_seconds: int = field(
        default=0, metadata={"help": "an old refresh token still works this long while its successor is unused"}
    )
    too_early_rotates: bool = field(
        default=False, metadata={"help": "a refresh that comes too early is refused with a new refresh token"}
    )
    single_use_refresh_tokens: bool = field(default=True, metadata={"help": "off: as for apps that Exact exempts"})
    concurrent_refresh_seconds: float = field(
        default=0, metadata={"help": "a second refresh this soon gets a pair too, which kills the first pair"}
    )
    sign_in_ends_access: bool = field(
        default=True, metadata={"help": "a second sign-in also ends the access tokens of the first one at once"}
    )
    basic_client_auth: bool = field(
        default=False, metadata={"help": "accept the client id and secret by HTTP Basic as well"}
    )
    unauthorized_body: str = field(
        default="html", metadata={"help": "body of a 401: html, json or empty", "choices": ("html", "json", "empty")}
    )
    zone: str = field(
        default="Europe/Amsterdam",
        metadata={"help": "zone of Created and Modified, and what a date sent with a zone is shifted to"},
    )
    xml_page_size: int = field(default=100, metadata={"help": "records in an answer of the XML API; not known"})
    item_codes_padded: bool = field(default=False, metadata={"help": "pad item codes to 18 like account codes"})
    expand_with_filter: bool = field(default=True, metadata={"help": "off: $expand beside $filter is a 400"})
    sync_by_id: bool = field(
        default=False,
        metadata={"help": "sync endpoints list in the order of ID, not of Timestamp; no order is promised"},
    )
    sync_duplicates: bool = field(
        default=False, metadata={"help": "sync endpoints also return the version that an update replaced"}
    )

    def changed(self, changes: dict[str, object]) -> Settings:
        """
        Return these settings with some of them changed.

        :raises ValueError: a name is unknown or a value has the wrong type; the message names it.
        """
        kinds = typing.get_type_hints(Settings)
        checked: dict[str, typing.Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                raise ValueError(f"{name}: no such setting; there are {', '.join(sorted(kinds))}")
            checked[name] = _typed(name, kinds[name], value)
        made = dataclasses.replace(self, **checked)
        if made.unauthorized_body not in {"html", "json", "empty"}:
            raise ValueError("unauthorized_body: choose html, json or empty")
        if not 400 <= made.error_block_status <= 599:
            raise ValueError("error_block_status: choose one from 400 to 599")
        try:
            zoneinfo.ZoneInfo(made.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"zone: {made.zone!r} is not a time zone such as 'Europe/Amsterdam'") from error
        return made


def _typed(name: str, kind: type, value: object) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name}: expected {kind.__name__}, not {value!r}")
    if isinstance(value, int | float) and value < 0:
        raise ValueError(f"{name}: must not be negative")
    return value


@dataclass(frozen=True)
class User:
    """Someone who can sign in; ``employee`` is the number of their employee in each division."""

    name: str
    password: str = field(repr=False)
    full_name: str
    employee: int


@dataclass(frozen=True)
class App:
    """
    An app registration.

    ``redirect_uris`` are allowed beside any loopback address; ``scopes`` maps a scope to ``read`` or ``manage`` and is
    ``None`` for everything.
    """

    client_id: str
    client_secret: str = field(repr=False)
    name: str
    redirect_uris: tuple[str, ...] = ()
    scopes: dict[str, str] | None = None

    def allows(self, redirect_uri: str) -> bool:
        loopback = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/.*)?"
        return redirect_uri in self.redirect_uris or re.fullmatch(loopback, redirect_uri) is not None


@dataclass(frozen=True)
class DivisionInfo:
    """A company in the emulated licence, and how much data it is seeded with."""

    code: int
    name: str
    city: str
    size: float


USERS = (
    User(USER_NAME, PASSWORD, "Daniel Emmers", 0),
    User("planner@example.test", "planner", "Petra Lanser", 1),
)

DIVISIONS = (
    DivisionInfo(3100001, "Noorderlicht Techniek B.V.", "Groningen", 1.0),
    DivisionInfo(3100002, "Zilvermeeuw Advies B.V.", "Middelburg", 0.1),
    DivisionInfo(3100003, "Lindehof Beheer N.V.", "Gent", 0.03),
)

DEFAULT_APP = App(CLIENT_ID, CLIENT_SECRET, "Airflow")


def bare_client_id(client_id: str) -> str:
    """Return a client id without the braces that some people paste, in lower case."""
    return client_id.strip().removeprefix("{").removesuffix("}").lower()
