"""Fiat prices are renewed ahead of their end, and no API call waits for CoinGecko."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from peers.freqtrade.bot import Bot, bot_on, until
from sluicegate.testing import CoinGecko, Endpoint, StandInExchange

PRICES = "/coingecko/api/v3/simple/price"
LIST = "/coingecko/api/v3/coins/list"
HOUR = 3_600.0


class HeldCoinGecko(CoinGecko):
    """CoinGecko, whose prices can be held back."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "open", threading.Event())
        object.__setattr__(self, "held", threading.Event())
        self.open.set()

    def serve(self, exchange: StandInExchange, prefix: str = "/coingecko") -> None:
        super().serve(exchange, prefix)
        exchange.add_endpoint(Endpoint("GET", PRICES, {}), self.held_price)

    async def held_price(self, request: web.Request) -> Any:
        self.held.set()
        while not self.open.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        return self.simple_price(request)


@pytest.fixture(scope="module")
def coin_gecko(running_exchange: StandInExchange) -> HeldCoinGecko:
    held = HeldCoinGecko()
    held.serve(running_exchange)
    return held


@pytest.fixture(scope="module")
def running_bot(
    running_exchange: StandInExchange,
    coin_gecko: HeldCoinGecko,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bot]:
    # It looks every twentieth of the error TTL at what is due, by a clock that is not moved.
    settings = {"keep_warm": False, "error_ttl": 1}
    with bot_on(running_exchange, tmp_path_factory.mktemp("fiat"), settings, trades=3) as bot:
        # The first price is waited for.
        assert price(bot) == pytest.approx(1)
        yield bot


@pytest.fixture
def bot(running_bot: Bot, exchange: StandInExchange, coin_gecko: HeldCoinGecko) -> Iterator[Bot]:
    """A bot that has just got the price of its stake currency: a dollar."""
    coin_gecko.prices["tether"] = 1.0
    running_bot.shift(20 * HOUR)
    until(lambda: price(running_bot) == pytest.approx(1), "the price is there again")
    exchange.clear_calls()
    yield running_bot
    coin_gecko.open.set()


def price(bot: Bot) -> float:
    """What a coin of the stake currency costs by the numbers of `/profit`."""
    profit = bot.get("profit")
    return float(profit["profit_all_fiat"] / profit["profit_all_coin"])


def test_prices_are_renewed_ahead_of_their_six_hours(
    bot: Bot, exchange: StandInExchange, coin_gecko: HeldCoinGecko
) -> None:
    for step in range(2, 6):
        coin_gecko.prices["tether"] = float(step)
        exchange.clear_calls()
        bot.shift(5.2 * HOUR)
        until(lambda: exchange.calls(PRICES), "the price is renewed")
        until(lambda: price(bot) == pytest.approx(step), "it is shown")  # noqa: B023
        assert len(exchange.calls(PRICES)) == 1


def test_nobody_waits_for_a_renewal(bot: Bot, coin_gecko: HeldCoinGecko) -> None:
    coin_gecko.open.clear()
    coin_gecko.held.clear()
    coin_gecko.prices["tether"] = 2.0
    bot.shift(5.2 * HOUR)
    until(coin_gecko.held.is_set, "the renewal waits for CoinGecko")
    assert price(bot) == pytest.approx(1)
    bot.shift(1.2 * HOUR)
    # Older than six hours: none, as Freqtrade has it when CoinGecko does not answer.
    assert price(bot) == 0
    coin_gecko.open.set()
    until(lambda: price(bot) == pytest.approx(2), "the price is renewed")


def test_a_price_is_good_for_its_six_hours_while_coin_gecko_fails(
    bot: Bot, exchange: StandInExchange
) -> None:
    exchange.fail(paths=[PRICES, LIST])
    bot.shift(5.2 * HOUR)
    until(lambda: exchange.calls(PRICES), "it was tried to renew the price")
    assert price(bot) == pytest.approx(1)
    bot.shift(0.7 * HOUR)
    assert price(bot) == pytest.approx(1)
    bot.shift(0.2 * HOUR)
    assert price(bot) == 0
    exchange.heal()
    bot.shift(1)
    until(lambda: price(bot) == pytest.approx(1), "the price is there again")
