"""Several API callers at once, while the bot's own loop runs."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import web

from peers.freqtrade.bot import Bot, bot_on, price_calls, until
from sluicegate.testing import Endpoint, StandInExchange
from sluicegate.testing.answers import binance_handlers
from sluicegate.testing.server_clock import ServerClock

TICKERS = "/api/v3/ticker/24hr"
TRADES = 12
CALLERS = 8
TTL = 300


class Gate:
    """Holds the exchange's answers for tickers: those about one pair, or those about several."""

    def __init__(self, exchange: StandInExchange) -> None:
        handlers = binance_handlers(lambda: exchange.table, exchange.market, ServerClock())
        self._answer: Any = handlers["GET", TICKERS]
        self._open = {"one": threading.Event(), "several": threading.Event()}
        self.held: Counter[str] = Counter()
        self.open_all()
        weights = {"REQUEST_WEIGHT": 2, "RAW_REQUESTS": 1}
        exchange.add_endpoint(Endpoint("GET", TICKERS, weights, id="held"), self._serve)

    def hold(self, kind: str) -> None:
        self._open[kind].clear()

    def open(self, kind: str) -> None:
        self._open[kind].set()

    def open_all(self) -> None:
        for gate in self._open.values():
            gate.set()

    async def _serve(self, request: web.Request) -> Any:
        kind = {"symbol": "one", "symbols": "several"}.get("".join(request.query))
        if kind is not None and not self._open[kind].is_set():
            self.held[kind] += 1
            while not self._open[kind].is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.005)
        return self._answer(request)


@pytest.fixture
def gate(exchange: StandInExchange) -> Iterator[Gate]:
    gate = Gate(exchange)
    yield gate
    gate.open_all()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CALLERS) as callers:
        yield callers


@pytest.fixture(scope="module")
def running_bot(
    running_exchange: StandInExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("callers")
    with bot_on(running_exchange, folder, {"keep_warm": False}, trades=TRADES) as bot:
        yield bot


@pytest.fixture
def bot(running_bot: Bot, exchange: StandInExchange, gate: Gate) -> Iterator[Bot]:
    """A bot with open trades of which no rate is known, and whose loop does not run yet."""
    running_bot.shift(TTL)
    exchange.clear_calls()
    yield running_bot
    gate.open_all()
    running_bot.post("stop")
    until(lambda: running_bot.get("show_config")["state"] == "stopped", "the loop has stopped")


def begin_to_trade(bot: Bot, exchange: StandInExchange) -> None:
    """Lets its loop run, which asks for each open trade's ticker in each round."""
    bot.post("start")
    exchange.clear_calls()
    until(lambda: rounds(exchange) >= 1, "the loop runs")


def rounds(exchange: StandInExchange) -> int:
    """How often the loop has asked for the ticker of its last trade."""
    last = exchange.market.pairs[TRADES - 1].replace("/", "")
    return sum(call.symbols == (last,) for call in price_calls(exchange))


def loads(exchange: StandInExchange) -> list[int]:
    """How many pairs each call named that asked for several.

    (In between, Freqtrade asks for all tickers, without a name, to value its wallet.)
    """
    return [len(c.symbols) for c in price_calls(exchange) if "symbols" in c.query]


def test_callers_at_once_share_one_load(
    bot: Bot, exchange: StandInExchange, gate: Gate, callers: ThreadPoolExecutor
) -> None:
    joined = bot.tell("joined")
    gate.hold("several")
    answers = [callers.submit(bot.get, "profit") for _ in range(CALLERS)]
    until(
        lambda: bot.tell("joined") - joined >= (CALLERS - 1) * TRADES,
        "all callers wait for one load",
    )
    gate.open("several")
    profits = [answer.result()["profit_all_coin"] for answer in answers]
    assert profits == [profits[0]] * CALLERS
    assert profits[0] is not None
    assert [len(call.symbols) for call in price_calls(exchange)] == [TRADES]
    assert gate.held["several"] == 1


def test_the_loop_goes_on_while_callers_wait(
    bot: Bot, exchange: StandInExchange, gate: Gate, callers: ThreadPoolExecutor
) -> None:
    begin_to_trade(bot, exchange)
    # The loop stands still for a moment, so that it is the callers who find no rate.
    gate.hold("one")
    gate.hold("several")
    until(lambda: gate.held["one"], "the loop asks")
    bot.shift(TTL)
    answers = [callers.submit(bot.get, path) for path in ("profit", "status") * 2]
    until(lambda: gate.held["several"], "the callers' load is under way")

    exchange.clear_calls()
    gate.open("one")
    until(lambda: rounds(exchange) >= 2, "the loop has gone on for some rounds")
    assert loads(exchange) == []
    assert not any(answer.done() for answer in answers)
    gate.open("several")
    for answer in answers:
        assert answer.result()
    assert loads(exchange) == [TRADES]
    rates = [trade["current_rate"] for trade in answers[1].result()]
    assert rates == pytest.approx(
        [exchange.market.price(pair).ask for pair in exchange.market.pairs[:TRADES]]
    )


def test_no_ccxt_object_is_used_by_two_threads_at_once(
    bot: Bot, exchange: StandInExchange, callers: ThreadPoolExecutor
) -> None:
    begin_to_trade(bot, exchange)
    exchange.latency = (0, 0.02)
    for _ in range(10):
        bot.shift(TTL)
        answers = [callers.submit(bot.get, path) for path in ("profit", "status") * 4]
        for answer in answers:
            assert answer.result()
    used = bot.tell("used")
    assert used["overlaps"] == []
    assert ["sluicegate-rates"] in used["asynchronous"]
    assert all(len(threads) == 1 for threads in used["asynchronous"])


def test_the_rates_that_the_loop_loads_are_the_callers_too(
    bot: Bot, exchange: StandInExchange, gate: Gate
) -> None:
    begin_to_trade(bot, exchange)
    until(lambda: rounds(exchange) >= 2, "the loop has gone through all trades")
    # A caller that asked the exchange for several pairs now would be held.
    gate.hold("several")
    exchange.clear_calls()
    assert bot.get("profit")["profit_all_coin"] is not None
    assert loads(exchange) == []
