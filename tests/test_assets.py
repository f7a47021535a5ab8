"""Assets of Exact Online as Airflow makes them: one spelling, and a clear error for what is none."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from airflow.sdk import Asset, AssetAlias
from packaging.version import Version

from airflow_provider_exact.assets import alias_of, convert_asset_to_openlineage, create_asset, parts_of

ACCOUNTS = "exactonline://start.exactonline.nl/3100001/crm/Accounts"
# Airflow 3.1 drops them before the provider sees the URI.
DROPS_USERS = Version(version("apache-airflow")) < Version("3.2")


@pytest.mark.parametrize(
    "written",
    [
        ACCOUNTS,
        "exactonline://START.ExactOnline.NL/3100001/CRM/accounts/",
        "EXACTONLINE://start.exactonline.nl:443/03100001/crm/Accounts",
        "exactonline://nl/3100001/crm/Accounts",
    ],
)
def test_each_spelling_of_a_uri_is_the_same_asset(written):
    assert Asset(name="accounts", uri=written).uri == ACCOUNTS


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("exactonline://start.exactonline.nl/3100001", "behind the host come"),
        ("exactonline://start.exactonline.nl/crm/Accounts", "behind the host come"),
        ("exactonline://start.exactonline.nl/0/crm/Accounts", "behind the host come"),
        ("exactonline:///3100001/crm/Accounts", "host comes first"),
        ("exactonline://start.exactonline.nl:x/3100001/crm/Accounts", "port is not a number"),
        ("exactonline://start.exactonline.nl/3100001/crm/Accounts?top=1", "a whole endpoint"),
        ("exactonline://start.exactonline.nl/3100001/crm/Acounts", "Did you mean crm/Accounts"),
        ("exactonline://start.exactonline.nl/3100001/Accounts", "lacks its service"),
    ],
)
def test_a_wrong_uri_is_refused_where_it_is_written(written, words):
    with pytest.raises(ValueError, match=words) as refused:
        Asset(written)
    assert str(refused.value).startswith("Asset URI 'exactonline:")


def test_a_user_in_a_uri_never_gets_into_an_asset():
    written = "exactonline://me@start.exactonline.nl/3100001/crm/Accounts"
    if DROPS_USERS:
        with pytest.warns(UserWarning, match="auth info"):
            assert Asset(name="accounts", uri=written).uri == ACCOUNTS
    else:
        with pytest.raises(ValueError, match="without a user") as refused:
            Asset(written)
        assert str(refused.value).startswith("Asset URI 'exactonline:")


@pytest.mark.parametrize("site", ["nl", "NL", "start.exactonline.nl", "https://start.exactonline.nl"])
def test_an_asset_is_made_of_its_parts(site):
    made = create_asset(region_or_host=site, division="3100001", endpoint="CRM/accounts", extra={"owner": "finance"})
    assert (made.uri, made.name, made.extra) == (ACCOUNTS, ACCOUNTS, {"owner": "finance"})
    assert made == Asset(name=ACCOUNTS, uri=ACCOUNTS, extra={"owner": "finance"})
    assert parts_of(made.uri) == ("start.exactonline.nl", 3100001, "crm/Accounts")


def test_an_emulator_and_beta_endpoints_have_assets_too():
    made = create_asset(region_or_host="http://127.0.0.1:8180", division=1, endpoint="sync/crm/accounts")
    assert made.uri == "exactonline://127.0.0.1:8180/1/sync/CRM/Accounts"
    assert parts_of(made.uri)[2] == "sync/CRM/Accounts"


def test_an_alias_is_of_an_endpoint_in_every_division():
    assert alias_of("CRM/accounts") == AssetAlias("exactonline:crm/Accounts")


# Airflow 3.3 points task code elsewhere; the OpenLineage provider still asks here.
@pytest.mark.filterwarnings("ignore:ProvidersManager:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:ProvidersManager.asset")
def test_airflow_finds_all_three_by_the_scheme():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert manager.asset_factories["exactonline"] is create_asset
    assert manager.asset_to_openlineage_converters["exactonline"] is convert_asset_to_openlineage
    assert "exactonline" in manager.asset_uri_handlers


@pytest.mark.system
@pytest.mark.smoke
def test_the_module_that_every_asset_needs_imports_nothing_but_the_standard_library():
    code = "import sys; old = set(sys.modules); import airflow_provider_exact.assets; print(set(sys.modules) - old)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "airflow." not in ran.stdout
    assert "msgspec" not in ran.stdout
