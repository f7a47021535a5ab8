"""The operator that lists divisions, and tasks that are mapped over what it returns."""

import json
import os

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.operators.divisions import ExactOnlineListDivisionsOperator
from airflow_provider_exact.operators.records import ExactOnlineListOperator


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def test_the_divisions_come_with_name_and_country_and_without_a_division_in_the_connection(connection, monkeypatch):
    made = json.loads(os.environ["AIRFLOW_CONN_EXACT_ONLINE_DEFAULT"])
    del made["extra"]["division"]
    monkeypatch.setenv("AIRFLOW_CONN_EXACT_ONLINE_DEFAULT", json.dumps(made))
    divisions = run(ExactOnlineListDivisionsOperator(task_id="divisions"))
    assert [division["Code"] for division in divisions] == sorted(connection.divisions)
    assert set(divisions[0]) == {"Code", "Description", "Country"}


def test_they_are_chosen_by_templates(connection):
    choose = ExactOnlineListDivisionsOperator(
        task_id="divisions",
        source="{{ params.source }}",
        country="{{ params.country }}",
        name="{{ params.nothing }}",
        code="{{ params.nothing }}",
        select=["Code", "Currency"],
    )
    divisions = run(choose, params={"source": "hrm/Divisions", "country": "BE", "nothing": None})
    assert [division["Country"] for division in divisions] == ["BE"]
    assert connection.calls()[-1]["endpoint"] == "hrm/Divisions"


def test_a_name_with_a_comma_is_one_name_and_a_template_may_render_a_list(connection):
    def named(name, **params):
        with DAG("d", schedule=None, render_template_as_native_obj=True):
            choose = ExactOnlineListDivisionsOperator(task_id="divisions", name=name)
        return [division["Code"] for division in run(choose, params=params)]

    assert named("Techniek, B.V.") == []
    everything = [division["Code"] for division in run(ExactOnlineListDivisionsOperator(task_id="divisions"))]
    assert named("{{ params.names }}", names=["Techniek", "B.V."]) == named(["techniek", "b.v."]) != []
    assert set(named("Techniek")) < set(everything)


def test_a_division_that_is_not_granted_fails_the_task_by_its_number(connection):
    with pytest.raises(AirflowFailException, match="code: 424242 is not among"):
        run(ExactOnlineListDivisionsOperator(task_id="divisions", code=424242))


def test_another_source_is_refused_while_the_dag_is_parsed():
    with pytest.raises(ExactRequestError, match="source.*hrm/Divisions"):
        ExactOnlineListDivisionsOperator(task_id="divisions", source="crm/Accounts")


def test_other_tasks_are_mapped_over_the_divisions(connection):
    with DAG("d", schedule=None):
        divisions = ExactOnlineListDivisionsOperator(task_id="divisions")
        mapped = ExactOnlineListOperator.partial(task_id="list", endpoint="project/Projects", top=1).expand(
            division=divisions.output.map(lambda division: division["Code"])
        )
    for division in run(divisions):
        one = mapped.unmap({"division": division["Code"]})
        assert len(one.execute({})) == 1
        assert connection.calls()[-1]["path"].endswith(f"/{division['Code']}/project/Projects")
