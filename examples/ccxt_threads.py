"""Many threads of one script on one budget: run it with `python ccxt_threads.py [URL]`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import ccxt

import sluicegate.ccxt

sluicegate.ccxt.install()

exchange = ccxt.binance()
if len(sys.argv) > 1:  # a stand-in exchange, such as http://127.0.0.1:8080
    exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], f"{sys.argv[1]}/api/v3")


def depth(symbol: str) -> int:
    """How many bids there are."""
    book = exchange.publicGetDepth({"symbol": symbol, "limit": 5000})
    return len(book["bids"])


with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(depth, ["BTCUSDT", "ETHUSDT", "BNBUSDT"] * 6)), "bids")
weight = sluicegate.ccxt.usage(exchange)["REQUEST_WEIGHT"]
print(f"{weight.used} of {weight.limit} weight is used")
