"""A listener that writes down what each task of ``make demo`` did, a line of JSON as soon as it did it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

EVENTS = "DEMO_EVENTS"


def write(state: str, task: Any, **more: object) -> None:
    event = {"task_id": task.task_id, "map_index": task.map_index, "state": state, **more}
    with Path(os.environ[EVENTS]).open("a", encoding="utf-8") as events:
        events.write(json.dumps(event, default=str) + "\n")


class Listener:
    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        write(
            "success",
            task_instance,
            value=task_instance.xcom_pull(task_ids=task_instance.task_id, map_indexes=task_instance.map_index),
        )

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: object) -> None:
        write("failed", task_instance, error=str(error))

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        write("skipped", task_instance)


class ReportProgress(AirflowPlugin):
    name = "report_progress"
    # Without a place to write to there is nothing to report, as in `make ui`.
    listeners = [Listener()] if EVENTS in os.environ else []
