from __future__ import annotations

import json

import pytest

from airflow_provider_exact.client.catalogue import resolve
from airflow_provider_exact.client.errors import ExactResponseError
from airflow_provider_exact.client.pagination import Page, Pages, read_one, read_page
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import Request, Response

HOURS = resolve("project/TimeTransactions")
FIRST = Request("GET", "https://start.exactonline.nl/api/v1/1/project/TimeTransactions")


def page(content):
    body = b"" if content is None else json.dumps(content).encode()
    return read_page(Response(200, body=body), FIRST, HOURS)


@pytest.mark.parametrize(
    ("content", "records", "next_url"),
    [
        ({"d": {"results": [{"ID": "a"}], "__next": "https://n"}}, [{"ID": "a"}], "https://n"),
        ({"d": {"results": []}}, [], None),
        ({"d": {"results": [], "__next": ""}}, [], None),
        ({"d": [{"ID": "a"}, {"ID": "b"}]}, [{"ID": "a"}, {"ID": "b"}], None),
        ({"d": {"ID": "a"}}, [{"ID": "a"}], None),
        (None, [], None),
    ],
)
def test_every_shape_of_an_answer_is_read(content, records, next_url):
    assert page(content) == Page(records, next_url)


@pytest.mark.parametrize("content", [{}, {"d": None}, {"d": "x"}, [1], {"d": [1]}, {"error": {}}])
def test_any_other_shape_is_reported(content):
    with pytest.raises(ExactResponseError):
        page(content)


def test_several_records_are_not_one():
    with pytest.raises(ExactResponseError, match="2 records"):
        read_one(Response(200, body=b'{"d":[{},{}]}'), FIRST, HOURS)


def test_the_link_is_followed_as_it_is():
    link = f"{FIRST.url}?$skiptoken=guid'1'"
    assert Pages(Site.of("nl")).next_request(Page([], link), FIRST).url == link


@pytest.mark.parametrize(
    "link", ["https://evil.example/next", "http://start.exactonline.nl/next", "//evil.example", "/relative"]
)
def test_a_link_to_another_host_is_not_followed(link):
    with pytest.raises(ExactResponseError, match="another host"):
        Pages(Site.of("nl")).next_request(Page([], link), FIRST)


def test_a_link_in_a_circle_is_not_followed():
    pages = Pages(Site.of("nl"))
    second = pages.next_request(Page([], f"{FIRST.url}?2"), FIRST)
    with pytest.raises(ExactResponseError, match="never end"):
        pages.next_request(Page([], FIRST.url), second)
    with pytest.raises(ExactResponseError, match="never end"):
        pages.next_request(Page([], second.url), second)
