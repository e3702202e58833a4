"""CoinGecko's stand-in, at the address of the exchange."""

from __future__ import annotations

from typing import Any

import aiohttp

from sluicegate.testing import CoinGecko, StandInExchange


async def get(client: aiohttp.ClientSession, path: str, **query: str) -> Any:
    async with client.get(f"/coingecko/api/v3/{path}", params=query) as response:
        assert response.status == 200
        return await response.json()


async def test_coins_and_prices_are_answered_and_counted_and_cost_nothing() -> None:
    gecko = CoinGecko(coins={"usd-coin": "usdc"}, prices={"usd-coin": 2.0})
    async with StandInExchange() as exchange, aiohttp.ClientSession(exchange.url) as client:
        gecko.serve(exchange)
        assert await get(client, "coins/list") == [
            {"id": "usd-coin", "symbol": "usdc", "name": "Usd Coin"}
        ]
        price = {"ids": "usd-coin,nonsense", "vs_currencies": "usd,EUR,xyz"}
        assert await get(client, "simple/price", **price) == {"usd-coin": {"usd": 2.0, "eur": 1.8}}
        gecko.prices["usd-coin"] = 4.0
        assert (await get(client, "simple/price", **price))["usd-coin"]["usd"] == 4.0
        seen = exchange.statistics()
        assert seen.calls == {
            "GET /coingecko/api/v3/coins/list": 1,
            "GET /coingecko/api/v3/simple/price": 2,
        }
        assert seen.limit("REQUEST_WEIGHT").used == 0


def test_every_coin_that_is_there_by_default_has_a_price() -> None:
    gecko = CoinGecko()
    assert gecko.coins.keys() == gecko.prices.keys()
