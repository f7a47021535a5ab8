from __future__ import annotations

import pytest

from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.divisions import DIVISION_LISTS, check_division_list, chosen
from airflow_provider_exact.client.errors import ExactRequestError

ROWS = [
    {"Code": 3, "Description": "Zuiderlicht Shop", "Country": "BE"},
    {"Code": 1, "Description": "Noorderlicht Techniek", "Country": "NL"},
    {"Code": 2, "Description": "Holding", "Country": None},
]


@pytest.mark.parametrize(
    ("choice", "codes"),
    [
        ({}, [1, 2, 3]),
        ({"country": "nl"}, [1]),
        ({"country": ["NL", "BE"]}, [1, 3]),
        ({"country": "NL, BE"}, [1, 3]),
        ({"name": "LICHT"}, [1, 3]),
        ({"name": ["shop", "hold"]}, [2, 3]),
        ({"name": "shop, hold"}, []),
        ({"name": ""}, [1, 2, 3]),
        ({"code": 3}, [3]),
        ({"code": ["3", 1]}, [1, 3]),
        ({"code": "3,1", "country": "BE"}, [3]),
        ({"country": "FR"}, []),
    ],
)
def test_divisions_are_chosen_by_country_name_and_code(choice, codes):
    assert [row["Code"] for row in chosen(ROWS, **choice)] == codes


@pytest.mark.parametrize(
    ("choice", "words"), [({"code": [1, 7]}, "code: 7 is not among the 3"), ({"code": "x"}, "code")]
)
def test_a_division_that_is_not_there_is_named(choice, words):
    with pytest.raises(ExactRequestError, match=words):
        chosen(ROWS, **choice)


def test_another_endpoint_is_not_a_list_of_divisions():
    assert check_division_list("HRM/divisions/") == "hrm/Divisions"
    with pytest.raises(ExactRequestError, match="source.*system/AllDivisions"):
        check_division_list("crm/Accounts")


@pytest.mark.parametrize("source", DIVISION_LISTS)
def test_each_list_gives_what_was_granted_without_a_division_of_ones_own(exact, source):
    granted = list(exact.emulator.divisions[:2])
    token = exact.emulator.sign_in(divisions=granted)["access_token"]
    client = ExactClient(exact.site, FixedTokenProvider(token))
    assert [row["Code"] for row in client.list_divisions(source)] == sorted(granted)
    assert set(client.list_divisions()[0]) == {"Code", "Description"}
    assert len(client.list_divisions(source, select=None)[0]) > 20
    # The next sign-in ends this one.
    [belgian] = exact.client().list_divisions(source, country="BE", select="Code, Currency")
    assert set(belgian) == {"Code", "Currency", "Country"}
