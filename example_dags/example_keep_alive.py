"""Keep sign-ins alive that no other Dag uses for weeks."""

from __future__ import annotations

# [START keep_alive]
from airflow_provider_exact.keep_alive import keep_alive_dag

dag = keep_alive_dag("exact_online_default", dag_id="example_keep_alive")
# [END keep_alive]
