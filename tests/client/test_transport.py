"""What carries requests, against servers that misbehave."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from airflow_provider_exact.client.transport import NoResponse, Request, RequestsTransport


@contextmanager
def one_answer(answer):
    """Run a server that reads one request, sends bytes and closes; yield its port and what it got."""
    got = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                got.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], got
        thread.join(120)


def test_a_packed_body_in_pieces_is_put_together():
    packed = gzip.compress(b"x" * 50_000)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:30], packed[30:], b""))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    with one_answer(head + pieces) as (port, _):
        answer = RequestsTransport().send(Request("GET", f"http://127.0.0.1:{port}/"))
    assert answer.body == b"x" * 50_000


def test_half_a_body_is_no_answer():
    with one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as (port, _):
        answer = RequestsTransport((5, 5)).send(Request("GET", f"http://127.0.0.1:{port}/"))
    assert isinstance(answer, NoResponse)
    assert answer.sent


def test_a_server_that_speaks_no_tls_is_not_certain_to_have_done_nothing():
    with one_answer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        answer = RequestsTransport((5, 5)).send(Request("POST", f"https://127.0.0.1:{port}/", body=b"{}"))
    assert answer == NoResponse("SSLError", sent=True)


def test_a_certificate_that_is_not_trusted_ends_before_anything_is_sent():
    import requests
    from urllib3.exceptions import MaxRetryError, SSLError

    from airflow_provider_exact.client.transport import may_have_been_sent

    refused = MaxRetryError(None, "/", SSLError(ssl.SSLCertVerificationError("self-signed")))
    assert not may_have_been_sent(requests.exceptions.SSLError(refused))
    cut = MaxRetryError(None, "/", SSLError(ssl.SSLEOFError("EOF")))
    assert may_have_been_sent(requests.exceptions.SSLError(cut))


def test_nobody_listening_is_certain():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    answer = RequestsTransport((5, 5)).send(Request("POST", f"http://127.0.0.1:{port}/", body=b"{}"))
    assert answer == NoResponse("ConnectionError", sent=False)


def test_a_netrc_file_and_cookies_do_not_touch_our_header(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login intruder password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    transport = RequestsTransport((5, 5))
    with one_answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n") as (port, got):
        transport.send(Request("GET", f"http://127.0.0.1:{port}/").bearing("ours"))
    assert b"Authorization: Bearer ours" in got[0]
    assert len(transport.session.cookies) == 0


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/elsewhere", "/login"])
def test_a_redirect_is_an_answer_and_not_followed(location):
    answer = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with one_answer(answer.encode()) as (port, _):
        assert RequestsTransport((5, 5)).send(Request("GET", f"http://127.0.0.1:{port}/")).status == 302
