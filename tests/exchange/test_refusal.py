"""`limit(…, refusal=…)`: an exception in place of `None` for a call over a limit."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from sluicegate import Throttler
from sluicegate.exchange import limit, limit_all
from sluicegate.hummingbot import AsyncThrottler
from tests.exchange.fmz import Exchange, World


class TooOftenError(Exception):
    pass


class AsyncExchange:
    def __init__(self) -> None:
        self.seen = 0

    async def fetch_ticker(self) -> str:
        self.seen += 1
        return "ticker"


class WithGo(Exchange):
    def Go(self, name: str) -> None:
        raise AssertionError("it is not sent")


@pytest.fixture
def world() -> World:
    return World()


def limited(world: World, inner: Any) -> Any:
    """An object with room for one ticker an hour, and that one used."""
    exchange = world.limit(inner, refusal=TooOftenError)
    exchange.IO("rate", "GetTicker", 1, "1h")
    assert world.throttler.try_acquire("rate:GetTicker")
    return exchange


def test_a_call_over_a_limit_raises_and_is_not_sent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = limited(world, world.inner)
    with (
        caplog.at_level(logging.ERROR, "sluicegate.exchange"),
        pytest.raises(TooOftenError, match="GetTicker was not sent: over the limit of") as caught,
    ):
        exchange.GetTicker()
    assert world.inner.seen == []
    assert exchange.last_error == str(caught.value)
    assert caplog.messages == [exchange.last_error]
    world.Sleep(3_600_000)
    assert exchange.GetTicker() is not None


def test_a_call_that_is_held_until_its_answer_raises_too() -> None:
    world = World(hold="response")
    exchange = limited(world, world.inner)
    with pytest.raises(TooOftenError):
        exchange.GetTicker()
    assert world.inner.seen == []


def test_a_call_that_may_wait_waits(world: World) -> None:
    exchange = world.limit(world.inner, refusal=TooOftenError)
    exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    answers: list[Any] = []
    world.run(lambda: answers.extend(exchange.GetTicker() for _ in range(2)))
    assert None not in answers
    assert world.clock.now >= 1


@pytest.mark.parametrize("hold", ["start", "response"])
async def test_a_call_of_an_asynchronous_object_raises_when_it_is_awaited(hold: str) -> None:
    world = World(hold=hold)
    exchange = limited(world, AsyncExchange())
    call = exchange.fetch_ticker()
    with pytest.raises(TooOftenError, match="fetch_ticker was not sent"):
        await call
    assert exchange.seen == 0


@pytest.mark.parametrize("inner", [Exchange, WithGo])
def test_a_call_through_go_raises_where_it_is_waited_for(world: World, inner: type) -> None:
    running = limited(world, inner()).Go("GetTicker")
    for _ in range(2):
        with pytest.raises(TooOftenError, match="GetTicker was not sent"):
            running.wait()


async def test_an_asynchronous_call_through_go_raises_where_it_is_waited_for(world: World) -> None:
    running = limited(world, AsyncExchange()).Go("fetch_ticker")
    with pytest.raises(TooOftenError, match="fetch_ticker was not sent"):
        await running.wait()


def test_a_call_through_go_that_would_have_had_to_wait_raises_when_it_is_refused(
    world: World,
) -> None:
    exchange = limited(world, world.inner)
    exchange.IO("rate", "GetTicker,GetDepth", 5, "1h", "delay")
    with pytest.raises(TooOftenError, match="GetTicker was not sent"):
        exchange.Go("GetTicker").wait()
    assert world.inner.seen == []


def test_other_calls_through_go_are_as_ever(world: World) -> None:
    exchange = limited(world, world.inner)
    assert exchange.Go("GetName").wait() == "Stand-in"
    with pytest.raises(ConnectionError, match="the exchange is down"):
        exchange.Go("GetRecords").wait()


def test_all_objects_of_an_account_raise_it() -> None:
    rules = [["rate", "GetTicker", 1, "1h"]]
    first, second = limit_all([Exchange(), Exchange()], rules, refusal=TooOftenError)
    assert first.GetTicker() is not None
    with pytest.raises(TooOftenError):
        second.GetTicker()


def test_objects_that_share_a_throttler_say_it_each_in_its_way(world: World) -> None:
    raises = limited(world, Exchange())
    assert world.exchange.GetTicker() is None
    with pytest.raises(TooOftenError):
        raises.GetTicker()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_raise_it_too(world: World, duplicate: Any) -> None:
    copied = duplicate(limited(world, world.inner))
    with pytest.raises(TooOftenError):
        copied.GetTicker()


@pytest.mark.parametrize(
    "refusal", [TooOftenError(), "TooOftenError", int, KeyboardInterrupt, (TooOftenError,), False]
)
def test_what_is_no_class_of_exceptions_is_refused(refusal: Any) -> None:
    with pytest.raises(TypeError, match="refusal must be a class of exceptions or None, not "):
        limit(Exchange(), refusal=refusal)


def test_hummingbots_throttler_is_refused() -> None:
    with pytest.raises(TypeError, match=r"not Hummingbot's AsyncThrottler.* throttler\.IO"):
        limit(Exchange(), throttler=AsyncThrottler([]))
    with pytest.raises(TypeError, match=r"must be a sluicegate\.Throttler, not 'mine'"):
        limit(Exchange(), throttler="mine")  # type: ignore[arg-type]
    limit(Exchange(), throttler=Throttler([]))
