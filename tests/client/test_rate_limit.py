from __future__ import annotations

import pytest

from airflow_provider_exact.client.rate_limit import GRACE, RateLimits, Window, pause

# A sample of 2023-05-12 08:18:25 GMT, as an independent client reported it.
DATE = {"Date": "Fri, 12 May 2023 08:18:25 GMT"}
SAMPLE = {
    "X-RateLimit-Limit": "5000",
    "X-RateLimit-Remaining": "4738",
    "X-RateLimit-Reset": "1683936000000",
    "X-RateLimit-Minutely-Limit": "60",
    "X-RateLimit-Minutely-Remaining": "49",
    "X-RateLimit-Minutely-Reset": "1683879540000",
}


def test_resets_are_read_as_milliseconds():
    limits = RateLimits.of(SAMPLE)
    assert limits.minutely == Window(60, 49, 1_683_879_540.0)
    assert limits.daily == Window(5000, 4738, 1_683_936_000.0)


def test_header_names_compare_in_any_letter_case():
    assert RateLimits.of({name.upper(): value for name, value in SAMPLE.items()}) == RateLimits.of(SAMPLE)


@pytest.mark.parametrize("value", ["", "soon", "12.5"])
def test_what_is_missing_or_no_number_is_not_a_zero(value):
    limits = RateLimits.of({"X-RateLimit-Remaining": value, "X-RateLimit-Limit": "5000"})
    assert limits.daily == Window(5000, None, None)
    assert limits.minutely is None


def only(part):
    return DATE | {name: value for name, value in SAMPLE.items() if ("Minutely" in name) == (part == "minutely")}


def test_a_429_with_only_the_minutely_headers_is_about_the_minute():
    advice = pause(only("minutely"), now=0)
    assert (advice.seconds, advice.is_daily) == (35 + GRACE, False)


def test_a_429_with_only_the_daily_headers_is_about_the_day():
    advice = pause(only("daily"), now=0)
    assert (advice.seconds, advice.is_daily) == (1_683_936_000 - 1_683_879_505 + GRACE, True)


def test_a_429_without_headers_waits_for_the_next_minute():
    assert pause(DATE, now=0).seconds == 35 + GRACE


def test_a_429_without_even_a_date_counts_from_the_local_clock():
    assert pause({}, now=1_683_879_505.0).seconds == 35 + GRACE


def test_a_reset_far_off_or_long_past_is_not_believed():
    late = DATE | {"X-RateLimit-Minutely-Reset": "1999999999000"}
    early = DATE | {"X-RateLimit-Minutely-Reset": "1000000000000"}
    assert pause(late, now=0).seconds == 60 + GRACE
    assert pause(early, now=0).seconds == GRACE
