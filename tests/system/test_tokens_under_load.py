"""One token for many tasks and triggers of a real Airflow, which logs all that it can: refreshed once, never told."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_exact.hooks.exact_online import CALLS_AT_ONCE
from airflow_provider_exact.tokens.token_store import TOKEN_KEY
from tests.system import leaks
from tests.system.conftest import APP
from tests.system.crowd import Crowd, Tally
from tests.system.other_program import OtherProgram
from tests.system.server_side import ServerSide
from tools.demo.emulator import CONN_ID
from tools.demo.processes import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.running import RunningAirflow

FAILING_CONNECTIONS = {"exact_ended", "exact_wrong_secret", "exact_refused", "exact_nowhere"}
FAILING = FAILING_CONNECTIONS | {"format_everything", "create_wrongly", "list_wrongly"}
OTHER_APP = ("0e5f0000-0000-4000-8000-000000000066", "another kn0wn/secret+of=these&tests")
# Secrets that no emulator handed out.
OUR_SECRETS = ("a-wr0ng/secret+of=these&tests", "stampNL001.a-refused/access+token=of-these&tests!")


@pytest.fixture(scope="module")
def crowd(running: RunningAirflow) -> Iterator[Crowd]:
    with ServerSide(running.airflow, running.airflow.log_folder / "server-side.log") as server:
        crowd = Crowd(running, server, APP)
        crowd.sign_in_again()
        yield crowd


def failing_connections(running: RunningAirflow) -> dict[str, dict[str, Any]]:
    """Return connections with which each call fails in another way."""
    emulator = running.emulator
    emulator.control.register_app(*OTHER_APP, "Other")
    ended = emulator.signed_in_connection(OTHER_APP)
    # A second sign-in ends the first.
    good = emulator.signed_in_connection(OTHER_APP)
    common = {name: good[name] for name in ("host", "port", "login", "password", "extra")}
    refused = json.dumps({"division": emulator.control.division, "access_token": OUR_SECRETS[1]})
    return {
        "exact_ended": common | {"extra": ended["extra"]},
        "exact_wrong_secret": common | {"password": OUR_SECRETS[0]},
        "exact_refused": common | {"extra": refused},
        "exact_nowhere": common | {"host": f"http://{LOOPBACK}", "port": free_port()},
    }


def writable(connection: dict[str, Any]) -> dict[str, Any]:
    """Return what the form sends back of a connection that it was shown."""
    return {
        name: connection[name] for name in ("connection_id", "conn_type", "host", "login", "port", "password", "extra")
    }


@pytest.mark.parametrize("tasks", [12, pytest.param(64, marks=pytest.mark.slow)])
def test_many_tasks_with_an_expired_token_refresh_it_once(crowd: Crowd, tasks: int):
    crowd.expire()
    before = crowd.look()
    crowd.assert_all_succeeded(crowd.running.trigger(f"ask_{tasks}"), tasks)
    assert crowd.look().since(before) == Tally(refreshes=1, refused=0, unauthorized=0, sign_ins=0)


@pytest.mark.parametrize("tasks", [24, pytest.param(64, marks=pytest.mark.slow)])
def test_a_token_that_expires_twice_while_tasks_run_is_refreshed_twice(crowd: Crowd, tasks: int):
    before = crowd.look()
    run = crowd.running.trigger(f"ask_{tasks}")
    for ended in (2, tasks // 4):
        crowd.wait_for_states(run, {"success": ended})
        crowd.expire()
        # The API server needs one as well; whoever comes first refreshes it.
        assert crowd.server.ask() == crowd.running.emulator.control.user_name
    crowd.assert_all_succeeded(run, tasks)
    told = crowd.look().since(before)
    assert (told.refreshes, told.refused) == (2, 0)


@pytest.mark.parametrize(("triggers", "tasks"), [(12, 12), pytest.param(100, 64, marks=pytest.mark.slow)])
def test_triggers_tasks_and_a_sign_in_at_the_same_moment_lose_nothing(crowd: Crowd, triggers: int, tasks: int):
    name = f"Awaited by {triggers}"
    awaiting = crowd.running.trigger(f"await_{triggers}", name=name)
    crowd.wait_for_states(awaiting, {"deferred": triggers})
    awaiting.wait_for_processes_to_end(*awaiting.tasks())

    def answered() -> int:
        return sum(call["status"] == 200 for call in crowd.running.calls("GET", "crm/Accounts", name))

    # After its task and the triggerer have looked once each, the triggerer holds the stored token and not an older one.
    crowd.running.wait_for(lambda: answered() >= 2 * triggers, "a look by each trigger")
    before = crowd.look()

    # No task runs, so a trigger has to refresh. The triggerer's own clock has not moved: it learns of it by a 401.
    crowd.expire()
    crowd.running.wait_for(lambda: crowd.look().refreshes > before.refreshes, "a refresh by the triggerer")
    told = crowd.look().since(before)
    assert (told.refreshes, told.refused) == (1, 0)
    assert told.unauthorized <= CALLS_AT_ONCE

    # Tasks and triggers refresh, and somebody signs in, which ends the token that they use.
    asking = crowd.running.trigger(f"ask_{tasks}")
    crowd.wait_for_states(asking, {"success": tasks // 4})
    crowd.expire()
    assert crowd.sign_in_again() == "Daniel Emmers"
    crowd.assert_all_succeeded(asking, tasks)
    met = crowd.look().since(before)
    assert (met.refused, met.sign_ins) == (0, 1)
    assert met.refreshes <= 2

    # The new chain is as good as the old one was: it refreshes, and all that waited go on.
    crowd.expire()
    refreshed = crowd.look().refreshes
    crowd.running.wait_for(lambda: crowd.look().refreshes > refreshed, "a refresh of the new chain")
    OtherProgram(crowd.running.emulator).create("crm/Accounts", {"Name": name})
    crowd.assert_all_succeeded(awaiting, triggers)
    assert crowd.look().since(before).refused == 0


def test_no_secret_is_to_be_found_anywhere(crowd: Crowd):
    running, marker = crowd.running, "Marker of the search"
    for conn_id, fields in failing_connections(running).items():
        running.connect(conn_id, fields)
    texts = [crowd.page()]
    crowd.sign_in_on_the_page()
    # Tasks refresh and store a token, too.
    crowd.expire()
    before = crowd.look()
    run = running.trigger("secretive", name=marker)
    ends = {"success": 2, "failed": len(FAILING), "deferred": 1}
    running.wait_for(lambda: Counter(run.tasks().values()) == ends, f"{ends} of the tasks")
    # Only now does the database hold the trigger.
    found_while_deferred = crowd.server.columns_with(leaks.all_forms([marker]))
    leaking_while_deferred = crowd.server.columns_with(leaks.all_forms(crowd.secrets()))
    run.wait_for_processes_to_end("wait")
    OtherProgram(running.emulator).create("crm/Accounts", {"Name": marker})
    run.wait()
    states = run.tasks()
    assert {name for name, state in states.items() if state == "failed"} == FAILING, run.ends("wait")

    keys = [variable["key"] for variable in running.api("GET", "variables", params={"limit": 100})["variables"]]
    (tokens,) = (key for key in keys if key.startswith(TOKEN_KEY) and key.endswith(crowd.app[0]))
    paths = ("variables", "connections", "eventLogs", f"{run.path}/taskInstances", f"variables/{tokens}")
    texts += [json.dumps(running.api("GET", path, params={"limit": 100})) for path in paths]
    for conn_id in (CONN_ID, *FAILING_CONNECTIONS):
        connection = running.api("GET", f"connections/{conn_id}")
        texts.append(json.dumps(connection))
        texts.append(json.dumps(running.api("POST", "connections/test", json=writable(connection))))
    texts += [run.log(name) for name in states]
    texts.append(crowd.page())
    shown = "\n".join(texts)
    logs = running.airflow.log_folder

    # What is harmless is found in all of these places, so a secret would be.
    told = leaks.all_forms([marker])
    assert {"rendered_task_instance_fields.rendered_fields", "trigger.kwargs"} <= set(found_while_deferred)
    assert "xcom.value" in crowd.server.columns_with(told)
    files = leaks.files_with(logs, told)
    assert "scheduler.log" in files
    assert any("task_id=tell" in name for name in files)
    assert any(".trigger." in name for name in files)
    assert marker in shown
    assert "Daniel Emmers" in texts[-1]

    secrets = [*crowd.secrets(), *OUR_SECRETS]
    assert len(secrets) > 10
    wanted = leaks.all_forms(secrets)
    assert leaking_while_deferred == []
    assert crowd.server.columns_with(wanted) == []
    assert leaks.files_with(logs, wanted) == []
    assert crowd.look().since(before).refreshes >= 1
    assert [text[:200] for text in texts if any(secret in text for secret in wanted)] == []
