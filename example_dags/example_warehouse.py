"""
Keep four tables in step with Exact Online, for every division: accounts, items, projects, and hours and costs.

Runs unattended with the connections ``exact_online_default``, also against the emulator, and ``warehouse``, a
PostgreSQL database. The first run reads everything, each one after it what has changed.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param, task

from airflow_provider_exact.operators.divisions import ExactOnlineListDivisionsOperator
from airflow_provider_exact.transfers.to_sql import ExactOnlineToSqlOperator

# What stands behind each hour and each cost; the division belongs to every key.
VIEW = """
    CREATE OR REPLACE VIEW {schema}.project_hours AS
    SELECT
        hours."_division" AS division,
        hours."Date"::date AS day,
        accounts."Name" AS customer,
        projects."Code" AS project,
        projects."Description" AS project_description,
        items."Code" AS item,
        hours."Quantity" AS quantity,
        hours."Quantity" * hours."PriceFC" AS amount,
        hours."Notes" AS notes
    FROM {schema}.time_cost_transactions AS hours
    LEFT JOIN {schema}.projects AS projects
        ON projects."_division" = hours."_division" AND projects."ID" = hours."Project"
    LEFT JOIN {schema}.accounts AS accounts
        ON accounts."_division" = hours."_division" AND accounts."ID" = hours."Account"
    LEFT JOIN {schema}.items AS items
        ON items."_division" = hours."_division" AND items."ID" = hours."Item"
"""


with DAG(
    "example_warehouse",
    description="Keep four tables in step with Exact Online, for every division",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["exact online", "example"],
    params={"schema": Param("exact", type="string", description="The schema of the tables; it is made")},
) as dag:

    @task
    def run_sql(*statements: str, params: dict[str, str]) -> None:
        """Run statements in the warehouse, in one transaction; its connection may be of any type."""
        from airflow_provider_exact.transfers.databases import engine_of

        engine = engine_of("warehouse")
        schema = engine.dialect.identifier_preparer.quote_identifier(params["schema"])
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.format(schema=schema))
        engine.dispose()

    make_schema = run_sql.override(task_id="make_schema")("CREATE SCHEMA IF NOT EXISTS {schema}")
    make_view = run_sql.override(task_id="make_view")(VIEW)
    divisions = ExactOnlineListDivisionsOperator(task_id="list_divisions")

    # [START warehouse]
    for endpoint, table in {
        "crm/Accounts": "accounts",
        "logistics/Items": "items",
        "project/Projects": "projects",
        "sync/Project/TimeCostTransactions": "time_cost_transactions",
    }.items():
        load = ExactOnlineToSqlOperator.partial(
            task_id=f"load_{table}",
            endpoint=endpoint,
            sql_conn_id="warehouse",
            table="{{ params.schema }}." + table,
            retries=2,
            map_index_template="{{ task.division }}",
        ).expand(division=divisions.output.map(lambda division: division["Code"]))
        make_schema >> load >> make_view
    # [END warehouse]
