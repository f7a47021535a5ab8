from datetime import datetime

import pytest

from airflow_provider_exact.client.catalogue import load
from airflow_provider_exact.emulator.errors import Refusal
from airflow_provider_exact.emulator.filters import compile_filter

HOURS = load()["project/timetransactions"]
ACCOUNTS = load()["crm/accounts"]
SYNC = load()["sync/project/timecosttransactions"]
PROJECT = "11111111-2222-3333-4444-555555555555"
RECORD = {
    "ID": "0b0b0b0b-0000-0000-0000-000000000001",
    "Project": PROJECT,
    "Quantity": 2.5,
    "HourStatus": 10,
    "Date": datetime(2026, 3, 2),
    "Notes": "Bij de buren's poort",
    "SkipValidation": True,
    "Account": None,
}


@pytest.mark.parametrize(
    "text",
    [
        f"Project eq guid'{PROJECT}'",
        f"Project eq guid'{PROJECT.upper()}'",
        "Quantity gt 2",
        "Quantity le 2.5",
        "HourStatus ne 1",
        "Date eq datetime'2026-03-02'",
        "Date lt datetime'2026-03-02T00:00:01'",
        "SkipValidation eq true",
        "SkipValidation eq 1",
        "Notes eq 'Bij de buren''s poort'",
        "substringof('buren', Notes)",
        "substringof('buren',Notes) eq true",
        "startswith(Notes,'Bij')",
        "endswith(Notes,'poort') and Quantity ge 2.5",
        "Quantity gt 100 or (HourStatus eq 10 and Quantity lt 3)",
        "substringof('tuin', Notes) eq false",
    ],
)
def test_a_filter_that_fits_the_record_lets_it_through(text):
    assert compile_filter(text, HOURS).test(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "Quantity gt 2.5",
        "Account ne guid'11111111-2222-3333-4444-555555555555'",
        "HourStatus eq 1 or Quantity lt 1",
        "(HourStatus eq 10 or HourStatus eq 2) and Quantity eq 1",
        "startswith(Notes,'poort')",
        "Notes eq 'Bij de buren'",
    ],
)
def test_a_filter_that_does_not_fit_keeps_the_record_out(text):
    assert not compile_filter(text, HOURS).test(RECORD)


def test_and_binds_more_tightly_than_or():
    test = compile_filter("Quantity eq 2.5 or HourStatus eq 1 and HourStatus eq 2", HOURS).test
    assert test(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "contains(Notes,'x')",
        "HourStatus in (1,2)",
        "Account eq null",
        "not (HourStatus eq 1)",
        "HourStatus eq 1 and",
        "HourStatus",
        "HourStatus eq",
        "eq 1",
        "(HourStatus eq 1",
        "HourStatus eq 1)",
        "HourStatus = 1",
        "HourStatus eq 1 xor Quantity eq 2",
        "tolower(Notes) eq 'x'",
        "Notes eq 'unclosed",
        "1 eq HourStatus",
        "Quantity eq Price",
        "substringof(Notes,'x')",
        "(" * 5000 + "HourStatus eq 1" + ")" * 5000,
    ],
)
def test_what_exact_does_not_know_is_a_400(text):
    with pytest.raises(Refusal) as refused:
        compile_filter(text, HOURS)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        f"Project eq '{PROJECT}'",
        "Project eq guid'123'",
        "HourStatus eq '1'",
        "HourStatus eq 1.5",
        "HourStatus eq 1L",
        "HourStatus eq 40000",
        "Date eq '2026-03-02'",
        "Date eq datetime'yesterday'",
        "Date eq datetime'2026-03-02T00:00:00Z'",
        "Date eq datetimeoffset'2026-03-02'",
        "Notes eq 5",
        "SkipValidation eq 'true'",
        "SkipValidation eq 2",
        "Quantity eq true",
    ],
)
def test_a_literal_of_another_type_is_a_400(text):
    with pytest.raises(Refusal) as refused:
        compile_filter(text, HOURS)
    assert refused.value.status == 400


@pytest.mark.parametrize("name", ["Colour", "quantity", "notes"])
def test_a_field_of_another_name_or_letter_case_is_named_in_the_400(name):
    with pytest.raises(Refusal, match=f"No property '{name}'"):
        compile_filter(f"{name} eq 'x'", HOURS)


def test_row_versions_may_be_written_with_and_without_their_suffix():
    for text in ("Timestamp gt 7300000000L", "Timestamp gt 7300000000", "Timestamp gt 1"):
        assert compile_filter(text, SYNC).test({"Timestamp": 7_400_000_000})


def test_an_unpadded_account_code_finds_nothing_and_says_nothing():
    record = {"Code": "1068".rjust(18)}
    assert not compile_filter("Code eq '1068'", ACCOUNTS).test(record)
    assert compile_filter("Code eq '              1068'", ACCOUNTS).test(record)


def test_an_empty_filter_is_not_supported():
    with pytest.raises(Refusal, match=r"This \$filter parameter is not supported for this resource"):
        compile_filter(" ", HOURS)
