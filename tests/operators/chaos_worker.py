"""
Run by a test: runs tasks as processes, as a scheduler does, lets them die, and runs them again until they succeed.

A program of its own, so that it forks without threads; what all need is imported once. Each line on standard input is a
JSON object with ``environment``, ``tasks`` (by their id the ``data`` to create) and ``seed``; it is answered with what
each task returned, and how many processes ended how.
"""

import itertools
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

from airflow import settings
from airflow.providers.common.compat.sdk import AirflowFailException

import airflow_provider_exact.client.client  # noqa: F401 - imported once for all
from airflow_provider_exact import created
from airflow_provider_exact.connection import find_connection
from airflow_provider_exact.operators.records import ExactOnlineCreateOperator
from airflow_provider_exact.tokens import variables

HOURS = "project/TimeTransactions"
AT_ONCE = 4
MOST_TRIES = 60
# Of a hundred steps after the first try: so often the worker dies there.
DEATHS = 4
SUCCEEDED, FAILED, FAILED_FOR_GOOD = 0, 1, 2


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def doom(hook, chance, kill_at):
    """
    Have this process die at some step of a creation, or at any moment in between.

    :param kill_at: The step to die at; ``None``: perhaps at any.
    """
    numbers = itertools.count(1)

    def perhaps_die():
        if next(numbers) == kill_at or (kill_at is None and chance.randrange(100) < DEATHS):
            die()

    def perhaps(function, is_step=lambda *_: True):
        def doomed(*args):
            if is_step(*args):
                perhaps_die()
            result = function(*args)
            if is_step(*args):
                perhaps_die()
            return result

        return doomed

    client = hook.get_conn()
    slept = []

    def sleep(seconds):
        # What waits here would make the test wait; so it moves the clock that limits are told by instead.
        slept.append(seconds)
        time.sleep(min(seconds, 0.02))

    client._sleep = sleep
    client.account._clock = lambda: time.time() + sum(slept)
    # Clocks that are moved apart tell each other nothing of minutes.
    client.account._shared.limits, client.account._shared.tell_limits = dict, lambda _: None
    client.transport.inner.send = perhaps(client.transport.inner.send, lambda request: request.method == "POST")
    created.VariableMemory.write = perhaps(created.VariableMemory.write)
    if chance.randrange(8) == 0:
        signal.signal(signal.SIGALRM, lambda *_: die())
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.02, 0.4))


def attempt(task_id, data, seed, told, *, is_first):
    """Run a task as Airflow would, in this process; the first try of each dies at some step, or before it ends."""
    operator = ExactOnlineCreateOperator(task_id=task_id, endpoint=HOURS, data=data)
    chance = random.Random(seed)
    # Each record is noted before and after it is sent.
    steps = 6 * (len(data) if isinstance(data, list) else 1)
    doom(operator.hook, chance, 1 + chance.randrange(steps) if is_first else None)
    running = SimpleNamespace(dag_id="chaos", task_id=task_id, run_id="one", map_index=-1, xcom_push=lambda **_: None)
    try:
        result = operator.execute({"ti": running})
    except AirflowFailException as error:
        told.write_text(json.dumps(str(error)))
        return FAILED_FOR_GOOD
    except Exception as error:  # noqa: BLE001 - whatever it is, Airflow would try again
        told.write_text(json.dumps(f"{type(error).__name__}: {error}"))
        if is_first:
            die()
        return FAILED
    if is_first:
        die()
    told.write_text(json.dumps(result))
    return SUCCEEDED


def run_all(tasks, seed, folder):
    """Run all tasks, a few at once, each until it succeeds."""
    waiting = [(task_id, 1) for task_id in tasks]
    running, results, ends = {}, {}, Counter()
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            task_id, number = waiting.pop(0)
            told = folder / f"{task_id}.json"
            if (child := os.fork()) == 0:
                code = FAILED
                try:
                    code = attempt(task_id, tasks[task_id], f"{seed} {task_id} {number}", told, is_first=number == 1)
                finally:
                    os._exit(code)
            running[child] = (task_id, number)
        child, status = os.wait()
        task_id, number = running.pop(child)
        end = "killed" if os.WIFSIGNALED(status) else ("succeeded", "failed", "failed for good")[os.WEXITSTATUS(status)]
        ends[end] += 1
        told = folder / f"{task_id}.json"
        if end in ("succeeded", "failed for good"):
            results[task_id] = json.loads(told.read_text())
        elif number < MOST_TRIES:
            waiting.append((task_id, number + 1))
        else:
            results[task_id] = f"no end after {number} tries"
    return {"results": results, "ends": dict(ends)}


def main():
    logging.disable(logging.CRITICAL)
    find_connection("exact_online_default")
    variables.read("exact_online_token__any")
    # A connection to a database does not outlive a fork.
    settings.engine.dispose()
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            wanted = json.loads(line)
            os.environ.update(wanted["environment"])
            answer = run_all(wanted["tasks"], wanted["seed"], Path(folder))
            print(json.dumps({"answer": answer}), flush=True)


if __name__ == "__main__":
    main()
