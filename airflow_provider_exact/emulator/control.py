"""``/_emulator``: what tests ask of the emulator itself. Nothing at Exact Online has such a path."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from airflow_provider_exact import __version__
from airflow_provider_exact.emulator.answers import json_answer
from airflow_provider_exact.emulator.settings import CLIENT_ID, USERS, App, bare_client_id
from airflow_provider_exact.emulator.state import Emulator

PREFIX = "/_emulator"


def router(emulator: Emulator) -> APIRouter:
    """Return the routes of the control API."""
    routes = APIRouter(prefix=PREFIX)
    controls = _Controls(emulator)

    @routes.get("/health")
    async def health() -> Response:
        apps = [{"name": app.name, "client_id": app.client_id} for app in emulator.apps.values()]
        divisions = [{"code": info.code, "name": info.name} for info in emulator.divisions.values()]
        return json_answer({"status": "ok", "version": __version__, "apps": apps, "divisions": divisions})

    @routes.get("/clock")
    async def clock() -> Response:
        return json_answer(emulator.describe())

    @routes.get("/statistics")
    async def statistics() -> Response:
        return json_answer(emulator.journal.statistics())

    @routes.get("/calls")
    async def calls() -> Response:
        return json_answer(emulator.journal.log())

    @routes.get("/secrets")
    async def secrets() -> Response:
        return json_answer([*(app.client_secret for app in emulator.apps.values()), *emulator.tokens.issued()])

    @routes.get("/settings")
    async def settings() -> Response:
        return json_answer(dataclasses.asdict(emulator.settings))

    @routes.get("/faults")
    async def faults() -> Response:
        return json_answer([dataclasses.asdict(fault) for fault in emulator.faults.waiting])

    @routes.delete("/faults")
    async def no_faults() -> Response:
        emulator.faults.waiting.clear()
        return Response(status_code=204)

    @routes.post("/reset")
    async def reset() -> Response:
        emulator.reset()
        return Response(status_code=204)

    for method, path, control in (
        ("POST", "/clock", controls.move_clock),
        ("POST", "/faults", controls.add_fault),
        ("PATCH", "/settings", controls.change_settings),
        ("POST", "/sign-in", controls.sign_in),
        ("POST", "/apps", controls.add_app),
        ("POST", "/move-division", controls.move_division),
        ("POST", "/current-division", controls.choose_division),
    ):
        routes.add_api_route(path, _handler(control), methods=[method])
    return routes


def _handler(control: Callable[[dict[str, Any]], object]) -> Callable[[Request], Any]:
    """Make a route of a control that takes an object and answers with one; what is wrong with it becomes a 422."""

    async def handle(request: Request) -> Response:
        try:
            wanted = json.loads(await request.body() or b"{}")
            if isinstance(wanted, dict):
                return json_answer(control(wanted))
        except ValueError as error:
            return json_answer({"detail": str(error)}, 422)
        return json_answer({"detail": "the body must be a JSON object"}, 422)

    return handle


class _Controls:
    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def move_clock(self, wanted: dict[str, Any]) -> object:
        _only(wanted, "advance", "hold")
        seconds, hold = wanted.get("advance", 0), wanted.get("hold")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise ValueError("advance: a number of seconds, not negative")
        if hold is not None and not isinstance(hold, bool):
            raise ValueError("hold: true stops the clock, false lets it run")
        self.emulator.clock.advance(seconds)
        if hold is not None:
            (self.emulator.clock.hold if hold else self.emulator.clock.run)()
        return self.emulator.describe()

    def add_fault(self, wanted: dict[str, Any]) -> object:
        return dataclasses.asdict(self.emulator.faults.add(wanted))

    def change_settings(self, wanted: dict[str, Any]) -> object:
        self.emulator.change_settings(wanted)
        return dataclasses.asdict(self.emulator.settings)

    def sign_in(self, wanted: dict[str, Any]) -> object:
        _only(wanted, "client_id", "user_name", "divisions")
        name = wanted.get("user_name", USERS[0].name)
        user = next((number for number, user in enumerate(USERS) if user.name == name), None)
        if user is None:
            raise ValueError(f"user_name: there are {', '.join(user.name for user in USERS)}")
        divisions = wanted.get("divisions")
        if divisions is not None and not (isinstance(divisions, list) and all(type(d) is int for d in divisions)):
            raise ValueError("divisions: a list of numbers")
        client_id = wanted.get("client_id", CLIENT_ID)
        if not isinstance(client_id, str):
            raise ValueError("client_id: a text")  # noqa: TRY004 - wrong types are answered like wrong values
        pair = self.emulator.sign_in(client_id, user, None if divisions is None else frozenset(divisions))
        return pair.body()

    def add_app(self, wanted: dict[str, Any]) -> object:
        _only(wanted, "client_id", "client_secret", "name", "redirect_uris", "scopes")
        for name in ("client_id", "client_secret", "name"):
            if not isinstance(wanted.get(name), str) or not wanted[name]:
                raise ValueError(f"{name}: a text")
        uris, scopes = wanted.get("redirect_uris", []), wanted.get("scopes")
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            raise ValueError("redirect_uris: a list of addresses")
        if scopes is not None and not (
            isinstance(scopes, dict) and all(value in ("read", "manage") for value in scopes.values())
        ):
            raise ValueError("scopes: an object such as {'projects billing': 'manage'}")
        app = App(wanted["client_id"], wanted["client_secret"], wanted["name"], tuple(uris), scopes)
        self.emulator.apps[bare_client_id(app.client_id)] = app
        return {"client_id": app.client_id, "name": app.name}

    def move_division(self, wanted: dict[str, Any]) -> object:
        self.emulator.move_division(self._division(wanted))
        return {"division": wanted["division"]}

    def choose_division(self, wanted: dict[str, Any]) -> object:
        self.emulator.current_division = self._division(wanted)
        return {"division": wanted["division"]}

    def _division(self, wanted: dict[str, Any]) -> int:
        _only(wanted, "division")
        division = wanted.get("division")
        if not isinstance(division, int) or division not in self.emulator.divisions:
            raise ValueError(f"division: choose from {sorted(self.emulator.divisions)}")
        return division


def _only(wanted: dict[str, Any], *names: str) -> None:
    if unknown := set(wanted) - set(names):
        raise ValueError(f"{min(unknown)}: not known here; there are {', '.join(names)}")
