"""
Run by tests: fork processes that ask Exact Online who is signed in, as tasks do.

A program of its own, so that it forks without threads; what all need is imported once. Each line on standard input is a
JSON object: ``environment``, and either ``number`` (so many ask at the same moment; answered with what each got) or
``die_at`` (one asks and dies at that step; answered with the signal that ended it).
"""

import json
import os
import signal
import sys

from airflow import settings

import airflow_provider_exact.client.client  # noqa: F401 - imported once for all
from airflow_provider_exact.client.auth import oauth2
from airflow_provider_exact.client.errors import ExactError
from airflow_provider_exact.connection import find_connection
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.tokens import lease, token_store, variables


def ask():
    """Ask who is signed in, and tell which token served."""
    hook = ExactOnlineHook()
    try:
        hook.get_me()
        return {"token": hook.get_conn().tokens.get().access}
    except ExactError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def ask_in_many(number):
    """Fork, let all begin at the same moment, and return their answers."""
    start, go = os.pipe()
    answers, answer = os.pipe()
    children = []
    for _ in range(number):
        if (child := os.fork()) == 0:
            os.close(go)
            # Ends for all at once, when the parent closes its side.
            os.read(start, 1)
            os.write(answer, (json.dumps(ask()) + "\n").encode())
            os._exit(0)
        children.append(child)
    for end in (go, answer, start):
        os.close(end)
    with os.fdopen(answers) as lines:
        told = [json.loads(line) for line in lines]
    for child in children:
        os.waitpid(child, 0)
    return told


def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(function):
    return lambda *args, **kwargs: (function(*args, **kwargs), die())


def doom(step):
    """Have this process kill itself when its work comes to a step."""
    match step:
        case "before the claim":
            lease.Lease._write = die
        case "after the claim":
            lease.Lease._write = die_after(lease.Lease._write)
        case "before the request":
            oauth2.Grants.refresh = die
        case "after the request was sent":
            # The transport has the answer; nobody looks at it.
            oauth2.Grants._sent = die_after(oauth2.Grants._sent)
        case "after the answer":
            oauth2.Grants.refresh = die_after(oauth2.Grants.refresh)
        case "before the store":
            token_store.VariableTokenStore.write = die
        case "before the release":
            lease.Lease._release = die
        case _:
            raise ValueError(step)


def die_at(step):
    """Return the signal that ended a process at a step of its work, 0 if it came to its end."""
    if (child := os.fork()) == 0:
        doom(step)
        ask()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main():
    find_connection("exact_online_default")
    variables.read("exact_online_token__any")
    # A connection to a database does not outlive a fork.
    settings.engine.dispose()
    for line in sys.stdin:
        wanted = json.loads(line)
        os.environ.update(wanted["environment"])
        answer = ask_in_many(wanted["number"]) if "number" in wanted else die_at(wanted["die_at"])
        print(json.dumps({"answer": answer}), flush=True)


if __name__ == "__main__":
    main()
