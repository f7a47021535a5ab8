from email.utils import parsedate_to_datetime

import pytest

FAMILY = {"Limit", "Remaining", "Reset"}


def families(answer):
    names = {name.lower() for name in answer.headers}
    daily = all(f"x-ratelimit-{part}".lower() in names for part in FAMILY)
    minutely = all(f"x-ratelimit-minutely-{part}".lower() in names for part in FAMILY)
    return daily, minutely


def projects(exact):
    return exact.get("project/Projects", top="1", select="ID")


def test_every_answer_has_six_headers_with_resets_in_milliseconds(sign_in, emulator):
    emulator.hold()
    exact = sign_in()
    answer = projects(exact)
    now = emulator.now()
    assert families(answer) == (True, True)
    assert answer.headers["X-RateLimit-Limit"] == "5000"
    assert answer.headers["X-RateLimit-Remaining"] == "4999"
    assert answer.headers["X-RateLimit-Minutely-Limit"] == "60"
    assert answer.headers["X-RateLimit-Minutely-Remaining"] == "59"
    minute = int(answer.headers["X-RateLimit-Minutely-Reset"])
    day = int(answer.headers["X-RateLimit-Reset"])
    assert minute % 60_000 == 0
    assert now * 1000 < minute <= now * 1000 + 60_000
    assert day % 86_400_000 == 0
    assert now * 1000 < day <= now * 1000 + 86_400_000


def test_a_used_up_minute_is_an_empty_429_with_the_minutely_headers_only(sign_in, emulator):
    emulator.hold()
    emulator.settings(calls_per_minute=2)
    exact = sign_in()
    assert [projects(exact).status_code for _ in range(2)] == [200, 200]
    answer = projects(exact)
    assert (answer.status_code, answer.content) == (429, b"")
    assert families(answer) == (False, True)
    assert answer.headers["X-RateLimit-Minutely-Remaining"] == "0"
    assert "Retry-After" not in answer.headers
    emulator.advance(int(answer.headers["X-RateLimit-Minutely-Reset"]) / 1000 - emulator.now())
    assert projects(exact).status_code == 200


def test_a_used_up_day_ends_at_midnight_utc(sign_in, emulator):
    emulator.hold()
    emulator.settings(calls_per_day=1, access_token_seconds=200_000)
    exact = sign_in()
    projects(exact)
    answer = projects(exact)
    assert (answer.status_code, answer.content) == (429, b"")
    assert families(answer) == (True, False)
    emulator.advance(int(answer.headers["X-RateLimit-Reset"]) / 1000 - emulator.now())
    assert projects(exact).status_code == 200


def test_each_division_and_app_has_its_own_budget(sign_in, emulator):
    emulator.hold()
    emulator.settings(calls_per_minute=1)
    emulator.register_app("cccc1111-0000-0000-0000-000000000000", "s", "Second")
    first = sign_in()
    assert [projects(first).status_code for _ in range(2)] == [200, 429]
    assert projects(sign_in(division=emulator.divisions[1])).status_code == 200
    second = sign_in(client_id="cccc1111-0000-0000-0000-000000000000")
    assert projects(second).status_code == 200


def test_apps_can_be_made_to_share_a_budget(sign_in, emulator):
    emulator.hold()
    emulator.settings(calls_per_minute=1, limits_shared_by_apps=True)
    emulator.register_app("cccc1111-0000-0000-0000-000000000000", "s", "Second")
    assert projects(sign_in()).status_code == 200
    assert projects(sign_in(client_id="cccc1111-0000-0000-0000-000000000000")).status_code == 429


def test_me_counts_only_where_it_is_switched_on(sign_in, emulator):
    emulator.hold()
    emulator.settings(calls_per_minute=1)
    exact = sign_in()
    assert [exact.get("current/Me").status_code for _ in range(3)] == [200, 200, 200]
    assert families(exact.get("current/Me")) == (False, False)
    emulator.settings(limit_headers_on_me=True)
    assert families(exact.get("current/Me")) == (True, True)
    assert exact.get("current/Me").status_code == 429


def test_ten_errors_in_an_hour_block_the_endpoint_and_no_other(sign_in, emulator):
    emulator.hold()
    exact = sign_in()
    wrong = [exact.get("project/Projects", filter="x").status_code for _ in range(10)]
    assert wrong == [400] * 10
    blocked = projects(exact)
    assert (blocked.status_code, blocked.content) == (429, b"")
    assert families(blocked) == (False, False)
    assert exact.get("project/WBSActivities", top="1").status_code == 200
    assert projects(sign_in(division=emulator.divisions[1])).status_code == 200


def test_a_block_lifts_after_an_hour_and_is_longer_the_second_time(sign_in, emulator):
    emulator.hold()
    emulator.settings(access_token_seconds=100_000)
    exact = sign_in()
    for hours in (1, 2):
        for _ in range(10):
            exact.get("project/Projects", filter="x")
        emulator.advance(hours * 3600 - 1)
        assert projects(exact).status_code == 429
        emulator.advance(1)
        assert projects(exact).status_code == 200


def test_nine_errors_an_hour_do_no_harm(sign_in, emulator):
    emulator.hold()
    emulator.settings(access_token_seconds=100_000)
    exact = sign_in()
    for _ in range(3):
        for _ in range(9):
            exact.get("project/Projects", filter="x")
        emulator.advance(3600)
    assert projects(exact).status_code == 200


@pytest.mark.parametrize("path", ["project/Nothing", "project/Projects(guid'00000000-0000-0000-0000-000000000000')"])
def test_a_404_counts_as_an_error(sign_in, emulator, path):
    exact = sign_in()
    assert [exact.get(path).status_code for _ in range(11)] == [404] * 10 + [429]


def test_an_expired_token_counts_as_an_error(sign_in, emulator):
    exact = sign_in()
    emulator.advance(600)
    assert [projects(exact).status_code for _ in range(11)] == [401] * 10 + [429]


def test_the_status_of_a_block_can_be_chosen_and_the_block_switched_off(sign_in, emulator):
    emulator.settings(error_limit=1, error_block_status=403)
    exact = sign_in()
    exact.get("project/Projects", filter="x")
    assert projects(exact).status_code == 403
    emulator.settings(error_limit=0)
    assert projects(exact).status_code == 200


def test_the_date_header_is_the_emulators_clock(sign_in, emulator):
    emulator.advance(3 * 86_400)
    emulator.hold()
    answer = sign_in().get("current/Me")
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == int(emulator.now())


def test_a_missing_scope_is_named(sign_in, emulator, error_text):
    emulator.register_app("dddd1111-0000-0000-0000-000000000000", "s", "Scoped", scopes={"projects billing": "read"})
    exact = sign_in(client_id="dddd1111-0000-0000-0000-000000000000")
    assert exact.get("project/TimeTransactions", top="1").status_code == 200
    unread = exact.get("crm/Contacts", top="1")
    assert unread.status_code == 403
    assert error_text(unread) == "Forbidden - Application Scope Violated. Cannot read 'crm.accounts' scope."
    unwritten = exact.post("project/TimeTransactions", {})
    assert "Cannot manage 'projects.billing' scope." in error_text(unwritten)


def test_an_unknown_division_is_a_403_with_a_reason(sign_in):
    answer = sign_in(division=9).get("project/Projects")
    assert (answer.status_code, answer.headers["Reason"]) == (403, "NoDivisionAccess")
