"""Of calls that wait, cancels go before orders, account questions and market data."""

from __future__ import annotations

import asyncio
import copy
import threading
from typing import Any

import pytest

from sluicegate import Throttler
from sluicegate._priorities import VARIABLE
from sluicegate.exchange import limit, limit_all
from sluicegate.testing import ManualClock
from tests.clients.kinds import until

LATE_FIRST = ["GetTicker", "GetAccount", "CreateOrder", "CancelOrder"]


class Exchange:
    """Remembers in which order it was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []


def _asynchronous(name: str) -> Any:
    async def call(self: Exchange, *_: Any) -> str:
        self.seen.append(name)
        return name

    return call


class Asynchronous(Exchange):
    """Its functions give awaitables."""


def _synchronous(name: str) -> Any:
    def call(self: Exchange, *_: Any) -> str:
        self.seen.append(name)
        return name

    return call


class Synchronous(Exchange):
    """Its functions block."""


for _name in (*LATE_FIRST, "GetRecords", "price"):
    setattr(Asynchronous, _name, _asynchronous(_name))
    setattr(Synchronous, _name, _synchronous(_name))


async def left(
    asked: list[str], kind: type[Exchange] = Asynchronous, hold: Any = "start", **options: Any
) -> list[str]:
    """The order in which calls leave that have all waited."""
    clock = ManualClock()
    throttler = Throttler([], hold=hold, clock=clock)
    inner = kind()
    exchange: Any = limit(inner, throttler=throttler, **options)
    exchange.IO("rate", "*", 1, "1s", "delay")
    rule = "rate:*"

    async def call(name: str) -> Any:
        function = getattr(exchange, name)
        return await (function() if kind is Asynchronous else asyncio.to_thread(function))

    await call("GetTicker")
    waiting = []
    for number, name in enumerate(asked, start=1):
        waiting.append(asyncio.create_task(call(name)))
        await until(lambda number=number: throttler.usage(rule).waiting == number)
    while (seen := len(inner.seen)) <= len(asked):
        clock.advance(1.0)
        await until(lambda seen=seen: len(inner.seen) > seen)
        await until(lambda: throttler.usage(rule).in_flight == 0)
    await asyncio.gather(*waiting)
    return inner.seen[1:]


@pytest.mark.parametrize("kind", [Asynchronous, Synchronous])
@pytest.mark.parametrize("hold", ["start", "response"])
async def test_the_usual_order_is_by_the_function(kind: type[Exchange], hold: str) -> None:
    assert await left(LATE_FIRST, kind, hold) == LATE_FIRST[::-1]


async def test_without_priorities_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await left(LATE_FIRST, priorities=False) == LATE_FIRST
    monkeypatch.setenv(VARIABLE, "off")
    assert await left(LATE_FIRST) == LATE_FIRST


@pytest.mark.parametrize("word", ["GetTicker", "fetch_ticker", "fetchTicker"])
async def test_the_users_words_win_in_any_spelling(word: str) -> None:
    asked = await left(LATE_FIRST, priorities={word: 5})
    assert asked == ["GetTicker", "CancelOrder", "CreateOrder", "GetAccount"]


async def test_words_for_everything_leave_those_for_a_function() -> None:
    asked = await left(LATE_FIRST, priorities={"*": 0, "GetAccount": 1})
    assert asked == ["GetAccount", "GetTicker", "CreateOrder", "CancelOrder"]


async def test_calls_of_one_function_keep_their_order_and_names_of_ones_own_count() -> None:
    names = {"price": "CancelOrder"}
    asked = await left(["GetRecords", "GetTicker", "price"], names=names)
    assert asked == ["price", "GetRecords", "GetTicker"]


@pytest.mark.parametrize("functions", ["Go", "*", "GetTicker,Go"])
def test_a_call_through_go_has_the_priority_of_what_it_runs(functions: str) -> None:
    clock = ManualClock()
    throttler = Throttler([], hold="start", clock=clock)
    inner = Synchronous()
    exchange: Any = limit(inner, throttler=throttler)
    exchange.IO("rate", functions, 1, "1s", "delay")
    exchange.Go("GetTicker").wait()
    running = []
    for number, name in enumerate(LATE_FIRST, start=1):
        running.append(exchange.Go(name))
        while throttler.usage(f"rate:{functions}").waiting < number:
            threading.Event().wait(0.001)
    for call in reversed(running):
        clock.advance(1.0)
        call.wait()
    assert inner.seen[1:] == LATE_FIRST[::-1]


def test_a_word_for_go_is_of_what_has_none_of_its_own() -> None:
    exchange = limit(Synchronous(), priorities={"Go": 9, "CancelOrder": 4, "*": 5})
    limits = object.__getattribute__(exchange, "_limits")
    calls = ("GetTicker", "Go GetTicker", "Go CancelOrder", "Go ")
    assert [limits.priority(call) for call in calls] == [5, 9, 4, 9]


def test_limit_all_and_copies_have_the_same_words() -> None:
    words = {"GetTicker": 7}
    [exchange] = limit_all([Synchronous()], [], priorities=words)
    words["GetTicker"] = 8
    for one in (exchange, copy.copy(exchange), copy.deepcopy(exchange)):
        assert object.__getattribute__(one, "_limits").priority("fetch_ticker") == 7


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        ({"GetTiker": 3}, ValueError, "did you mean 'GetTicker'"),
        ({"GET /depth": 3}, ValueError, "no function is called 'GET /depth'"),
        ({"GetTicker": "3"}, TypeError, "must be a whole number from -1000 to 1000, not '3'"),
        ({"GetTicker": 10**9}, ValueError, "-1000 to 1000"),
        ({"GetTicker": 1, "fetch_ticker": 2}, ValueError, "twice: 1 and 2"),
        (["GetTicker"], TypeError, "must be True, False, or numbers by id"),
        (None, TypeError, "not None"),
    ],
)
def test_words_that_cannot_be_are_refused(words: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        limit(Synchronous(), priorities=words)
