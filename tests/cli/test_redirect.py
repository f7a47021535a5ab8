"""The listener on loopback, with the connections that browsers make."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_exact.cli.redirect import Listener
from tools.demo.processes import LOOPBACK, free_port


def test_a_connection_that_the_browser_opens_ahead_keeps_nobody_waiting():
    port = free_port()
    listener = Listener(f"http://{LOOPBACK}:{port}/callback", "2")
    query = []
    waiting = threading.Thread(target=lambda: query.append(listener.wait()), daemon=True)
    waiting.start()
    with socket.create_connection((LOOPBACK, port)):
        page = requests.get(f"http://{LOOPBACK}:{port}/callback?code=1&state=2", timeout=120)
        waiting.join(120)
    assert "Back from Exact Online" in page.text
    assert query[0].values == {"code": "1", "state": "2"}


def test_a_redirect_uri_on_the_loopback_of_ipv6_is_listened_at():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            port = free.getsockname()[1]
    except OSError:
        pytest.skip("needs IPv6 on loopback")
    listener = Listener(f"http://[::1]:{port}/callback", "2")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.wait)
        assert requests.get(f"http://[::1]:{port}/callback?code=1&state=2", timeout=120).status_code == 200
        assert waiting.result(120).has_code


@pytest.mark.parametrize("stray", ["/callback", "/callback?code=1", "/callback?code=1&state=3", "/?code=1&state=2"])
def test_a_stray_request_does_not_end_the_wait(stray):
    port = free_port()
    listener = Listener(f"http://{LOOPBACK}:{port}/callback", "2")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.wait)
        page = requests.get(f"http://{LOOPBACK}:{port}{stray}", timeout=120)
        assert (page.status_code, "Nothing here" in page.text) == (404, True)
        assert not waiting.done()
        assert requests.get(f"http://{LOOPBACK}:{port}/callback?error=x&state=2", timeout=120).status_code == 200
        assert waiting.result(120).values == {"error": "x", "state": "2"}
