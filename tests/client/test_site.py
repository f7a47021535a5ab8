from __future__ import annotations

import pytest

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.site import REGIONS, Site


def test_each_region_has_its_site():
    assert {code: Site.of(code).base_url for code in REGIONS} == {
        "nl": "https://start.exactonline.nl",
        "be": "https://start.exactonline.be",
        "de": "https://start.exactonline.de",
        "uk": "https://start.exactonline.co.uk",
        "us": "https://start.exactonline.com",
        "es": "https://start.exactonline.es",
        "fr": "https://start.exactonline.fr",
    }


@pytest.mark.parametrize(
    ("region", "server", "base"),
    [
        ("NL", None, "https://start.exactonline.nl"),
        (None, "https://start.exactonline.be/", "https://start.exactonline.be"),
        ("be", "start.exactonline.be", "https://start.exactonline.be"),
        ("nl", "http://127.0.0.1:8180", "http://127.0.0.1:8180"),
        ("nl", "https://gateway.example", "https://gateway.example"),
        ("", "http://localhost:8180", "http://localhost:8180"),
        (None, "http://[::1]:8180", "http://[::1]:8180"),
        ("nl", "HTTPS://Start.ExactOnline.NL:443", "https://start.exactonline.nl"),
        (None, "http://LocalHost:80/", "http://localhost"),
    ],
)
def test_a_server_address_overrides_the_region(region, server, base):
    assert Site.of(region, server).base_url == base


@pytest.mark.parametrize(
    ("region", "server", "words"),
    [
        (None, None, "region: none is given"),
        ("xx", None, "'xx' is not one of"),
        ("nl", "https://start.exactonline.be", "contradict.*'be'"),
        (None, "http://start.exactonline.nl", "unencrypted"),
        (None, "ftp://start.exactonline.nl", "not an address"),
        (None, "https://user:pw@start.exactonline.nl", "leave user name"),
        (None, "https://start.exactonline.nl?x=1", r"without.* Use https://start\.exactonline\.nl\.$"),
        (None, "https://start.exactonline.nl?", "without"),
        (None, "https://start.exactonline.nl/#top", "without"),
        (None, "start.exactonline.nl/docs/Login.aspx", r"without a path.* Use https://start\.exactonline\.nl\.$"),
        ("nl", "http://127.0.0.1:8180/api/v1/", r"Use http://127\.0\.0\.1:8180\.$"),
        (None, "https://start.exactonline.nl:port", "port is malformed"),
        (None, "http://127.0.0.1.evil.example", "unencrypted"),
    ],
)
def test_an_address_that_is_wrong_or_unsafe_is_refused(region, server, words):
    with pytest.raises(ExactRequestError, match=words):
        Site.of(region, server)


@pytest.mark.parametrize(
    "address",
    [
        "https://user:hidden@start.exactonline.nl",
        "user:hidden@start.exactonline.nl",
        "https://user:hidden@start.exactonline.nl:port",
        "https://hidden@start.exactonline.nl:99999999",
        "https://start.exactonline.nl:hidden",
        "https://[hidden",
    ],
)
def test_what_may_be_a_password_in_an_address_is_not_repeated(address):
    with pytest.raises(ExactRequestError, match="Server URL: ") as caught:
        Site.of(None, address)
    for error in (caught.value, caught.value.__cause__):
        assert "hidden" not in str(error)


def test_addresses_put_the_division_where_exact_wants_it():
    site = Site.of("nl")
    assert site.endpoint_url("project/TimeTransactions", 12) == f"{site.base_url}/api/v1/12/project/TimeTransactions"
    assert (
        site.endpoint_url("beta/payroll/PayrollComponents", 12)
        == f"{site.base_url}/api/v1/beta/12/payroll/PayrollComponents"
    )
    assert site.endpoint_url("current/Me", None) == f"{site.base_url}/api/v1/current/Me"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://start.exactonline.nl/api", True),
        ("https://START.exactonline.nl:443/api", True),
        ("http://start.exactonline.nl/api", False),
        ("https://start.exactonline.nl:444/api", False),
        ("https://start.exactonline.nl.evil.example/api", False),
        ("https://start.exactonline.nl@evil.example/api", False),
        # What sends the request takes the part before the backslash for the host.
        ("https://evil.example\\@start.exactonline.nl/api", False),
        ("https://evil.example@start.exactonline.nl/api", False),
        ("//start.exactonline.nl/api", False),
        ("/api", False),
        ("https://start.exactonline.nl:x/", False),
    ],
)
def test_only_the_same_scheme_host_and_port_are_its_own(url, own):
    assert Site.of("nl").owns(url) is own
