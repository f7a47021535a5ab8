"""
Every exception, named for what the caller can do about it, and which answer becomes which.

Messages name the division, the endpoint and the next step, never a token, and no code reads a message to decide.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from airflow_provider_exact.client.transport import Request, Response
    from airflow_provider_exact.client.xml_api import XmlMessage


class ExactError(Exception):
    """
    Any failure of a call to Exact Online.

    ``status`` is the HTTP status of the answer, or ``None`` when the call never left or was never answered.
    ``outcome_unknown`` is true when a POST left and its answer did not come back: the record may exist, so look it up
    before anything is sent again.
    """

    def __init__(self, message: str, *, status: int | None = None, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.outcome_unknown = outcome_unknown


class ExactTransportError(ExactError):
    """No usable answer after the attempts that were safe to make: call again later."""


class ExactOutcomeError(ExactTransportError):
    """
    A record may have been created, and looking for it did not tell: a person decides.

    ``filter`` is what it was looked for with, ``None`` if it could not be; ``keys`` are those of the records that may
    be it.
    """

    def __init__(
        self, message: str, *, status: int | None = None, filter: str | None = None, keys: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, status=status, outcome_unknown=True)
        self.filter = filter
        self.keys = keys


class ExactRateLimitError(ExactError):
    """A limit was reached that is not worth waiting out here: come back at ``resets_at`` (seconds since the epoch)."""

    def __init__(
        self, message: str, *, resets_at: float, status: int | None = 429, outcome_unknown: bool = False
    ) -> None:
        super().__init__(message, status=status, outcome_unknown=outcome_unknown)
        self.resets_at = resets_at


class ExactErrorLimitError(ExactRateLimitError):
    """
    Too many calls to one endpoint were refused within an hour; no more are made until ``resets_at``.

    Correct the wrong calls: Exact blocks an app that keeps making them.
    """


class ExactTokenError(ExactError):
    """No token can be had without a person: sign in again, or correct the app's client id or secret."""


class ExactRequestError(ExactError, ValueError):
    """The call itself is wrong or not allowed: change it. Repeating it as it is only spends Exact's error budget."""


class ExactXmlError(ExactRequestError):
    """The XML API refused records; ``messages`` are those of all that were sent, also of the ones that it stored."""

    def __init__(self, message: str, *, messages: tuple[XmlMessage, ...]) -> None:
        super().__init__(message, status=200)
        self.messages = messages


class ExactNotFoundError(ExactRequestError):
    """No record has this key, or no endpoint this path."""


class ExactResponseError(ExactError):
    """Exact Online answered in a way that this client does not know: report it."""


# What Exact's `Reason` header on a 403 means for a person.
REASONS = {
    "BlockedUser": "the signed-in user is blocked in Exact Online; an administrator there can lift that",
    "InactiveUser": "the signed-in user is inactive in Exact Online; an administrator there can activate it",
    "BlockedCustomer": "Exact has blocked this customer; ask Exact's support",
    "LicenseExpired": "the licence has expired; ask whoever manages the Exact Online licence",
    "DivisionBlocked": "the division is blocked; ask whoever manages the Exact Online licence",
    "NoDivisionAccess": (
        "the signed-in user may not see this division, or did not grant it to the app; correct the division, or sign "
        "in again and tick it"
    ),
}
# Temporary by nature, unlike a 500, which Exact also uses for its business errors.
GATEWAY_STATUSES = frozenset({408, 502, 503, 504})


def said(response: Response) -> str:
    """Return what an answer's body says in words, from Exact's JSON or Atom error; empty for HTML and nothing."""
    text = ""
    try:
        body = response.json
        message = body["error"]["message"]
        text = message["value"] if isinstance(message, dict) else message
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        found = re.search(rb"<(?:\w+:)?message\b[^>]*>(.*?)</(?:\w+:)?message>", response.body, re.DOTALL)
        text = html.unescape(found[1].decode("utf-8", "replace")) if found else ""
    return " ".join(str(text).split())[:500]


def _missing_scope(response: Response) -> str:
    """Return the cause and the next step of a refusal for a missing scope; empty for any other refusal."""
    # Either in Exact's JSON error or as plain text.
    text = said(response) or response.body.decode("utf-8", "replace")
    found = re.search(r"Application Scope Violated.{0,60}?'([\w .-]{1,80})'", text, re.DOTALL)
    if found is None:
        return ""
    scope = found[1]
    area = " → ".join(part.capitalize() for part in re.split(r"[ .]+", scope))
    return (
        f"the app registration lacks the scope {scope!r}. In Exact's App Center, open the app, set the area {area} to "
        "Manage, and sign in again; Exact may have to approve the change first"
    )


def checked(response: Response, request: Request) -> Response:
    """Return a successful answer; raise any other as the exception that says what to do."""
    if 200 <= response.status < 300:
        return response
    raise refusal(response, request)


def refusal(response: Response, request: Request) -> ExactError:
    """Return the exception for an answer that is not a success (nor a 429, which ``rate_limit`` reads)."""
    status = response.status
    words = said(response)
    quote = f' Exact Online says: "{words}"' if words else ""
    if status == 403:
        reason = response.headers.get("Reason", "").partition(":")[0].strip()
        why = _missing_scope(response) or REASONS.get(reason) or (f"reason {reason}" if reason else "")
        hint = why or (
            "the signed-in user lacks the right, the licence lacks the module, the app registration lacks the scope, "
            "or the record to change is not there. The function users/UserHasRights tells what the user may do"
        )
        return ExactRequestError(f"{request}: forbidden (403): {hint}.{quote}", status=status)
    if status == 404:
        gone = " With missing_ok=True, one that is gone already is fine." if request.method == "DELETE" else ""
        return ExactNotFoundError(
            f"{request}: not found (404). Check the key and the endpoint's name.{gone}{quote}", status=status
        )
    if 300 <= status < 400:
        return ExactResponseError(
            f"{request}: answered with a redirect ({status}), which is not followed. Check the region or Server URL of "
            "the connection.",
            status=status,
        )
    if status >= 500 or status in GATEWAY_STATUSES:
        unknown = request.method == "POST"
        next_step = (
            "Whether the record was created is not known: look for it before you send it again."
            if unknown
            else "Try again later."
        )
        return ExactTransportError(
            f"{request}: Exact Online failed ({status}).{quote} {next_step}",
            status=status,
            outcome_unknown=unknown,
        )
    return ExactRequestError(f"{request}: refused ({status}); change the call.{quote}", status=status)
