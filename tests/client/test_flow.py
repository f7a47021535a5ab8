"""Calls as conversations: no network, no sleep."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from airflow_provider_exact.client.auth.oauth2 import Grants
from airflow_provider_exact.client.auth.server_clock import ServerClock
from airflow_provider_exact.client.auth.token import App, Token
from airflow_provider_exact.client.auth.token_provider import RefreshingTokenProvider
from airflow_provider_exact.client.auth.token_store import MemoryTokenStore
from airflow_provider_exact.client.errors import (
    ExactNotFoundError,
    ExactRateLimitError,
    ExactRequestError,
    ExactResponseError,
    ExactTokenError,
    ExactTransportError,
)
from airflow_provider_exact.client.flow import NeedToken, Send, Wait, call, run, run_async
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.transport import NoResponse, Request, Response

NOW = 1_700_000_000.0  # 22:13:20 UTC
OLD = Token("old", "r1", NOW, NOW + 600)
NEW = Token("new", "r2", NOW, NOW + 600)
GET = Request("GET", "https://exact.test/api/v1/1/crm/Accounts", subject="GET crm/Accounts in division 1")
POST = Request("POST", "https://exact.test/api/v1/1/crm/Accounts", subject="POST crm/Accounts in division 1")
PUT = Request("PUT", "https://exact.test/x", subject="PUT x")
DELETE = Request("DELETE", "https://exact.test/x", subject="DELETE x")
LOST = NoResponse("ReadTimeout")
UNSENT = NoResponse("ConnectTimeout", sent=False)


def talk(flow, *answers):
    """Answer each ``Send`` in turn, each ``NeedToken`` with OLD; return the result (or raise) and the waits."""
    waits, sent, replies = [], 0, list(answers)
    try:
        step = flow.send(None)
        while True:
            match step:
                case NeedToken(refused):
                    step = flow.send(OLD if refused is None else NEW)
                case Wait(seconds):
                    waits.append(seconds)
                    step = flow.send(None)
                case Send():
                    sent += 1
                    step = flow.send(replies.pop(0))
    except StopIteration as done:
        return done.value, waits, sent


def steady(request, **options):
    return call(request, clock=lambda: NOW, jitter=lambda: 0.5, **options)


def test_a_refused_token_is_replaced_before_the_second_attempt():
    flow = steady(GET)
    assert next(flow) == NeedToken()
    assert flow.send(OLD).request.headers["Authorization"] == "Bearer old"
    assert flow.send(Response(401)) == NeedToken(refused=OLD)
    assert flow.send(NEW).request.headers["Authorization"] == "Bearer new"


def test_a_refused_token_without_a_successor_is_tried_once_more_a_little_later():
    flow = steady(GET)
    next(flow)
    flow.send(OLD)
    flow.send(Response(401))
    assert flow.send(OLD) == Wait(1.5, keeps_turn=True)
    assert flow.send(None) == NeedToken(refused=OLD)
    assert flow.send(OLD).request.headers["Authorization"] == "Bearer old"
    given_up = flow.send(Response(401))
    assert given_up.token == OLD
    with pytest.raises(ExactTokenError, match="signed in elsewhere with the same app and user"):
        flow.send(None)


def test_a_refresh_and_a_sign_in_may_both_end_a_token_of_one_call():
    flow = steady(GET)
    assert next(flow) == NeedToken()
    for token in (OLD, replace(OLD, access="refreshed")):
        flow.send(token)
        assert flow.send(Response(401)) == NeedToken(refused=token)
    assert flow.send(NEW).request.headers["Authorization"] == "Bearer new"
    with pytest.raises(StopIteration):
        flow.send(Response(200, body=b'{"d":{}}'))


def test_tokens_that_are_refused_without_end_cost_three_errors():
    flow = steady(GET)
    next(flow)
    flow.send(OLD)
    flow.send(Response(401))
    flow.send(replace(OLD, access="second"))
    flow.send(Response(401))
    flow.send(replace(OLD, access="third"))
    assert flow.send(Response(401)).token.access == "third"
    with pytest.raises(ExactTokenError):
        flow.send(None)


def test_of_many_calls_at_once_only_those_whose_turn_it_is_meet_a_refused_token():
    class Exact:
        refusals = 0

        async def send(self, request):
            await asyncio.sleep(0)
            if request.headers["Authorization"] == "Bearer new":
                return Response(200, body=b'{"d":{}}')
            self.refusals += 1
            return Response(401)

    class Tokens:
        held = OLD

        def get(self, *, refused=None, refused_at=None):
            if refused is not None:
                self.held = NEW
            return self.held

    async def at_once(function, /, *args, **kwargs):
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    async def ask_many():
        exact, tokens, turns = Exact(), Tokens(), asyncio.Semaphore(4)
        calls = [
            run_async(steady(GET), transport=exact, tokens=tokens, in_thread=at_once, turns=turns) for _ in range(100)
        ]
        answers = await asyncio.gather(*calls)
        return {answer.status for answer in answers}, exact.refusals

    statuses, refusals = asyncio.run(ask_many())
    assert statuses == {200}
    assert refusals <= 4


def test_of_many_calls_at_once_only_those_whose_turn_it_is_meet_a_token_that_was_ended_elsewhere():
    class Exact:
        refusals = 0

        async def send(self, request):
            await asyncio.sleep(0)
            self.refusals += 1
            return Response(401)

    async def at_once(function, /, *args, **kwargs):
        return function(*args, **kwargs)

    async def ask_many():
        grants = Grants(Site("https://exact.test"), App("", ""), clock=ServerClock(lambda: NOW))
        exact, tokens = Exact(), RefreshingTokenProvider(MemoryTokenStore(OLD), grants)
        means = {"transport": exact, "tokens": tokens, "in_thread": at_once, "turns": asyncio.Semaphore(2)}
        calls = [run_async(steady(GET), **means, sleep=lambda _: asyncio.sleep(0)) for _ in range(40)]
        return await asyncio.gather(*calls, return_exceptions=True), exact.refusals

    answers, refusals = asyncio.run(ask_many())
    assert {type(answer) for answer in answers} == {ExactTokenError}
    assert refusals <= 4


def test_a_successor_that_is_stored_during_that_pause_is_used():
    flow = steady(GET)
    next(flow)
    flow.send(OLD)
    flow.send(Response(401))
    assert flow.send(OLD) == Wait(1.5, keeps_turn=True)
    assert flow.send(None) == NeedToken(refused=OLD)
    assert flow.send(NEW).request.headers["Authorization"] == "Bearer new"
    with pytest.raises(StopIteration):
        flow.send(Response(200, body=b'{"d":{}}'))


@pytest.mark.parametrize("request_", [GET, PUT, DELETE])
@pytest.mark.parametrize("failure", [LOST, UNSENT, Response(503, body=b"<html>busy</html>"), Response(500)])
def test_a_failed_answer_is_asked_for_again_with_longer_and_longer_waits(request_, failure):
    answer, waits, sent = talk(steady(request_), failure, failure, Response(200, body=b'{"d":{}}'))
    assert (answer.status, waits, sent) == (200, [1.0, 2.0], 3)


@pytest.mark.parametrize("failure", [LOST, Response(503)])
def test_repeating_ends_after_four_attempts(failure):
    with pytest.raises(ExactTransportError, match="GET crm/Accounts in division 1"):
        talk(steady(GET), failure, failure, failure, failure)


@pytest.mark.parametrize(
    "failure", [LOST, Response(503), Response(500, body=b'{"error":{}}'), Response(201, body=b"<h")]
)
def test_a_post_whose_outcome_is_unknown_is_not_sent_again(failure):
    with pytest.raises(ExactTransportError, match="look\\s*for it") as caught:
        talk(steady(POST), failure)
    assert caught.value.outcome_unknown


def test_a_post_that_never_left_is_sent_again():
    answer, _, sent = talk(steady(POST), UNSENT, Response(201, body=b'{"d":{}}'))
    assert (answer.status, sent) == (201, 2)


def test_a_post_that_a_limit_refused_is_sent_again():
    answer, _, sent = talk(steady(POST), Response(429), Response(201, body=b'{"d":{}}'))
    assert (answer.status, sent) == (201, 2)


def test_a_minutely_429_is_waited_out_until_its_reset_by_the_servers_clock():
    headers = {
        "Date": "Fri, 12 May 2023 08:18:25 GMT",
        "X-RateLimit-Minutely-Limit": "60",
        "X-RateLimit-Minutely-Remaining": "0",
        "X-RateLimit-Minutely-Reset": "1683879540000",
    }
    _, waits, _ = talk(steady(GET), Response(429, headers), Response(200, body=b'{"d":[]}'))
    assert waits == [35 + 1.0 + 0.5]


def test_a_daily_429_is_not_waited_out():
    headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700006400000"}
    with pytest.raises(ExactRateLimitError, match="daily limit") as caught:
        talk(steady(GET), Response(429, headers))
    assert caught.value.resets_at == 1_700_006_401.0


def test_waiting_for_minutes_ends_when_patience_does():
    with pytest.raises(ExactRateLimitError, match="minutely"):
        talk(steady(GET, patience=60.0), *[Response(429)] * 5)


def test_half_an_answer_to_a_get_is_asked_for_again():
    answer, _, sent = talk(steady(GET), Response(200, body=b'{"d":{"resu'), Response(200, body=b'{"d":[]}'))
    assert (answer.body, sent) == (b'{"d":[]}', 2)


def test_a_page_of_rows_is_read_once_and_half_of_one_is_asked_for_again():
    decoder = msgspec.json.Decoder(dict[str, list[int]])
    half, wrong, right = (Response(200, body=body) for body in (b'{"d":[1', b'{"d":["one"]}', b'{"d":[1]}'))
    answer, _, sent = talk(steady(replace(GET, decoder=decoder)), half, right)
    assert (sent, answer.decoded(decoder)) == (2, {"d": [1]})
    assert answer.decoded(decoder) is answer.decoded(decoder)
    # Other types than known are nothing that a second try mends.
    answer, _, sent = talk(steady(replace(GET, decoder=decoder)), wrong)
    assert (sent, answer.json) == (1, {"d": ["one"]})


def test_an_empty_answer_is_not_the_end_of_a_list():
    answer, _, sent = talk(steady(GET), Response(200), Response(200, body=b'{"d":[]}'))
    assert (answer.body, sent) == (b'{"d":[]}', 2)
    with pytest.raises(ExactResponseError, match="not JSON"):
        talk(steady(GET), *[Response(200)] * 4)


def test_a_page_that_is_never_json_is_reported():
    with pytest.raises(ExactResponseError, match="not JSON"):
        talk(steady(GET), *[Response(200, body=b"<html>login</html>")] * 4)


def test_a_delete_that_was_done_although_its_answer_was_lost_succeeds():
    answer, _, _ = talk(steady(DELETE), LOST, Response(404))
    assert answer.status == 204


def test_a_delete_of_nothing_is_an_error():
    with pytest.raises(ExactNotFoundError):
        talk(steady(DELETE), Response(404))


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "words"),
    [
        (
            400,
            {},
            b'{"error":{"code":"","message":{"lang":"","value":"Mandatory: Name"}}}',
            ExactRequestError,
            "Mandatory",
        ),
        (
            400,
            {},
            b'<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code/>'
            b'<message xml:lang="">Veld &amp; waarde</message></error>',
            ExactRequestError,
            "Veld & waarde",
        ),
        (400, {}, b"<html><body>Bad Request</body></html>", ExactRequestError, "refused"),
        (403, {"Reason": "NoDivisionAccess"}, b"", ExactRequestError, "may not see this division"),
        (403, {}, b"", ExactRequestError, "lacks the right"),
        (404, {}, b"", ExactNotFoundError, r"not found \(404\)\. Check the key and the endpoint's name"),
        (405, {}, b"", ExactRequestError, "405"),
        (302, {"Location": "https://login.test"}, b"", ExactResponseError, "redirect"),
    ],
)
def test_each_refusal_says_what_to_do(status, headers, body, error, words):
    from requests.structures import CaseInsensitiveDict

    with pytest.raises(error, match=words) as caught:
        talk(steady(GET), Response(status, CaseInsensitiveDict(headers), body))
    assert "GET crm/Accounts in division 1" in str(caught.value)
    assert caught.value.status == status


class OneAnswer:
    def send(self, request):
        return Response(200, body=b'{"d":{}}')


class OneAnswerLater:
    async def send(self, request):
        return Response(200, body=b'{"d":{}}')


class OneToken:
    def get(self, *, refused=None, refused_at=None):
        return OLD


def test_both_drivers_carry_out_the_same_flow():
    assert run(call(GET), transport=OneAnswer(), tokens=OneToken()).status == 200
    assert asyncio.run(run_async(call(GET), transport=OneAnswerLater(), tokens=OneToken())).status == 200


def test_a_requests_representation_holds_no_token():
    assert "old" not in repr(GET.bearing("old"))
    assert "r1" not in repr(OLD)
    assert "old" not in repr(OLD)
