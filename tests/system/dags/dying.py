"""Creations whose process dies by SIGKILL in the middle of its first try; run by tests/system."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param

from airflow_provider_exact.operators.records import ExactOnlineCreateOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_exact.client.transport import NoResponse, Request, Response


class DyingCreateOperator(ExactOnlineCreateOperator):
    """Dies in its first try when Exact has done a creation and nobody has seen the answer yet."""

    def __init__(self, *, die_at: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.die_at = die_at

    def execute(self, context: Context) -> Any:
        transport = self.hook.get_conn().transport.inner
        send, sent = transport.send, []

        def dying(request: Request) -> Response | NoResponse:
            answer = send(request)
            sent.extend([request] * (request.method == "POST"))
            if len(sent) >= self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        if context["ti"].try_number == 1:
            transport.send = dying
        return super().execute(context)


with DAG(
    "dying",
    schedule=None,
    params={"name": Param("Dying", type="string")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
):
    DyingCreateOperator(task_id="one", endpoint="crm/Accounts", data={"Name": "{{ params.name }} one"}, die_at=1)
    DyingCreateOperator(
        task_id="many",
        endpoint="crm/Accounts",
        data=[{"Name": f"{{{{ params.name }}}} {number}"} for number in range(6)],
        die_at=4,
    )
