"""The metadata that Airflow reads: both schemas, the providers manager, and the form on Airflow 3.1."""

import ast
import copy
import importlib
import json
import subprocess
import sys
from pathlib import Path

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_exact import connection_form, provider_info

AIRFLOW = Path(airflow.__file__).parent
INFO = provider_info.get_provider_info()
CONNECTION = INFO["connection-types"][0]


def runtime_schema():
    return json.loads((AIRFLOW / "provider_info.schema.json").read_text())


def yaml_schema():
    path = AIRFLOW / "provider.yaml.schema.json"
    if not path.exists():
        pytest.skip("this Airflow does not install the schema of provider.yaml")
    return json.loads(path.read_text())


def test_airflow_accepts_the_metadata_when_it_runs():
    jsonschema.validate(INFO, runtime_schema())


def test_the_schema_of_provider_yaml_accepts_the_connection_type_with_its_form():
    schema = yaml_schema()
    items = schema["properties"]["connection-types"]["items"]
    if "conn-fields" not in items["properties"]:
        pytest.skip("this Airflow's schema is older than conn-fields")
    jsonschema.validate(CONNECTION, items)
    broken = copy.deepcopy(CONNECTION)
    del broken["conn-fields"]["region"]["label"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, items)


def test_the_module_that_every_airflow_process_imports_imports_nothing():
    tree = ast.parse(Path(provider_info.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["from __future__ import annotations"]


def test_the_form_shows_each_region_with_its_country_and_host():
    shown = CONNECTION["conn-fields"]["region"]["schema"]
    assert shown["enum"] == ["nl", "be", "de", "uk", "us", "es", "fr"]
    assert shown["values_display"]["nl"] == "Netherlands (start.exactonline.nl)"
    assert shown["values_display"]["uk"] == "United Kingdom (start.exactonline.co.uk)"


def test_the_hosts_in_the_form_are_those_the_client_calls():
    from airflow_provider_exact.client.site import Site

    shown = CONNECTION["conn-fields"]["region"]["schema"]["values_display"]
    for region, label in shown.items():
        host = Site.of(region, None).base_url.removeprefix("https://")
        assert label.endswith(f"({host})")


def test_no_field_of_the_form_is_required_and_tokens_are_hidden_from_view():
    for name, field in CONNECTION["conn-fields"].items():
        assert "null" in field["schema"]["type"], name
        assert field["description"], name
        secret = name in ("refresh_token", "access_token")
        assert (field["schema"].get("format") == "password") is secret, name
    advanced = {name for name, field in CONNECTION["conn-fields"].items() if "section" in field["schema"]}
    assert advanced == {"refresh_token", "access_token", "token_variable"}


def test_every_module_and_class_that_the_metadata_names_is_there():
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in INFO[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    for entry in INFO["transfers"]:
        importlib.import_module(entry["python-module"])
    [assets] = INFO["asset-uris"]
    for name in ("handler", "factory", "to_openlineage_converter"):
        module, _, function = assets[name].rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
    for dotted in [CONNECTION["hook-class-name"], *INFO["extra-links"]]:
        module, _, name = dotted.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type)


# Airflow 3.3 points task code elsewhere; the API server, which shows the form, still asks here.
@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
def test_the_providers_manager_finds_the_provider_its_hook_and_its_link():
    manager = ProvidersManager()
    assert manager.providers["airflow-provider-exact"].data["name"] == "Exact Online"
    hook = manager.hooks["exact_online"]
    assert hook.hook_name == "Exact Online"
    assert hook.connection_id_attribute_name == "exact_online_conn_id"
    assert "airflow_provider_exact.links.ExactOnlineReferenceLink" in manager.extra_links_class_names


def test_the_settings_have_their_documented_defaults(monkeypatch):
    from airflow_provider_exact.client.errors import ExactRequestError
    from airflow_provider_exact.connection import seconds

    assert [seconds(name) for name in ("connect_timeout", "read_timeout", "token_timeout")] == [10, 60, 120]
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__READ_TIMEOUT", "7.5")
    assert seconds("read_timeout") == 7.5
    monkeypatch.setenv("AIRFLOW__EXACT_ONLINE__READ_TIMEOUT", "0")
    with pytest.raises(ExactRequestError, match="read_timeout"):
        seconds("read_timeout")


@pytest.mark.system
@pytest.mark.smoke
def test_airflow_shows_the_form_with_labels_and_a_dropdown():
    # In an interpreter of its own: Airflow 3.1 replaces the modules of wtforms with mocks of its own to read it.
    script = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
form = next(meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "exact_online")
print("FORM" + form.model_dump_json())
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    form = json.loads(done.stdout.partition("FORM")[2].splitlines()[0])
    assert form["hook_name"] == "Exact Online"
    labels = {name: form["standard_fields"][name]["title"] for name in ("login", "password", "host")}
    assert labels == {"login": "Client ID", "password": "Client secret", "host": "Server URL"}
    assert form["standard_fields"]["url_schema"]["hidden"]
    assert not form["standard_fields"]["port"]["hidden"]
    assert list(form["extra_fields"]) == list(CONNECTION["conn-fields"])
    for name, field in CONNECTION["conn-fields"].items():
        shown = form["extra_fields"][name]["schema"]
        assert set(shown["type"]) == set(field["schema"]["type"])
        assert shown.get("enum") == field["schema"].get("enum")
        assert shown.get("format") == field["schema"].get("format")


def test_the_labels_for_airflow_3_1_are_those_of_the_metadata():
    behaviour = connection_form.ui_field_behaviour()
    assert behaviour["relabeling"] == CONNECTION["ui-field-behaviour"]["relabeling"]
    assert behaviour["hidden_fields"] == CONNECTION["ui-field-behaviour"]["hidden-fields"]
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}
