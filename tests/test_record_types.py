"""What is derived from the catalogue is current, and type checkers see wrong fields by it."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest

from airflow_provider_exact import record_types
from airflow_provider_exact.client.catalogue import load
from tools.build_reference import FILES, ROOT, TYPED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_derived_from_the_catalogue_is_current(path: Path):
    assert path.read_text(encoding="utf-8") == FILES[path](), "run python -m tools.build_reference"


def test_the_catalogue_page_has_a_row_for_each_endpoint():
    rows = re.findall(r"^\| `(\S+)` \|", (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(endpoint.path for endpoint in load().values())


@pytest.mark.parametrize(("path", "name"), TYPED.items())
def test_a_type_has_the_fields_that_can_be_written(path: str, name: str):
    fields = typing.get_type_hints(getattr(record_types, name))
    assert set(fields) == {prop.name for prop in load()[path.casefold()].properties if prop.access != "r"}


PROGRAM = """
from datetime import date
from airflow_provider_exact.record_types import SalesInvoiceData, TimeTransactionData

good: TimeTransactionData = {"Item": "{{ params.item }}", "Quantity": 1.5, "Date": date(2026, 1, 5), "Notes": None}
lines: SalesInvoiceData = {"OrderedBy": "x", "SalesInvoiceLines": [{"Item": "x", "Quantity": "{{ params.q }}"}]}
misspelt: TimeTransactionData = {"Item": "x", "Quantty": 1.5}
read_only: TimeTransactionData = {"ProjectCode": "x"}
wrong_type: TimeTransactionData = {"Notes": 5}
wrong_line: SalesInvoiceData = {"SalesInvoiceLines": [{"Itm": "x"}]}
"""


def test_a_type_checker_sees_wrong_fields(tmp_path: Path):
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    options = ["--strict", "--cache-dir", str(tmp_path / "cache"), "--config-file", str(tmp_path / "none.ini")]
    (tmp_path / "none.ini").write_text("[mypy]\n", encoding="utf-8")
    said, _, _ = api.run([*options, str(program)])
    lines = [int(number) for number in re.findall(r"program\.py:(\d+): error", said)]
    assert lines == [7, 8, 9, 10], said
    assert '"Quantty"' in said
