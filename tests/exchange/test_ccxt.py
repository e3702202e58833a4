"""Real ccxt exchanges, with answers of our own, and any other asynchronous object."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any
from unittest.mock import AsyncMock

import pytest

from tests.exchange.fmz import World
from tests.helpers.loops import settle

ccxt = pytest.importorskip("ccxt")
ccxt_async = pytest.importorskip("ccxt.async_support")


class Sync(ccxt.Exchange):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def describe(self) -> Any:
        return self.deep_extend(
            super().describe(), {"id": "stand-in", "has": {"fetchStatus": True}}
        )

    def fetch_ticker(self, symbol: str, params: Any = None) -> Any:
        self.seen.append("fetch_ticker")
        return {"symbol": symbol}

    def fetch_ohlcv(self, *args: Any) -> Any:
        self.seen.append("fetch_ohlcv")
        return []

    def fetch_balance(self, params: Any = None) -> Any:
        self.seen.append("fetch_balance")
        return {}

    def fetch_status(self, params: Any = None) -> Any:
        self.seen.append("fetch_status")
        return {}

    def create_order(self, *args: Any, **kwargs: Any) -> Any:
        self.seen.append("create_order")
        return {"id": "1"}


class Async(ccxt_async.Exchange):  # type: ignore[misc]
    async def fetch_ticker(self, symbol: str, params: Any = None) -> Any:
        await asyncio.sleep(0)
        return {"symbol": symbol}


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("name", ["GetTicker", "fetch_ticker", "fetchTicker"])
def test_all_spellings_name_all_spellings(world: World, name: str) -> None:
    exchange = world.limit(Sync())
    exchange.IO("rate", name, 2, "1s")
    assert exchange.fetch_ticker("BTC/USDT") == {"symbol": "BTC/USDT"}
    assert exchange.fetchTicker("BTC/USDT") == {"symbol": "BTC/USDT"}
    assert exchange.fetch_ticker("BTC/USDT") is None
    assert exchange.fetchTicker("BTC/USDT") is None
    assert exchange.seen == ["fetch_ticker", "fetch_ticker"]


def test_names_of_ccxt_limit_the_functions_of_fmz(world: World) -> None:
    world.exchange.IO("rate", "fetchTicker", 1, "1s")
    assert [world.exchange.GetTicker() is None for _ in range(2)] == [False, True]


def test_candles_are_get_records_in_ccxts_own_spelling(world: World) -> None:
    exchange = world.limit(Sync())
    exchange.IO("rate", "GetRecords", 1, "1s")
    assert (exchange.fetchOHLCV("BTC/USDT"), exchange.fetch_ohlcv("BTC/USDT")) == ([], None)


@pytest.mark.parametrize("name", ["GetAccount", "GetAssets"])
def test_a_balance_is_account_and_assets(world: World, name: str) -> None:
    exchange = world.limit(Sync())
    exchange.IO("rate", name, 1, "1s")
    assert (exchange.fetch_balance(), exchange.fetch_balance()) == ({}, None)


def test_every_way_to_make_an_order_is_charged_once(world: World) -> None:
    exchange = world.limit(Sync())
    exchange.IO("rate", "CreateOrder", 3, "1s")
    assert exchange.create_order("BTC/USDT", "market", "buy", 1)
    assert exchange.create_limit_buy_order("BTC/USDT", 1, 50000)
    assert exchange.createMarketSellOrder("BTC/USDT", 1)
    assert exchange.create_market_order("BTC/USDT", "buy", 1) is None
    assert world.throttler.usage("rate:CreateOrder").used == 3


def test_the_star_counts_what_ccxt_lists(world: World) -> None:
    exchange = world.limit(Sync())
    exchange.IO("rate", "*", 2, "1s")
    assert exchange.fetch_status() == {}
    assert exchange.fetch_ticker("BTC/USDT")
    assert exchange.fetch_ticker("BTC/USDT") is None
    # What only computes is free.
    assert exchange.safe_string({"a": 1}, "a") == "1"
    assert exchange.milliseconds() > 0
    assert isinstance(exchange, ccxt.Exchange)
    assert repr(exchange) == repr(exchange._inner)


async def test_asynchronous_calls_give_an_awaitable_of_none_when_over(world: World) -> None:
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 2, "1s")
    calls = [exchange.fetch_ticker("BTC/USDT") for _ in range(3)]
    assert all(inspect.isawaitable(call) for call in calls)
    assert inspect.iscoroutinefunction(exchange.fetch_ticker)
    results = await asyncio.gather(*calls)
    assert results == [{"symbol": "BTC/USDT"}] * 2 + [None]
    assert "fetch_ticker was not sent" in str(exchange.last_error)
    await exchange.close()


async def test_a_call_counts_when_it_starts_not_when_it_is_made(world: World) -> None:
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 1, "1s")
    call = exchange.fetch_ticker("BTC/USDT")
    call.close()
    assert await exchange.fetch_ticker("BTC/USDT")
    await exchange.close()


@pytest.mark.parametrize("hold", ["start", "response"])
async def test_asynchronous_calls_wait_their_turn_in_order(hold: str) -> None:
    world = World(hold=hold)
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 2, "1s", "delay")
    done: list[int] = []

    async def ask(number: int) -> None:
        assert await exchange.fetch_ticker("BTC/USDT")
        done.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(5)]
    for expected in (2, 4, 5):
        for _ in range(20):
            await asyncio.sleep(0)
        assert done == list(range(expected))
        world.clock.advance(1)
    await asyncio.gather(*tasks)
    await exchange.close()


async def test_a_cancelled_call_leaves_no_charge_and_no_place() -> None:
    world = World(hold="response")
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    assert await exchange.fetch_ticker("BTC/USDT")
    call = asyncio.create_task(exchange.fetch_ticker("BTC/USDT"))
    await settle()
    assert world.waiting() == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    usage = world.throttler.usage("rate:GetTicker")
    assert (usage.waiting, usage.in_flight, usage.used) == (0, 0, 1)
    await exchange.close()


async def test_go_schedules_asynchronous_functions(world: World) -> None:
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 2, "1s")
    tasks = [exchange.Go("fetch_ticker", "BTC/USDT") for _ in range(3)]
    assert world.throttler.usage("rate:GetTicker").used == 2
    assert [await task.wait() for task in tasks] == [{"symbol": "BTC/USDT"}] * 2 + [None]
    await exchange.close()


async def test_go_may_wait_in_the_event_loop(world: World) -> None:
    exchange = world.limit(Async())
    exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    first, second = (exchange.Go("fetch_ticker", "BTC/USDT") for _ in range(2))
    assert await first.wait() == {"symbol": "BTC/USDT"}
    assert await second.wait(1) is None
    world.clock.advance(1)
    assert await second.wait() == {"symbol": "BTC/USDT"}
    await exchange.close()


async def test_an_object_entered_asynchronously_is_limited_still(world: World) -> None:
    async with world.limit(Async()) as exchange:
        exchange.IO("rate", "GetTicker", 1, "1s")
        assert await exchange.fetch_ticker("BTC/USDT")
        assert await exchange.fetch_ticker("BTC/USDT") is None


async def test_any_asynchronous_object_may_be_limited(world: World) -> None:
    client = AsyncMock()
    client.GetTicker.return_value = "ticker"
    exchange = world.limit(client)
    exchange.IO("rate", "GetTicker", 1, "1s")
    assert [await exchange.GetTicker(), await exchange.GetTicker()] == ["ticker", None]


async def test_an_object_may_be_declared_asynchronous(world: World) -> None:
    class Client:
        def GetTicker(self) -> Any:
            return asyncio.sleep(0, "ticker")

    exchange = world.limit(Client(), asynchronous=True)
    exchange.IO("rate", "GetTicker", 1, "1s")
    assert [await exchange.GetTicker(), await exchange.GetTicker()] == ["ticker", None]
