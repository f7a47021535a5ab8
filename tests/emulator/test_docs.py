"""The page about the emulator tells of everything that it has."""

import dataclasses
import re
from pathlib import Path

import pytest

from airflow_provider_exact.emulator.control import PREFIX, router
from airflow_provider_exact.emulator.faults import KINDS
from airflow_provider_exact.emulator.settings import Settings
from airflow_provider_exact.emulator.state import Emulator
from airflow_provider_exact.emulator.testing import EmulatorController

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()
FIRST_CELLS = "".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_in_the_docs(kind):
    assert f"`{kind}`" in FIRST_CELLS


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_every_setting_is_in_the_docs_with_its_default(field):
    row = next(line for line in PAGE.splitlines() if line.startswith("|") and f"`{field.name}`" in line)
    default = {True: "on", False: "off"}.get(field.default, field.default)
    if isinstance(field.default, int) and not isinstance(field.default, bool):
        default = int(field.default)
    assert str(default) in row.split("|")[2]


def test_every_control_path_is_in_the_docs():
    paths = {route.path for route in router(Emulator()).routes}
    assert len(paths) > 8
    for path in paths:
        assert path.startswith(PREFIX)
        assert path in PAGE


def test_everything_a_controller_offers_is_in_the_docs():
    offered = {name for name in vars(EmulatorController) if not name.startswith("_")} - {"close"}
    for name in offered:
        assert re.search(rf"`{name}[`(]", FIRST_CELLS), name
