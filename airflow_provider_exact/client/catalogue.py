"""
What is known of Exact Online's endpoints: paths, methods, keys, fields, page sizes, mandatory filters.

The facts are data (``catalogue.jsonl``), read when they are first asked for. Exact adds endpoints every year, so a
path that is not in the list is allowed; a near miss of a known one is taken for a slip and refused.
"""

from __future__ import annotations

import difflib
import functools
import logging
from importlib import resources

import msgspec

from airflow_provider_exact.client.errors import ExactRequestError

log = logging.getLogger(__name__)

# A slip of the pen scores above this; `crm/AccountsV2` beside `crm/Accounts` scores 0.92 and is new, see `resolve`.
SIMILAR = 0.8


class Field(msgspec.Struct, frozen=True, array_like=True):
    """
    A key or function parameter: its name and its Edm type (``Guid``, ``Int64``, …; ``None`` when unknown).
    """

    name: str
    type: str | None = None


class Property(msgspec.Struct, frozen=True, array_like=True):
    """
    One field of an endpoint's records.

    ``access`` holds ``r`` (read), ``c`` (POST), ``u`` (PUT) or is ``?`` when unknown; ``mandatory`` speaks of POST and
    is ``None`` when unknown; ``target`` names the endpoint behind a navigation property; a ``hidden`` field is absent
    from Exact's current pages but still answers.
    """

    name: str
    type: str | None = None
    access: str = "r"
    mandatory: bool | None = False
    target: str | None = None
    is_collection: bool = False
    hidden: bool = False

    def is_writable(self, method: str) -> bool:
        """Whether ``POST`` or ``PUT`` may send this field; what is not known may."""
        return self.access == "?" or ("u" if method == "PUT" else "c") in self.access


class Endpoint(msgspec.Struct, frozen=True, dict=True):
    """
    One endpoint; ``path`` is what stands behind the division in its address (``project/TimeTransactions``).

    ``page_size`` is ``None`` for endpoints that do not page; ``select_star`` is ``False`` where Exact refuses
    ``$select=*`` and ``None`` where nothing is known; ``parameters`` is ``None`` for functions with unknown ones.
    """

    path: str
    methods: tuple[str, ...] = ()
    key: tuple[Field, ...] = ()
    scope: str | None = None
    page_size: int | None = None
    is_sync: bool = False
    is_bulk: bool = False
    is_function: bool = False
    is_read: bool = False
    is_beta: bool = False
    has_webhook: bool = False
    is_listed: bool = False
    filter_mandatory: bool = False
    filter_fields: tuple[str, ...] = ()
    select_required: bool = False
    select_star: bool | None = None
    parameters: tuple[Field, ...] | None = None
    properties: tuple[Property, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the catalogue describes this endpoint, or only the caller named it."""
        return bool(self.methods)

    @property
    def service(self) -> str:
        """The group in the path: ``project``, ``sync/CRM``."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path: ``TimeTransactions``."""
        return self.path.rpartition("/")[2]

    @functools.cached_property
    def _by_name(self) -> dict[str, Property]:
        return {prop.name.casefold(): prop for prop in self.properties}

    def property(self, name: str) -> Property | None:
        """Return the field of this name in any letter case, or ``None``."""
        return self._by_name.get(name.casefold())

    def nearest(self, name: str) -> str:
        """Return `` Did you mean …?`` for a field name that is not one, or an empty string."""
        return did_you_mean(name, [prop.name for prop in self.properties])


def did_you_mean(word: str, known: list[str], *, cutoff: float = 0.6) -> str:
    """Return `` Did you mean A or B?`` for the known words most like ``word``, or an empty string."""
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), list(by_fold), n=3, cutoff=cutoff)
    return f" Did you mean {' or '.join(by_fold[fold] for fold in close)}?" if close else ""


@functools.cache
def load() -> dict[str, Endpoint]:
    """Return every known endpoint by its case-folded path."""
    lines = resources.files(__package__).joinpath("catalogue.jsonl").read_bytes()
    endpoints = msgspec.json.Decoder(Endpoint).decode_lines(lines)
    return {endpoint.path.casefold(): endpoint for endpoint in endpoints}


def resolve(path: str) -> Endpoint:
    """
    Return the endpoint that ``path`` names, in any letter case.

    A path outside the catalogue becomes an endpoint without facts, and a log line says so.

    :raises ExactRequestError: the path has no service, or is a near miss of a known one.
    """
    if not isinstance(path, str) or not path.strip(" /"):
        raise ExactRequestError(f"endpoint: expected a path such as 'project/TimeTransactions', not {path!r}.")
    asked = path.strip(" /")
    known = load()
    if found := known.get(asked.casefold()):
        return found
    if not all(part.isidentifier() for part in asked.split("/")):
        raise ExactRequestError(
            f"endpoint: {path!r} is not the path of an endpoint. Give the part behind the division, such as "
            "'project/TimeTransactions', without a key or query; those have arguments of their own."
        )
    if "/" not in asked:
        named = [endpoint.path for endpoint in known.values() if endpoint.name.casefold() == asked.casefold()]
        hint = f" Did you mean {' or '.join(named)}?" if named else _near(asked, known)
        raise ExactRequestError(
            f"endpoint: {path!r} lacks its service: write 'service/Endpoint', such as 'project/TimeTransactions'.{hint}"
        )
    if hint := _near(asked, known):
        raise ExactRequestError(f"endpoint: {path!r} is not known.{hint}")
    log.warning("Endpoint %s is not in the catalogue: its fields and methods are not checked", asked)
    return Endpoint(path=asked)


def _near(asked: str, known: dict[str, Endpoint]) -> str:
    """Return the hint for a slip of the pen; a known path with something added is a newer endpoint, not a slip."""
    if any(asked.casefold().startswith(path) and len(asked) - len(path) > 1 for path in known):
        return ""
    return did_you_mean(asked, [endpoint.path for endpoint in known.values()], cutoff=SIMILAR)
