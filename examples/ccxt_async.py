"""Two asynchronous objects on one budget: run it with `python ccxt_async.py [URL]`."""

from __future__ import annotations

import asyncio
import sys

import ccxt.async_support as ccxt

import sluicegate.ccxt

sluicegate.ccxt.install()


async def main() -> None:
    """Ask through both objects at once."""
    exchanges = [ccxt.binance(), ccxt.binance()]
    for exchange in exchanges:
        if len(sys.argv) > 1:  # a stand-in exchange, such as http://127.0.0.1:8080
            exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], f"{sys.argv[1]}/api/v3")
    calls = [exchange.publicGetTickerPrice() for exchange in exchanges for _ in range(10)]
    print(len(await asyncio.gather(*calls)), "answers")
    weight = sluicegate.ccxt.usage(exchanges[0])["REQUEST_WEIGHT"]
    print(f"{weight.used} of {weight.limit} weight is used")
    for exchange in exchanges:
        await exchange.close()


asyncio.run(main())
