"""Nothing that a client sends makes the emulator fail: what is wrong is answered with a 4xx."""

import random
import socket
from urllib.parse import urlsplit

import pytest
import requests

PATH = "project/TimeTransactions"

VALUES = [
    None,
    "",
    "text",
    0,
    -1,
    1.5,
    10**400,
    2**63,
    True,
    [],
    [None],
    [{}],
    [[]],
    {},
    {"results": None},
    {"results": [1]},
    {"__deferred": {}},
    "\ud800",
    "/Date(99999999999999999999)/",
    "/Date(9999999999999999)/",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-13-45",
    "١٢٣",
]


@pytest.mark.parametrize("path", [PATH, "crm/Accounts", "salesorder/SalesOrders", "vat/VATCodes"])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_no_value_in_a_body_makes_it_fail(exact, path, value):
    item = exact.hours()["Item"] if path == PATH else None
    for name in (
        "Quantity",
        "Date",
        "Notes",
        "Item",
        "ID",
        "Code",
        "Name",
        "SalesOrderLines",
        "VATPercentages",
        "Logo",
    ):
        body = {"Item": item, "Quantity": 1, "Name": "x", "Code": "9", "Description": "x", name: value}
        for method in ("POST", "PUT"):
            target = path if method == "POST" else f"{path}(guid'00000000-0000-0000-0000-000000000000')"
            assert exact.call(method, target, body=body).status_code < 500


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b'{"Quantity": NaN}', b"{}" * 5])
def test_no_body_makes_it_fail(exact, body):
    headers = {
        "Authorization": f"Bearer {exact.tokens['access_token']}",
        "Content-Type": "application/json",
    }
    assert requests.post(exact.url(PATH), data=body, headers=headers, timeout=60).status_code == 400


def test_no_query_makes_it_fail(exact):
    words = (
        "Quantity", "Date", "Notes", "Project", "eq", "gt", "and", "or", "(", ")", ",", "'", "'x'", "''", "1", "-1",
        "1L", "1.5", "1e999", "9" * 30, "9" * 5000, "null", "true", "guid''", "guid'x'", "datetime''",
        "datetime'2026-01-01'", "datetime'9999-99-99'", "substringof(", "startswith(", "not", "/", "%", "$", "\x00",
    )  # fmt: skip
    pick = random.Random(7)
    for _ in range(400):
        text = " ".join(pick.choice(words) for _ in range(pick.randrange(1, 7)))
        option = pick.choice(("filter", "orderby", "select", "expand", "skiptoken", "top", "skip", "inlinecount"))
        answer = exact.get(PATH, **{option: text})
        assert answer.status_code in {200, 400}, (option, text, answer.text)


def test_no_address_makes_it_fail(exact):
    pick = random.Random(8)
    pieces = ("(", ")", "'", "guid'", "=", ",", "/", "$count", "ID", "Lines", "1", "%00", "%ff", "..", "é", "\\", "()")
    for _ in range(200):
        address = PATH + "".join(pick.choice(pieces) for _ in range(pick.randrange(1, 6)))
        assert exact.get(address).status_code in {200, 400, 404}, address


@pytest.mark.parametrize("path", ["/api/oauth2/token", "/api/oauth2/auth"])
@pytest.mark.parametrize("body", [b"", b"\xff", b"=&=&=", b"grant_type=refresh_token&refresh_token=%00", b"{}"])
def test_no_form_makes_the_sign_in_fail(emulator, path, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert requests.post(emulator.url + path, data=body, headers=headers, timeout=60).status_code == 400


def test_a_client_that_hangs_up_half_way_does_no_harm(exact):
    parts = urlsplit(exact.emulator.url)
    for sent in (b"POST /api/oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab", b"GET /", b"\x00\x01"):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall(sent)
    assert exact.get("current/Me").status_code == 200
