"""
The order of a call: token, send, wait, send again. A flow decides, a driver does.

A flow yields a step and is sent its result. Exact's rules behind the decisions: a refresh is never caused by a 401
alone (the token store knows when one is due), a POST is not sent twice unless it certainly did nothing, a minute's
limit is waited out, a day's limit is not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from airflow_provider_exact.client import rate_limit
from airflow_provider_exact.client.auth.token import Token
from airflow_provider_exact.client.auth.token_provider import TokenProvider
from airflow_provider_exact.client.errors import (
    GATEWAY_STATUSES,
    ExactError,
    ExactErrorLimitError,
    ExactRateLimitError,
    ExactResponseError,
    ExactTokenError,
    ExactTransportError,
    checked,
    refusal,
)
from airflow_provider_exact.client.transport import (
    Answer,
    AsyncTransport,
    Carrier,
    CarrierAhead,
    Held,
    InThread,
    NoResponse,
    Request,
    Response,
)

T = TypeVar("T")


@dataclass(frozen=True)
class NeedToken:
    """
    Request for a valid token.

    ``refused`` is a token that Exact has just answered with a 401, ``refused_at`` the ``Date`` of that response in
    seconds since the epoch.
    """

    refused: Token | None = None
    refused_at: float | None = None


@dataclass(frozen=True)
class GiveUp:
    """Tell the store that Exact refuses a token also when asked again, as the error says."""

    token: Token
    error: ExactTokenError


@dataclass(frozen=True)
class Send:
    request: Request


@dataclass(frozen=True)
class Wait:
    """``keeps_turn``: nobody else may call meanwhile, since they would use the token that was just refused."""

    seconds: float
    keeps_turn: bool = False


Step = NeedToken | GiveUp | Send | Wait
Flow = Generator[Step, Any, T]


# Many tasks may wait for one division's sixty calls a minute; each of them gets its turn.
PATIENCE = 1800.0
# So many tokens, each newer than the one before, may be refused to one call: a refresh and a sign-in can end two of
# them. Each refusal is one of the ten errors that Exact allows.
REFUSED_TOKENS = 2
# After a 429 that names no limit, the next ones are met ever later, but no later than this many times.
LATEST = 8


def call(
    request: Request,
    *,
    attempts: int = 4,
    patience: float = PATIENCE,
    advice: str = "Sign in again.",
    clock: Callable[[], float] = time.time,
    jitter: Callable[[], float] = random.random,
) -> Flow[Response]:
    """
    Make one call, with the second chances that Exact allows.

    :param attempts: How often it may be sent because answers fail; waiting for a minute's limit does not count.
    :param patience: Seconds in all to wait for minutely limits; how often does not matter, since others use them too.
    :param advice: What a person does to sign in, for when the token stays refused.
    :raises ExactError: its child that fits the last answer.
    """
    refused: Token | None = None
    refused_at: float | None = None
    refused_tokens = 0
    failures = 0
    waited = 0.0
    perhaps_done = False
    nameless = 0
    while True:
        token = yield from _token(NeedToken(refused, refused_at), jitter)
        answer: Answer = yield Send(request.bearing(token.access))
        match answer:
            case Held(limit="minute") if (waited := waited + answer.seconds) <= patience:
                request = replace(request, turn_at=clock() + answer.seconds)
                yield Wait(answer.seconds)
                continue
            case Held():
                raise _held_error(request, answer, clock())
            case NoResponse() if answer.sent and not request.is_repeatable:
                raise _lost(request, answer.reason)
            case NoResponse():
                failures += 1
                perhaps_done = perhaps_done or answer.sent
                if failures >= attempts:
                    raise ExactTransportError(
                        f"{request}: no answer after {failures} attempts ({answer.reason}). {LATER}"
                    )
            case Response(status=401) if refused_tokens < REFUSED_TOKENS and _is_news(token, refused):
                refused, refused_at = token, rate_limit.sent_at(answer.headers)
                refused_tokens += 1
                continue
            case Response(status=401):
                raise (yield from _given_up(token, request, advice))
            case Response(status=404) if request.method == "DELETE" and perhaps_done:
                # An earlier attempt deleted it; only its answer was lost.
                return Response(204)
            case Response(status=429):
                pause = rate_limit.pause(answer.headers, clock())
                seconds = pause.seconds + jitter()
                if rate_limit.RateLimits.of(answer.headers) == rate_limit.RateLimits():
                    seconds *= min(2**nameless, LATEST)
                    nameless += 1
                waited += seconds
                if (pause.is_daily and pause.seconds > rate_limit.MINUTE) or waited > patience:
                    raise _limit_error(request, pause, clock())
                yield Wait(seconds)
                continue
            case Response() if _is_broken(answer, request):
                failures += 1
                perhaps_done = True
                if failures >= attempts or not request.is_repeatable:
                    raise _broken(request, answer)
            case _:
                return checked(answer, request)
        yield Wait(2.0 ** (failures - 1) * (0.5 + jitter()))


def _token(need: NeedToken, jitter: Callable[[], float]) -> Flow[Token]:
    token: Token = yield need
    if not _is_news(token, need.refused):
        # The refused token is as new as can be. Gateways lag behind each other: one more try, a little later, with what
        # is stored then.
        yield Wait(1.0 + jitter(), keeps_turn=True)
        token = yield need
    return token


def _given_up(token: Token, request: Request, advice: str) -> Flow[ExactTokenError]:
    error = ExactTokenError(
        f"{request}: Exact Online refuses the access token, also when asked again. Probably somebody signed in "
        f"elsewhere with the same app and user, such as for a second Airflow. {advice}",
        status=401,
    )
    yield GiveUp(token, error)
    return error


def _is_news(token: Token, refused: Token | None) -> bool:
    return refused is None or token.access != refused.access


LATER = "Try again later, and check the network and the connection's Server URL if it stays so."


def _is_broken(answer: Response, request: Request) -> bool:
    """Whether an answer is a failure of the server or half an answer, which a second try may mend."""
    if answer.status >= 500 or answer.status in GATEWAY_STATUSES:
        return True
    if not (200 <= answer.status < 300 and request.wants_json):
        return False
    # Nothing at all, where records were asked for, would pass for the end of a list.
    is_void = request.method == "GET" and request.sink is None and answer.status == 200 and not answer.body.strip()
    return is_void or not answer.is_json(request.decoder)


def _lost(request: Request, reason: str) -> ExactTransportError:
    return ExactTransportError(
        f"{request}: the answer was lost ({reason}). Whether the record was created is not known: look for it before "
        "you send it again.",
        outcome_unknown=True,
    )


def _broken(request: Request, answer: Response) -> ExactError:
    if answer.status >= 300:
        return refusal(answer, request)
    if not request.is_repeatable:
        return _lost(request, f"status {answer.status}, but no JSON")
    return ExactResponseError(
        f"{request}: answered {answer.status} with something that is not JSON. If it stays so, check the connection's "
        "region or Server URL.",
        status=answer.status,
    )


def _limit_error(request: Request, pause: rate_limit.Pause, now: float) -> ExactRateLimitError:
    resets_at = now + pause.seconds
    which = "daily" if pause.is_daily else "minutely"
    return ExactRateLimitError(
        f"{request}: Exact's {which} limit for this app and division is used up. It opens again at "
        f"{_moment(resets_at)}.",
        resets_at=resets_at,
    )


def _held_error(request: Request, held: Held, now: float) -> ExactRateLimitError:
    if held.limit != "errors":
        return _limit_error(request, rate_limit.Pause(held.seconds, held.limit == "day"), now)
    resets_at = now + held.seconds
    return ExactErrorLimitError(
        f"{request}: not called. Calls to this endpoint were refused (400, 401, 403 or 404) so often within an hour "
        "that the next ones would make Exact block it for an hour or more. Mend what calls it wrongly; the errors "
        f"before this one say how. Calls are made again from {_moment(resets_at)}; [exact_online] errors_per_hour sets "
        "after how many errors they stop.",
        resets_at=resets_at,
        status=None,
    )


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def run(
    flow: Flow[T],
    *,
    transport: Carrier,
    tokens: TokenProvider,
    sleep: Callable[[float], None] = time.sleep,
    on_wait: Callable[[float], None] | None = None,
    answer: object = None,
) -> T:
    """
    Carry out a flow's steps, blocking.

    :param on_wait: Told of each wait before it begins.
    :param answer: To the step that a flow under way has asked for.
    """
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as done:
            return cast("T", done.value)
        match step:
            case Send(request):
                answer = transport.send(request)
            case Wait(seconds):
                if on_wait is not None:
                    on_wait(seconds)
                answer = sleep(seconds)  # type: ignore[func-returns-value]
            case GiveUp(token, error):
                answer = tokens.give_up(token, error)  # type: ignore[func-returns-value]
            case NeedToken(refused, refused_at):
                answer = tokens.get(refused=refused, refused_at=refused_at)


def begin(
    flow: Flow[T],
    *,
    transport: CarrierAhead,
    tokens: TokenProvider,
    executor: Executor,
    sleep: Callable[[float], None] = time.sleep,
    on_wait: Callable[[float], None] | None = None,
) -> Callable[[], T]:
    """
    Let a thread send a flow's first call; what is returned waits for the answer and carries out the rest.

    Only the sending is done in the thread. Tokens and budgets are asked for in the caller's: in a task, Airflow's
    Variables are for one thread at a time.
    """
    step = next(flow)
    while isinstance(step, NeedToken):
        step = flow.send(tokens.get(refused=step.refused, refused_at=step.refused_at))
    if not isinstance(step, Send):
        raise TypeError(f"a flow that begins with a call was expected, not with {step}")
    receive = transport.begin(step.request, executor)

    def rest() -> T:
        return run(flow, transport=transport, tokens=tokens, sleep=sleep, on_wait=on_wait, answer=receive())

    return rest


async def run_async(
    flow: Flow[T],
    *,
    transport: AsyncTransport,
    tokens: TokenProvider,
    in_thread: InThread = asyncio.to_thread,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_wait: Callable[[float], None] | None = None,
    turns: asyncio.Semaphore | None = None,
) -> T:
    """
    Carry out a flow's steps without blocking the event loop.

    :param turns: Bounds how many calls are under way. A call keeps its turn from the token to the answer that it
        accepts, so that a refused token is replaced before the calls in the queue could use it as well.
    """
    answer: object = None
    has_turn = False
    try:
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            match step:
                case Send(request):
                    answer = await transport.send(request)
                case Wait(seconds, keeps_turn):
                    if turns is not None and has_turn and not keeps_turn:
                        has_turn = False
                        turns.release()
                    if on_wait is not None:
                        on_wait(seconds)
                    answer = await sleep(seconds)  # type: ignore[func-returns-value]
                case GiveUp(token, error):
                    answer = await in_thread(tokens.give_up, token, error)
                case NeedToken(refused, refused_at):
                    if turns is not None and not has_turn:
                        has_turn = await turns.acquire()
                    answer = await in_thread(tokens.get, refused=refused, refused_at=refused_at)
    finally:
        if turns is not None and has_turn:
            turns.release()
