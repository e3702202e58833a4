"""What Binance's endpoints answer: plausible values, the same ones for the same question."""

import json
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web

from sluicegate.testing.interval import interval_parts
from sluicegate.testing.table import Table

Handler = Callable[[web.Request], Any | Awaitable[Any]]
"""Answers a request: with a `web.Response`, or with anything that JSON can hold."""

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT")
DEPTH = 100
"""Levels on either side of an order book, however many are asked for: it keeps answers small."""


def binance_handlers(table: Table) -> Mapping[tuple[str, str], Handler]:
    """A handler for each of Binance spot's endpoints that the ready-made table has."""
    return {
        ("GET", "/api/v3/ping"): lambda _: {},
        ("GET", "/api/v3/time"): lambda _: {"serverTime": _milliseconds()},
        ("GET", "/api/v3/exchangeInfo"): lambda _: {
            "timezone": "UTC",
            "serverTime": _milliseconds(),
            "rateLimits": rate_limits(table),
            "exchangeFilters": [],
            "symbols": [_symbol_info(symbol) for symbol in SYMBOLS],
        },
        ("GET", "/api/v3/depth"): _depth,
        ("GET", "/api/v3/klines"): _klines,
        ("GET", "/api/v3/ticker/24hr"): lambda request: _per_symbol(request, _day),
        ("GET", "/api/v3/ticker/price"): lambda request: _per_symbol(request, _price),
        ("GET", "/api/v3/ticker/bookTicker"): lambda request: _per_symbol(request, _book),
        ("POST", "/api/v3/order"): lambda request: _order(request, "NEW"),
        ("DELETE", "/api/v3/order"): lambda request: _order(request, "CANCELED"),
    }


def rate_limits(table: Table) -> list[dict[str, Any]]:
    """The table's limits as `exchangeInfo` lists them.

    A scaled table has scaled intervals here, too; one that is no whole number of seconds gets an
    `intervalNum` with a fraction, which Binance itself never has.
    """
    listed = []
    for limit in table.limits:
        interval, number = interval_parts(limit.interval)
        kind = "ORDERS" if limit.name.startswith("ORDERS") else limit.name
        listed.append(
            {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": limit.limit,
            }
        )
    return listed


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=1024)
def _quote(symbol: str) -> float:
    """A price for any symbol, always the same one."""
    return 1 + zlib.crc32(symbol.encode()) % 100_000 / 10


def _depth(request: web.Request) -> web.Response:
    limit = request.query.get("limit", "100")
    levels = min(int(limit), DEPTH) if limit.isdecimal() else DEPTH
    return _json(_order_book(request.query.get("symbol", SYMBOLS[0]), levels))


def _json(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/json")


# The large answers are kept as text: writing them anew for each request would take the event loop
# longer than all the rest, and so distort the instants at which other requests arrive.
@lru_cache(maxsize=256)
def _order_book(symbol: str, levels: int) -> str:
    price = _quote(symbol)
    return json.dumps(
        {
            "lastUpdateId": 1_027_024,
            "bids": [[f"{price * (1 - i / 1e4):.8f}", "1.00000000"] for i in range(1, levels + 1)],
            "asks": [[f"{price * (1 + i / 1e4):.8f}", "1.00000000"] for i in range(1, levels + 1)],
        }
    )


def _klines(request: web.Request) -> web.Response:
    limit = request.query.get("limit", "500")
    count = min(int(limit), DEPTH) if limit.isdecimal() else DEPTH
    minute = _milliseconds() // 60_000
    return _json(_candles(request.query.get("symbol", SYMBOLS[0]), count, minute))


@lru_cache(maxsize=256)
def _candles(symbol: str, count: int, minute: int) -> str:
    price = f"{_quote(symbol):.8f}"
    one = "1.00000000"
    candles = []
    for start in range((minute - count + 1) * 60_000, (minute + 1) * 60_000, 60_000):
        ohlcv = [price, price, price, price, one]
        candles.append([start, *ohlcv, start + 59_999, price, 1, one, price, "0"])
    return json.dumps(candles)


def _per_symbol(request: web.Request, entry: Callable[[str], dict[str, Any]]) -> Any:
    symbol = request.query.get("symbol")
    return entry(symbol) if symbol else [entry(symbol) for symbol in SYMBOLS]


def _price(symbol: str) -> dict[str, Any]:
    return {"symbol": symbol, "price": f"{_quote(symbol):.8f}"}


def _book(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bidPrice": f"{_quote(symbol) * 0.9999:.8f}",
        "bidQty": "1.00000000",
        "askPrice": f"{_quote(symbol) * 1.0001:.8f}",
        "askQty": "1.00000000",
    }


def _day(symbol: str) -> dict[str, Any]:
    price = f"{_quote(symbol):.8f}"
    now = _milliseconds()
    return {
        **_book(symbol),
        **dict.fromkeys(
            (
                "weightedAvgPrice",
                "prevClosePrice",
                "lastPrice",
                "openPrice",
                "highPrice",
                "lowPrice",
            ),
            price,
        ),
        "priceChange": "0.00000000",
        "priceChangePercent": "0.000",
        "lastQty": "1.00000000",
        "volume": "1.00000000",
        "quoteVolume": price,
        "openTime": now - 86_400_000,
        "closeTime": now,
        "firstId": 1,
        "lastId": 1,
        "count": 1,
    }


def _symbol_info(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [],
        "permissions": ["SPOT"],
    }


async def _order(request: web.Request, status: str) -> dict[str, Any]:
    given = {**request.query, **await request.post()}
    return {
        "symbol": str(given.get("symbol", SYMBOLS[0])),
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": str(given.get("newClientOrderId", "stand-in")),
        "transactTime": _milliseconds(),
        "price": str(given.get("price", "0.00000000")),
        "origQty": str(given.get("quantity", "1.00000000")),
        "executedQty": "0.00000000",
        "status": status,
        "timeInForce": str(given.get("timeInForce", "GTC")),
        "type": str(given.get("type", "LIMIT")),
        "side": str(given.get("side", "BUY")),
    }
