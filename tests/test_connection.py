"""What the fields of a connection mean together."""

from __future__ import annotations

import pytest
from airflow.sdk import Connection

from airflow_provider_exact.connection import ConnectionSettings


@pytest.mark.parametrize(
    ("host", "port", "server_url"),
    [
        (None, None, None),
        ("http://127.0.0.1:8180", None, "http://127.0.0.1:8180"),
        ("http://127.0.0.1", 8180, "http://127.0.0.1:8180"),
        ("http://127.0.0.1:8180", 8180, "http://127.0.0.1:8180"),
        ("http://127.0.0.1:8180/", 443, "http://127.0.0.1:8180/"),
        ("https://start.exactonline.nl", 443, "https://start.exactonline.nl:443"),
        ("https://start.exactonline.nl/", 443, "https://start.exactonline.nl:443"),
        ("https://start.exactonline.nl", 0, "https://start.exactonline.nl"),
    ],
)
def test_a_port_is_added_to_a_server_url_that_names_none(host: str | None, port: int | None, server_url: str | None):
    connection = Connection(conn_id="exact", conn_type="exact_online", host=host, port=port)
    assert ConnectionSettings.of(connection).server_url == server_url


def test_a_port_without_a_server_url_leaves_the_region_alone():
    """Airflow 3.3.2 tests no connection in its web UI that has no port, so people fill one in."""
    connection = Connection(conn_id="exact", conn_type="exact_online", port=443, extra='{"region": "nl"}')
    assert ConnectionSettings.of(connection).site.base_url == "https://start.exactonline.nl"
