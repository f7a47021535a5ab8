"""The example Dags parse, and the docs quote them as they are. Running them is for ``tests/system``."""

import re
import textwrap
from pathlib import Path

import pytest

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    # Where Airflow 3.1 has it.
    from airflow.models.dagbag import DagBag

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "example_dags").glob("*.py"))
QUOTE = re.compile(r"<!-- (\S+\.py): (\w+) -->\n```python\n(.*?)\n```", re.DOTALL)


def load(path):
    bag = DagBag(dag_folder=str(path))
    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    return dag


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_is_one_dag_named_for_its_file(path):
    dag = load(path)
    assert dag.dag_id == path.stem
    assert {task.exact_online_conn_id for task in dag.tasks if hasattr(task, "exact_online_conn_id")} <= {
        "exact_online_default"
    }


def test_the_project_hours_example_goes_through_its_steps_in_order():
    dag = load(ROOT / "example_dags" / "example_project_hours.py")
    order = [task.task_id for task in dag.topological_sort()]
    steps = ["create_hours", "wait_for_hours", "list_hours", "update_hours", "get_hours", "delete_hours"]
    assert [task for task in order if task in steps] == steps
    assert dag.get_task("delete_hours").is_teardown


def test_the_dropdown_offers_endpoints_that_can_be_listed_without_more():
    dag = load(ROOT / "example_dags" / "example_project_hours.py")
    offered = dag.params.get_param("endpoint").schema["enum"]
    assert {"project/TimeTransactions", "project/Projects", "sync/CRM/Accounts"} <= set(offered)
    # Mandatory filter, function, not in Exact's reference.
    assert not {"crm/Accounts", "read/project/HoursByDate", "users/Users"} & set(offered)


def test_many_records_are_written_to_the_emulators_division_unless_another_is_named(connection, server):
    dag = load(ROOT / "example_dags" / "example_many_records.py")
    task = dag.get_task("create_accounts")
    task.render_template_fields({"params": dag.params.dump(), "run_id": "r"})
    assert len(task.execute({})) == 2


def quotes():
    for page in sorted((ROOT / "docs").glob("*.md")):
        for file, name, text in QUOTE.findall(page.read_text()):
            yield pytest.param(file, name, text, id=f"{page.stem}-{name}")


@pytest.mark.parametrize(("file", "name", "text"), list(quotes()))
def test_the_docs_quote_the_examples_as_they_are(file, name, text):
    source = (ROOT / "example_dags" / file).read_text()
    part = re.search(rf"^ *# \[START {name}\]\n(.*?)^ *# \[END {name}\]", source, re.DOTALL | re.MULTILINE)
    assert textwrap.dedent(part[1]).strip() == text


def test_each_marked_part_of_an_example_is_quoted_somewhere():
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    for path in EXAMPLES:
        for name in re.findall(r"# \[START (\w+)\]", path.read_text()):
            assert f"<!-- {path.name}: {name} -->" in pages
