"""What an exchange answers to Hummingbot's requests is heard, for all who ask it."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate.hummingbot import (
    AsyncThrottler,
    LinkedLimitWeightPair,
    RateLimit,
    install,
    listening,
    uninstall,
)
from sluicegate.testing import ManualClock
from tests.hummingbot import fake_hummingbot
from tests.hummingbot.fake_hummingbot import forget

BINANCE = "https://api.binance.com/api/v3"
ELSEWHERE = "https://api.elsewhere.test"
TABLE = [
    RateLimit("REQUEST_WEIGHT", 6000, 60),
    RateLimit("RAW_REQUESTS", 61000, 300),
    RateLimit("ORDERS", 100, 10),
    RateLimit("ORDERS_24HR", 200_000, 86_400),
    RateLimit("/time", 5000, 60, 1, [LinkedLimitWeightPair("REQUEST_WEIGHT", 1)]),
    RateLimit(
        "/order",
        5000,
        60,
        1,
        [LinkedLimitWeightPair(x) for x in ("REQUEST_WEIGHT", "ORDERS", "ORDERS_24HR")],
    ),
    RateLimit("/other", 10, 60),
]


class Answer:
    """As Hummingbot's `RESTResponse`."""

    def __init__(self, status: int = 200, headers: Any = None, body: Any = b"{}") -> None:
        self.status, self.headers, self.url = status, headers or {}, BINANCE
        self._aiohttp_response = self
        self.body = body

    async def read(self) -> Any:
        if isinstance(self.body, Exception):
            raise self.body
        return self.body


class Plumbing:
    """An assistant whose answers a test decides."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.sent: list[str] = []
        self.answer: Callable[[Any], Any] = lambda _: Answer()

    async def ask(
        self, throttler: Any, url: str = BINANCE, limit_id: str = "/time", method: str = "GET"
    ) -> Any:
        assistant = self.kind(None, throttler)
        return await assistant.execute_request(f"{url}{limit_id}", limit_id, method)


@pytest.fixture
def plumbing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plumbing]:
    forget()
    listening.forget()
    monkeypatch.syspath_prepend(fake_hummingbot.write(tmp_path))
    kind = importlib.import_module("hummingbot.core.web_assistant.rest_assistant").RESTAssistant
    found = Plumbing(kind)

    async def call(self: Any, request: Any, timeout: float | None = None) -> Any:
        found.sent.append(request.throttler_limit_id)
        answer = found.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    monkeypatch.setattr(kind, "call", call)
    install()
    yield found
    uninstall()
    listening.forget()
    forget()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(clock: ManualClock) -> Callable[..., AsyncThrottler]:
    """Makes throttlers that live by one clock."""
    kind = type("Timed", (AsyncThrottler,), {"_clock": clock})

    def make(table: list[RateLimit] = TABLE, **options: Any) -> AsyncThrottler:
        throttler: AsyncThrottler = kind(table, **options)
        return throttler

    return make


Make = Callable[..., AsyncThrottler]


def answers(status: int, headers: Any = None, body: Any = b"{}") -> Callable[[Any], Answer]:
    return lambda _: Answer(status, headers, body)


async def test_a_refusal_closes_its_limits_for_all_who_ask_this_exchange(
    plumbing: Plumbing, make: Make
) -> None:
    one, other, apart = make(), make(), make()
    await plumbing.ask(other)
    await plumbing.ask(apart, ELSEWHERE)
    plumbing.answer = answers(429, {"Retry-After": "30"})
    await plumbing.ask(one)
    for throttler in (one, other):
        assert throttler.usage("REQUEST_WEIGHT").paused == pytest.approx(31)
        assert throttler.usage("RAW_REQUESTS").paused == pytest.approx(31)
        assert throttler.usage("ORDERS").paused == 0
    assert apart.usage("REQUEST_WEIGHT").paused == 0


async def test_a_ban_closes_everything_for_all_who_ask_this_exchange(
    plumbing: Plumbing, make: Make
) -> None:
    one, other, apart = make(), make(), make()
    await plumbing.ask(other)
    await plumbing.ask(apart, ELSEWHERE)
    plumbing.answer = answers(418, {"Retry-After": "120"})
    await plumbing.ask(one)
    assert one.usage("/other").paused == other.usage("/other").paused == pytest.approx(121)
    assert apart.usage("/other").paused == 0


async def test_who_comes_during_a_ban_waits_for_its_end(
    plumbing: Plumbing, make: Make, clock: ManualClock
) -> None:
    plumbing.answer = answers(418, {"Retry-After": "120"})
    await plumbing.ask(make())
    plumbing.answer = answers(200)
    late = asyncio.ensure_future(plumbing.ask(make()))
    await asyncio.sleep(0.05)
    assert len(plumbing.sent) == 1
    clock.advance(122)
    await asyncio.wait_for(late, 5)
    assert len(plumbing.sent) == 2


async def test_what_others_use_is_heard_by_all_who_ask_this_exchange(
    plumbing: Plumbing, make: Make
) -> None:
    one, other = make(), make()
    await plumbing.ask(other)
    plumbing.answer = answers(200, {"X-MBX-USED-WEIGHT-1M": "5000"})
    await plumbing.ask(one)
    for throttler in (one, other):
        assert throttler.usage("REQUEST_WEIGHT").foreign >= 4999


async def test_a_share_is_left_to_a_bot_while_others_use_theirs(
    plumbing: Plumbing, make: Make
) -> None:
    bot = make(limits_share_percentage=50)
    plumbing.answer = answers(200, {"X-MBX-USED-WEIGHT-1M": "3000"})
    await plumbing.ask(bot)
    usage = bot.usage("REQUEST_WEIGHT")
    assert (usage.limit, usage.used, usage.foreign) == (3000, 1, 0)
    plumbing.answer = answers(200, {"X-MBX-USED-WEIGHT-1M": "4000"})
    await plumbing.ask(bot)
    assert bot.usage("REQUEST_WEIGHT").remaining <= 2000


async def test_an_unknown_exchange_closes_what_the_request_took_from(
    plumbing: Plumbing, make: Make
) -> None:
    bot = make()
    plumbing.answer = answers(429, {"retry-after": "9"}, b"<html>Too many</html>")
    await plumbing.ask(bot, ELSEWHERE)
    assert bot.usage("/time").paused == bot.usage("REQUEST_WEIGHT").paused == pytest.approx(10)
    assert bot.usage("/other").paused == 0


async def test_a_refusal_that_says_nothing_costs_no_day(plumbing: Plumbing, make: Make) -> None:
    bot = make()
    plumbing.answer = answers(429, None, b'{"code":-1015,"msg":"Too many new orders."}')
    await plumbing.ask(bot, limit_id="/order", method="POST")
    assert bot.usage("ORDERS").remaining == 0
    assert bot.usage("ORDERS_24HR").remaining > 100_000


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"Retry-After": "soon"}, b"\xff\xfe<html>"),
        Answer(418, {"Retry-After": "-7"}, b""),
        Answer(200, {"X-MBX-USED-WEIGHT-1M": "many"}),
        Answer(429, None, OSError("the body broke off")),
        Answer(429, {"Retry-After": None}, None),
        SimpleNamespace(status="a lie"),
        SimpleNamespace(),
        None,
    ],
)
async def test_an_answer_that_lies_comes_through(
    plumbing: Plumbing, make: Make, answer: Any
) -> None:
    plumbing.answer = lambda _: answer
    assert await plumbing.ask(make()) is answer


async def test_an_error_of_ours_is_none_of_the_request(
    plumbing: Plumbing,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(listening, "AnswerScope", None)
    monkeypatch.setattr(listening, "_failed", set())
    for _ in range(3):
        assert (await plumbing.ask(make())).status == 200
    assert [r.message.split(" could")[0] for r in caplog.records if "listened" in r.message] == [
        "the answer (binance-spot)"
    ]


async def test_the_first_request_goes_alone(
    plumbing: Plumbing, make: Make, clock: ManualClock
) -> None:
    """A bot that is restarted at the limit is refused once."""
    bots = [make(), make()]
    plumbing.answer = answers(429, {"Retry-After": "5"})
    tasks = [asyncio.ensure_future(plumbing.ask(bots[n % 2])) for n in range(8)]
    await asyncio.sleep(0.05)
    assert len(plumbing.sent) == 1
    plumbing.answer = answers(200)
    clock.advance(6.1)
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert len(plumbing.sent) == 8


async def test_if_the_first_fails_the_next_goes_alone(plumbing: Plumbing, make: Make) -> None:
    bot, begun = make(), asyncio.Event()

    async def fails() -> None:
        begun.set()
        await asyncio.sleep(0)
        raise OSError("dropped")

    plumbing.answer = lambda _: fails() if len(plumbing.sent) < 3 else Answer()
    tasks = [asyncio.ensure_future(plumbing.ask(bot)) for _ in range(5)]
    await begun.wait()
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [isinstance(one, OSError) for one in found] == [True, True, False, False, False]


async def test_what_the_first_asks_within_goes_on(plumbing: Plumbing, make: Make) -> None:
    """Hummingbot asks for the server's time before it signs a request."""
    bot = make()

    async def asks(request: Any) -> Answer:
        if request.throttler_limit_id == "/order":
            await plumbing.ask(bot)
        return Answer()

    plumbing.answer = asks
    await asyncio.wait_for(plumbing.ask(bot, limit_id="/order"), 1)
    assert plumbing.sent == ["/order", "/time"]


async def test_a_cancelled_first_request_holds_nobody_up(plumbing: Plumbing, make: Make) -> None:
    bot, forever = make(), asyncio.Event()

    async def hangs() -> Answer:
        await forever.wait()
        return Answer()

    plumbing.answer = lambda _: hangs()
    first = asyncio.ensure_future(plumbing.ask(bot))
    await asyncio.sleep(0.01)
    plumbing.answer = answers(200)
    second = asyncio.ensure_future(plumbing.ask(bot))
    third = asyncio.ensure_future(plumbing.ask(bot))
    await asyncio.sleep(0.01)
    second.cancel()
    first.cancel()
    await asyncio.wait_for(third, 1)
    assert bot.usage("/time").in_flight == 0


async def test_a_refusal_of_a_throttler_of_hummingbots_own_closes_ours(
    plumbing: Plumbing, make: Make
) -> None:
    ours = make()
    await plumbing.ask(ours)
    original = importlib.import_module("hummingbot.core.api_throttler.async_throttler")
    uninstall()
    stock = original.AsyncThrottler(TABLE)
    stock.execute_task = lambda limit_id: make().execute_task(limit_id)
    install()
    plumbing.answer = answers(418, {"Retry-After": "60"})
    await plumbing.ask(stock)
    assert ours.usage("/other").paused == pytest.approx(61)


async def test_uninstalling_while_a_request_is_under_way_leaves_it_alone(
    plumbing: Plumbing, make: Make
) -> None:
    bot, goes_on = make(), asyncio.Event()

    async def slow() -> Answer:
        await goes_on.wait()
        return Answer(429, {"Retry-After": "5"})

    plumbing.answer = lambda _: slow()
    task = asyncio.ensure_future(plumbing.ask(bot))
    await asyncio.sleep(0.01)
    uninstall()
    goes_on.set()
    assert (await task).status == 429
    plumbing.answer = answers(418, {"Retry-After": "500"})
    await plumbing.ask(make())
    assert bot.usage("/other").paused == 0


async def test_the_environment_turns_it_off(
    plumbing: Plumbing, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(listening.VARIABLE, "off")
    bot = make()
    plumbing.answer = answers(418, {"Retry-After": "500"})
    await plumbing.ask(bot)
    assert bot.usage("/other").paused == 0


async def test_a_pause_is_one_line_of_the_log(
    plumbing: Plumbing, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bot = make()
    plumbing.answer = answers(418, {"Retry-After": "120"})
    with caplog.at_level(logging.INFO, "sluicegate"):
        await asyncio.gather(*(plumbing.ask(bot) for _ in range(1)))
    assert len([r for r in caplog.records if "418" in r.message]) == 1
