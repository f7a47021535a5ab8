"""A call below ``/api/v1/`` that got past the token check."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from airflow_provider_exact.client.catalogue import Endpoint
from airflow_provider_exact.emulator import me
from airflow_provider_exact.emulator.answers import Shaper
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.query import Query
from airflow_provider_exact.emulator.routes import Route
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.store import Store
from airflow_provider_exact.emulator.tokens import Grant


@dataclass(frozen=True)
class Call:
    """Who asks for what: the route, the user's grant, the query options and the body."""

    emulator: Emulator
    request: Request
    route: Route
    grant: Grant
    options: dict[str, str]
    body: bytes
    as_json: bool

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def store(self) -> Store | None:
        """The data of the division asked; ``None`` for ``current/Me``."""
        return None if self.route.division is None else self.emulator.store(self.route.division)

    @property
    def employee(self) -> str:
        """The signed-in user's employee in this division."""
        return me.employee_id(self.emulator, self.grant, self.route.division or self.emulator.current_division)

    def base(self, endpoint: Endpoint) -> str:
        """Return the address in front of an endpoint's name, with the scheme and host that the caller used."""
        root = f"{self.request.url.scheme}://{self.request.url.netloc}/api/v1"
        if self.route.division is None:
            return f"{root}/{endpoint.service}"
        if endpoint.is_beta:
            return f"{root}/beta/{self.route.division}/{endpoint.service.removeprefix('beta/')}"
        return f"{root}/{self.route.division}/{endpoint.service}"

    def shaper(self, endpoint: Endpoint, asked: Query) -> Shaper:
        return Shaper(endpoint, asked, self.store, self.base(endpoint))


@dataclass(frozen=True)
class PageCall:
    """A call below ``/docs/`` that got past the token check; ``options`` have their names in lower case."""

    emulator: Emulator
    route: Route
    grant: Grant
    options: dict[str, str]
    body: bytes

    @property
    def division(self) -> int:
        """
        The division that the address names.

        :raises Refusal: 400 when it names none.
        """
        if self.route.division is None:
            raise Refusal(400, "_Division_ is missing")
        return self.route.division

    @property
    def store(self) -> Store:
        return self.emulator.store(self.division)
