"""The market of the stand-in exchange: symbols, prices and delisting, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sluicegate.testing import Market, Price, StandInExchange, Symbol
from tests.stand_in.client import ask

ccxt = pytest.importorskip("ccxt")

INVALID = (400, {"code": -1121, "msg": "Invalid symbol."})
PER_SYMBOL = ["ticker/24hr", "ticker/price", "ticker/bookTicker"]


@pytest.fixture
def market() -> Market:
    return Market(["BTC/USDT", "ETH/USDT", Symbol("ADA", "BTC", status="BREAK")])


@pytest.fixture
async def client(market: Market) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        StandInExchange(market=market) as exchange,
        aiohttp.ClientSession(exchange.url) as session,
    ):
        yield session


def batch(*names: str) -> str:
    return json.dumps(names)


async def listed(client: aiohttp.ClientSession) -> dict[str, str]:
    _, info = await ask(client, "exchangeInfo")
    return {symbol["symbol"]: symbol["status"] for symbol in info["symbols"]}


def test_ccxt_reads_every_symbol_as_an_active_spot_market() -> None:
    binance = ccxt.binance()
    binance.options["crossMarginPairsData"] = binance.options["isolatedMarginPairsData"] = []
    symbols = Market.of_size(120).symbols
    assert len(symbols) == 120
    for symbol in symbols:
        read = binance.parse_market(symbol.to_json())
        assert (read["symbol"], read["spot"], read["active"]) == (
            f"{symbol.base}/{symbol.quote}",
            True,
            True,
        )
        assert read["precision"]["price"] == 0.00001
        assert read["limits"]["amount"]["min"] == 0.00001
        assert read["limits"]["cost"]["min"] == 5.0


def test_rules_of_a_symbol_are_what_ccxt_reads() -> None:
    binance = ccxt.binance()
    binance.options["crossMarginPairsData"] = binance.options["isolatedMarginPairsData"] = []
    symbol = Symbol("ETH", "BTC", "HALT", tick_size=0.01, step_size=0.1, min_notional=0.0001)
    read = binance.parse_market(symbol.to_json())
    assert (read["symbol"], read["active"]) == ("ETH/BTC", False)
    assert (read["precision"]["price"], read["precision"]["amount"]) == (0.01, 0.1)
    assert read["limits"]["cost"]["min"] == 0.0001
    assert Symbol("ETH", info={"filters": []}).to_json()["filters"] == []


async def test_all_endpoints_agree_on_a_price_that_was_set(
    client: aiohttp.ClientSession, market: Market
) -> None:
    market.set_prices({"BTC/USDT": Price(50_000, bid=49_990, ask=50_010), "ETHUSDT": 3_000})
    btc = {"symbol": "BTCUSDT"}
    assert (await ask(client, "ticker/price", **btc))[1]["price"] == "50000.00000000"
    for path in ("ticker/24hr", "ticker/bookTicker"):
        _, ticker = await ask(client, path, **btc)
        assert (ticker["bidPrice"], ticker["askPrice"]) == ("49990.00000000", "50010.00000000")
    _, day = await ask(client, "ticker/24hr", **btc)
    assert day["lastPrice"] == "50000.00000000"
    _, book = await ask(client, "depth", **btc)
    assert (book["bids"][0][0], book["asks"][0][0]) == ("49990.00000000", "50010.00000000")
    _, candles = await ask(client, "klines", interval="1h", **btc)
    assert candles[-1][4] == "50000.00000000"
    _, ether = await ask(client, "ticker/bookTicker", symbol="ETHUSDT")
    assert (ether["bidPrice"], ether["askPrice"]) == ("2999.70000000", "3000.30000000")


@pytest.mark.parametrize("path", PER_SYMBOL)
async def test_delisted_symbol_is_refused_alone_and_in_a_batch(
    client: aiohttp.ClientSession, market: Market, path: str
) -> None:
    both = batch("ETHUSDT", "BTCUSDT")
    status, entries = await ask(client, path, symbols=both)
    assert status == 200
    assert [entry["symbol"] for entry in entries] == ["ETHUSDT", "BTCUSDT"]
    market.delist("ETH/USDT")
    assert await ask(client, path, symbol="ETHUSDT") == INVALID
    assert await ask(client, path, symbols=both) == INVALID
    _, entries = await ask(client, path)
    assert [entry["symbol"] for entry in entries] == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "depth"), ("GET", "klines"), ("POST", "order"), ("DELETE", "order")],
)
async def test_every_other_endpoint_refuses_it_too(
    client: aiohttp.ClientSession, market: Market, method: str, path: str
) -> None:
    market.delist("BTCUSDT")
    assert await ask(client, path, method=method, symbol="BTCUSDT") == INVALID
    status, _ = await ask(client, path, method=method, symbol="ETHUSDT")
    assert status == 200


async def test_symbol_that_never_traded_is_listed_and_refused(
    client: aiohttp.ClientSession, market: Market
) -> None:
    assert await ask(client, "ticker/price", symbol="ADABTC") == INVALID
    assert (await listed(client))["ADABTC"] == "BREAK"
    assert market.trading == ("BTCUSDT", "ETHUSDT")
    assert market.pairs == ("BTC/USDT", "ETH/USDT")


async def test_delisted_symbol_is_listed_as_break_or_vanishes_until_it_is_back(
    client: aiohttp.ClientSession, market: Market
) -> None:
    market.delist("BTCUSDT")
    assert (await listed(client))["BTCUSDT"] == "BREAK"
    market.delist("BTCUSDT", vanish=True)
    assert "BTCUSDT" not in await listed(client)
    market.relist("BTCUSDT", "ADA/BTC")
    assert set((await listed(client)).values()) == {"TRADING"}
    assert (await ask(client, "ticker/price", symbol="BTCUSDT"))[0] == 200


async def test_symbol_that_was_never_listed_is_refused(client: aiohttp.ClientSession) -> None:
    assert await ask(client, "ticker/price", symbol="DOGEUSDT") == INVALID
    assert await ask(client, "ticker/price", symbol="BTC/USDT") == INVALID


async def test_without_a_market_any_symbol_is_answered_but_a_delisted_one() -> None:
    async with StandInExchange() as exchange, aiohttp.ClientSession(exchange.url) as client:
        first = await ask(client, "ticker/price", symbol="DOGEUSDT")
        assert first[0] == 200
        assert first == await ask(client, "ticker/price", symbol="DOGEUSDT")
        exchange.market.delist("XRPUSDT")
        assert await ask(client, "ticker/price", symbol="XRPUSDT") == INVALID
        _, book = await ask(client, "depth", symbol="BTCUSDT", limit=5_000)
        assert len(book["bids"]) == 100


@pytest.mark.parametrize(
    ("symbols", "code"),
    [("BTCUSDT", -1100), ('{"BTCUSDT": 1}', -1100), ("[1]", -1100), ("[]", -1105)],
)
async def test_batch_that_is_no_list_of_names_is_refused(
    client: aiohttp.ClientSession, symbols: str, code: int
) -> None:
    status, answer = await ask(client, "ticker/24hr", symbols=symbols)
    assert (status, answer["code"]) == (400, code)


async def test_symbol_and_symbols_exclude_each_other(client: aiohttp.ClientSession) -> None:
    status, answer = await ask(
        client, "ticker/24hr", symbol="BTCUSDT", symbols=batch("BTCUSDT", "ETHUSDT")
    )
    assert (status, answer["code"]) == (400, -1128)


async def test_book_has_as_many_levels_as_asked_for_and_stays_in_order(
    client: aiohttp.ClientSession, market: Market
) -> None:
    market.set_prices({"BTCUSDT": Price(100, bid=1, ask=200)})
    for limit, levels in ((5, 5), (1_000, 1_000), (9_999, 5_000)):
        _, book = await ask(client, "depth", symbol="BTCUSDT", limit=limit)
        bids, asks = ([float(row[0]) for row in book[side]] for side in ("bids", "asks"))
        assert len(bids) == len(asks) == levels
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert (bids[0], asks[0]) == (1, 200)
        assert bids[-1] > 0
    status, answer = await ask(client, "depth", symbol="BTCUSDT", limit="many")
    assert (status, answer["code"]) == (400, -1100)


def refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_market_that_cannot_be_is_refused() -> None:
    refused(lambda: Market([]), "needs at least one symbol")
    refused(lambda: Market("BTC/USDT"), r"a list such as \['BTC/USDT'\], got 'BTC/USDT'")
    refused(lambda: Market(["BTCUSDT"]), "BASE/QUOTE such as 'BTC/USDT', got 'BTCUSDT'")
    refused(lambda: Market(["BTC/USDT", Symbol("BTC")]), "symbol BTCUSDT is there twice")
    refused(lambda: Market(max_levels=0), "max_levels must be a whole number .* got 0")
    refused(lambda: Market.of_size(0), "size must be a whole number from 1 to 1,000,000, got 0")
    refused(lambda: Market.of_size(10**9), "from 1 to 1,000,000, got 1000000000")
    refused(lambda: Market().delist("BTC/USDT", vanish="no"), "must be true or false, got 'no'")
    refused(lambda: Symbol("BTC", status="OPEN"), "one of TRADING, .* got 'OPEN'")
    refused(lambda: Symbol("BTC", tick_size=0), "tick_size of BTCUSDT must be at least 1e-08")


def test_price_that_cannot_be_is_refused() -> None:
    refused(lambda: Price(0), "last must be a price of at least 1e-08 .*, got 0")
    refused(lambda: Price(float("nan")), "got nan")
    refused(lambda: Price(5, bid=-1), "bid must be a price of at least 1e-08 .*, got -1")
    refused(lambda: Price(10**400), "at most 1e.15.*, got 1000")
    refused(lambda: Price(5, bid=6), "bid must be at most ask, got bid 6 and ask 5")


def test_change_that_names_an_unknown_symbol_changes_nothing(market: Market) -> None:
    before = market.price("BTCUSDT")
    unknown = "no symbol 'DOGEUSDT': it has 3, such as BTCUSDT"
    refused(lambda: market.delist("BTCUSDT", "DOGEUSDT"), unknown)
    refused(lambda: market.set_prices({"BTCUSDT": 1, "DOGE/USDT": 1}), unknown)
    assert market.trades("BTCUSDT")
    assert market.price("BTCUSDT") == before
