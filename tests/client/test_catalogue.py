from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from airflow_provider_exact.client.catalogue import load, resolve
from airflow_provider_exact.client.errors import ExactRequestError


def test_every_endpoint_can_be_called():
    endpoints = load().values()
    assert len(endpoints) == 460
    assert all(endpoint.methods and endpoint.service for endpoint in endpoints)


@pytest.mark.parametrize(
    "path", ["PROJECT/timetransactions", "/project/TimeTransactions/", " project/TimeTransactions"]
)
def test_an_endpoint_is_found_in_any_letter_case(path):
    assert resolve(path).path == "project/TimeTransactions"


def test_the_facts_of_project_hours_are_there():
    hours = resolve("project/TimeTransactions")
    assert hours.methods == ("GET", "POST", "PUT", "DELETE")
    assert (hours.key[0].name, hours.key[0].type, hours.page_size) == ("ID", "Guid", 60)
    assert [prop.name for prop in hours.properties if prop.mandatory] == ["Item", "Quantity"]
    assert hours.property("notes").is_writable("PUT")
    assert not hours.property("Created").is_writable("POST")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("project/TimeTransaction", "Did you mean project/TimeTransactions"),
        ("projects/TimeTransactions", "Did you mean project/TimeTransactions"),
        ("TimeTransactions", "service.*project/TimeTransactions"),
        ("project/TimeTransactions(guid'1')", "without a key"),
        ("project/TimeTransactions?$top=1", "without a key or query"),
        ("", "endpoint"),
        (None, "endpoint"),
    ],
)
def test_a_slip_is_refused_with_a_hint(path, words):
    with pytest.raises(ExactRequestError, match=words):
        resolve(path)


def test_an_endpoint_that_exact_may_have_added_is_let_through_with_a_log_line(caplog):
    with caplog.at_level(logging.WARNING):
        endpoint = resolve("crm/AccountsV2")
    assert (endpoint.path, endpoint.is_known) == ("crm/AccountsV2", False)
    assert "crm/AccountsV2" in caplog.text


@pytest.mark.system
def test_the_client_imports_nothing_of_airflow():
    program = (
        "import sys, airflow_provider_exact.client.client, airflow_provider_exact.client.validation;"
        "print([name for name in sys.modules if name.partition('.')[0] == 'airflow'])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
