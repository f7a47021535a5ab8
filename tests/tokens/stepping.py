"""
Program of test_never_lost.py: fork processes in need of a token, and stop a process at a step of the refresh.

A separate program forks without threads, and imports Airflow once for all children. Each line on standard input is a
JSON object: ``child`` (a name) with ``environment`` and perhaps ``step`` forks a process, ``resume`` resumes a stopped
process. Each line on standard output is an event: ``{"child": …, "stopped": true}``, or a child's ``outcome``.
"""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import sys

from airflow import settings

import airflow_provider_exact.client.client  # noqa: F401 - imported once for all
from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.connection import find_connection
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.tokens import variables
from airflow_provider_exact.tokens.lease import Lease
from airflow_provider_exact.tokens.token_store import VariableTokenStore

POLL_SECONDS = 0.05


def stop_at(owner, name, *, after, when=lambda *args, **options: True):
    """Stop the process, once, before or after a call of a function."""
    function = getattr(owner, name)
    stops = [True]

    @functools.wraps(function)
    def stopping(*args, **options):
        is_time = bool(stops) and when(*args, **options)
        if is_time and not after:
            stops.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        result = function(*args, **options)
        if is_time and after and stops:
            stops.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        return result

    setattr(owner, name, stopping)


def is_token(key, *_args, **_options):
    return key.startswith("exact_online_token__")


STEPS = {
    "seen free": lambda: stop_at(Lease, "_write", after=False),
    "claimed": lambda: stop_at(Lease, "_write", after=True),
    "verified": lambda: stop_at(Lease, "_claim", after=True),
    "answered": lambda: stop_at(Grants, "_sent", after=True),
    "before store": lambda: stop_at(VariableTokenStore, "write", after=False),
    "storing": lambda: stop_at(variables, "write", after=False, when=is_token),
    "stored": lambda: stop_at(variables, "write", after=True, when=is_token),
    "before release": lambda: stop_at(Lease, "_release", after=False),
}


def ask():
    """Read the signed-in user; return the outcome and the statuses of token calls."""
    calls, sent = [], Grants._sent

    def counted(*args, **options):
        response = sent(*args, **options)
        calls.append(getattr(response, "status", 0))
        return response

    Grants._sent = counted
    try:
        user = ExactOnlineHook().get_me()["UserName"]
    except ExactError as error:
        return {"error": type(error).__name__, "text": str(error), "token_calls": calls}
    return {"user": user, "token_calls": calls}


def fork(child, environment, step, results):
    pid = os.fork()
    if pid:
        return pid
    os.environ.update(environment)
    settings.configure_vars()
    settings.configure_orm()
    if step:
        STEPS[step]()
    outcome = ask()
    os.write(results, (json.dumps({"child": child, "outcome": outcome}) + "\n").encode())
    os._exit(0)


def main():
    # Airflow logs to the standard output of all children: events have a separate pipe.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(event):
        print(json.dumps(event), file=events, flush=True)

    find_connection("exact_online_default")
    reading, writing = os.pipe()
    children = {}
    inputs = [sys.stdin.buffer.raw, reading]
    pending = dict.fromkeys(inputs, b"")
    while True:
        for ready in select.select(inputs, [], [], POLL_SECONDS)[0]:
            data = os.read(ready if isinstance(ready, int) else ready.fileno(), 65_536)
            if not data:
                return
            *lines, pending[ready] = (pending[ready] + data).split(b"\n")
            for line in lines:
                wanted = json.loads(line)
                if ready == reading:
                    tell(wanted)
                elif "resume" in wanted:
                    name = wanted["resume"]
                    try:
                        os.kill(children[name], signal.SIGCONT)
                    except ProcessLookupError:
                        tell({"child": name, "outcome": {"error": "ended while it was stopped", "token_calls": []}})
                else:
                    name = wanted["child"]
                    children[name] = fork(name, wanted["environment"], wanted.get("step"), writing)
        while children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                break
            if pid == 0:
                break
            name = next(name for name, known in children.items() if known == pid)
            if os.WIFSTOPPED(status):
                tell({"child": name, "stopped": True})
            elif os.WIFSIGNALED(status) or os.WEXITSTATUS(status):
                tell({"child": name, "outcome": {"error": f"ended with status {status}", "token_calls": []}})


if __name__ == "__main__":
    main()
