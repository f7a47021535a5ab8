"""The listener on loopback, with the connections that browsers make."""

from __future__ import annotations

import socket
import threading

import requests

from airflow_provider_exact.cli.redirect import Listener
from tools.demo.processes import LOOPBACK, free_port


def test_a_connection_that_the_browser_opens_ahead_keeps_nobody_waiting():
    port = free_port()
    listener = Listener(f"http://{LOOPBACK}:{port}/callback")
    query = []
    waiting = threading.Thread(target=lambda: query.append(listener.wait()), daemon=True)
    waiting.start()
    with socket.create_connection((LOOPBACK, port)):
        page = requests.get(f"http://{LOOPBACK}:{port}/callback?code=1&state=2", timeout=120)
        waiting.join(120)
    assert "Back from Exact Online" in page.text
    assert query[0].values == {"code": "1", "state": "2"}
