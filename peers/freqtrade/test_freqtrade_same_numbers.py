"""The same trades and prices give the same numbers as in a bot without the drop-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from peers.freqtrade.bot import Bot, bot_on, price_calls
from sluicegate.testing import Price, StandInExchange

TRADES = 30
TICKERS, BEST, DEPTH = "/api/v3/ticker/24hr", "/api/v3/ticker/bookTicker", "/api/v3/depth"

PRICINGS = {
    "tickers": ({"price_side": "same", "use_order_book": False}, {(TICKERS, TRADES): 1}),
    "tickers and the last price": (
        {"price_side": "other", "use_order_book": False, "price_last_balance": 0.25},
        {(TICKERS, TRADES): 1},
    ),
    "top of the book": (
        {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        {(BEST, TRADES): 1},
    ),
    "third level of the book": (
        {"price_side": "ask", "use_order_book": True, "order_book_top": 3},
        {(DEPTH, 1): TRADES},
    ),
}

#: What tells the time, or which of the two it is.
LEFT_OUT = ("bot_start_timestamp", "bot_start_date")


@pytest.fixture(scope="module")
def bots(
    running_exchange: StandInExchange, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Bot, Bot]]:
    """A bot without the drop-in and one with it, with the same trades."""
    exchange, folder = running_exchange, tmp_path_factory.mktemp("same-numbers")
    opened = ("--opened", str(datetime.now(UTC) - timedelta(hours=1)))
    stock = bot_on(exchange, folder, None, "--stock", *opened, trades=TRADES)
    ours = bot_on(exchange, folder, {"keep_warm": False}, *opened, trades=TRADES)
    for bot in (stock, ours):
        bot.start()
    with stock, ours:
        yield stock, ours
        for bot in (stock, ours):
            bot.interrupt()


def numbers(bot: Bot) -> dict[str, Any]:
    """All that the REST server tells of trades, but for the time."""
    answers = {path: bot.get(path) for path in ("status", "profit", "balance")}
    return {path: _without_times(answer) for path, answer in answers.items()}


def _without_times(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_without_times(one) for one in answer]
    if not isinstance(answer, Mapping):
        return answer
    return {name: _without_times(one) for name, one in answer.items() if name not in LEFT_OUT}


def spread(exchange: StandInExchange) -> None:
    """Prices at which it matters which of them is taken; the last is above, within or below."""
    market = exchange.market
    market.set_prices(
        {
            pair: Price(100 + n, bid=100 + n + lean, ask=101 + n + lean)
            for n, pair in enumerate(market.pairs)
            for lean in [(n % 3 - 1) * 1.5]
        }
    )


@pytest.mark.parametrize("name", PRICINGS)
def test_each_way_of_pricing(name: str, exchange: StandInExchange, bots: tuple[Bot, Bot]) -> None:
    stock, ours = bots
    pricing, asked = PRICINGS[name]
    spread(exchange)
    for bot in bots:
        bot.reload(entry_pricing=pricing, exit_pricing=pricing)
    exchange.clear_calls()
    ours.get("profit")
    calls = [(call.path, len(call.symbols)) for call in price_calls(exchange)]
    assert {call: calls.count(call) for call in calls} == asked
    assert numbers(ours) == numbers(stock)


def test_delisted_pairs(exchange: StandInExchange, bots: tuple[Bot, Bot]) -> None:
    stock, ours = bots
    pricing, _ = PRICINGS["tickers"]
    for bot in bots:
        bot.reload(entry_pricing=pricing, exit_pricing=pricing)
    exchange.market.delist(*exchange.market.pairs[3:8])
    found = numbers(ours)
    assert [trade["current_rate"] for trade in found["status"]].count(None) == 5
    assert found["profit"]["profit_all_coin"] is None
    assert found == numbers(stock)
