"""The answers of Binance's endpoints: plausible values, the same ones for the same request."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web

from sluicegate.tables.interval import interval_parts
from sluicegate.tables.table import Table
from sluicegate.testing.calls import read_symbols
from sluicegate.testing.candles import INTERVALS, opening, span
from sluicegate.testing.market import Market
from sluicegate.testing.price import Price
from sluicegate.testing.refusal import (
    bad_combination,
    empty,
    illegal_characters,
    invalid_interval,
    invalid_symbol,
    malformed,
)
from sluicegate.testing.server_clock import ServerClock
from sluicegate.testing.symbol import decimal

Handler = Callable[[web.Request], Any | Awaitable[Any]]
"""Answers a request: with a `web.Response`, or with anything that JSON can hold.

It may raise a `RefusedError` (see there), which is answered as Binance answers errors.
"""

ONE = "1.00000000"
LAST_PRICES = (
    "weightedAvgPrice",
    "prevClosePrice",
    "lastPrice",
    "openPrice",
    "highPrice",
    "lowPrice",
)
"""What `ticker/24hr` answers that is the last price here, as if it had stood for a day."""


def binance_handlers(
    table: Callable[[], Table], market: Market, clock: ServerClock
) -> Mapping[tuple[str, str], Handler]:
    """A handler for each of Binance spot's endpoints that the ready-made table has."""
    answers = BinanceAnswers(table, market, clock)
    return {
        ("GET", "/api/v3/ping"): lambda _: {},
        ("GET", "/api/v3/time"): lambda _: {"serverTime": clock.milliseconds()},
        ("GET", "/api/v3/exchangeInfo"): answers.exchange_info,
        ("GET", "/api/v3/depth"): answers.depth,
        ("GET", "/api/v3/klines"): answers.klines,
        ("GET", "/api/v3/ticker/24hr"): lambda request: answers.per_symbol(request, answers.day),
        ("GET", "/api/v3/ticker/price"): lambda request: answers.per_symbol(request, _last),
        ("GET", "/api/v3/ticker/bookTicker"): lambda request: answers.per_symbol(request, _best),
        ("POST", "/api/v3/order"): lambda request: answers.order(request, "NEW"),
        ("DELETE", "/api/v3/order"): lambda request: answers.order(request, "CANCELED"),
    }


class BinanceAnswers:
    """Answers about one market.

    A symbol that a request leaves out where Binance wants one is the market's first.
    """

    def __init__(self, table: Callable[[], Table], market: Market, clock: ServerClock) -> None:
        """Answers with the limits as they are, the prices of this market, and this clock's time."""
        self._table = table
        self._market = market
        self._clock = clock

    def exchange_info(self, _: web.Request) -> dict[str, Any]:
        """The limits and all symbols that are listed."""
        return {
            "timezone": "UTC",
            "serverTime": self._clock.milliseconds(),
            "rateLimits": rate_limits(self._table()),
            "exchangeFilters": [],
            "symbols": [symbol.to_json() for symbol in self._market.symbols],
        }

    def depth(self, request: web.Request) -> web.Response:
        """The order book; `limit` above the market's most levels is answered with those."""
        price = self._price(request.query.get("symbol"))
        most = self._market.max_levels
        return _json(_order_book(price, min(_whole(request, "limit") or 100, most)))

    def klines(self, request: web.Request) -> web.Response:
        """Candles that stand at the last price; `interval` is a minute if it is left out."""
        price = self._price(request.query.get("symbol"))
        interval = request.query.get("interval", "1m")
        if interval not in INTERVALS:
            raise invalid_interval()
        candles = span(
            interval,
            now=self._clock.milliseconds(),
            limit=min(_whole(request, "limit") or 500, self._market.max_candles),
            start=_whole(request, "startTime"),
            end=_whole(request, "endTime"),
        )
        return _json(_candles(price.last, interval, candles))

    def per_symbol(
        self, request: web.Request, entry: Callable[[str, Price], dict[str, Any]]
    ) -> Any:
        """One entry for `symbol`; a list for `symbols` or, without either, for all that trade."""
        symbol, symbols = request.query.get("symbol"), request.query.get("symbols")
        if symbol and symbols:
            raise bad_combination()
        if symbol:
            return entry(symbol, self._price(symbol))
        names = self._market.trading if symbols is None else _names(symbols)
        # All prices first: one symbol that does not trade has the whole request refused.
        prices = [self._price(name) for name in names]
        return [entry(name, price) for name, price in zip(names, prices, strict=True)]

    def day(self, symbol: str, price: Price) -> dict[str, Any]:
        """What `ticker/24hr` tells of a symbol."""
        last = decimal(price.last)
        now = self._clock.milliseconds()
        return {
            **_best(symbol, price),
            **dict.fromkeys(LAST_PRICES, last),
            "priceChange": "0.00000000",
            "priceChangePercent": "0.000",
            "lastQty": ONE,
            "volume": ONE,
            "quoteVolume": last,
            "openTime": now - 86_400_000,
            "closeTime": now,
            "firstId": 1,
            "lastId": 1,
            "count": 1,
        }

    async def order(self, request: web.Request, status: str) -> dict[str, Any]:
        """An order as it was given, which is never filled."""
        try:
            given = {**request.query, **await request.post()}
        except (LookupError, ValueError, web.RequestPayloadError):
            raise malformed("symbol") from None
        symbol = str(given.get("symbol", self._first()))
        self._price(symbol)
        return {
            "symbol": symbol,
            "orderId": 28,
            "orderListId": -1,
            "clientOrderId": str(given.get("newClientOrderId", "stand-in")),
            "transactTime": self._clock.milliseconds(),
            "price": str(given.get("price", "0.00000000")),
            "origQty": str(given.get("quantity", ONE)),
            "executedQty": "0.00000000",
            "status": status,
            "timeInForce": str(given.get("timeInForce", "GTC")),
            "type": str(given.get("type", "LIMIT")),
            "side": str(given.get("side", "BUY")),
        }

    def _price(self, symbol: str | None) -> Price:
        name = self._first() if symbol is None else symbol
        if not name or "/" in name or not self._market.trades(name):
            raise invalid_symbol()
        return self._market.price(name)

    def _first(self) -> str:
        symbols = self._market.symbols
        return symbols[0].name if symbols else ""


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


def _whole(request: web.Request, parameter: str) -> int | None:
    text = request.query.get(parameter)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,20}", text):
        raise illegal_characters(parameter, "^[0-9]{1,20}$")
    return int(text)


def _names(symbols: str) -> tuple[str, ...]:
    try:
        names = read_symbols(symbols)
    except ValueError:
        raise illegal_characters("symbols", '["BTCUSDT","ETHUSDT"]') from None
    if not names:
        raise empty("symbols")
    return names


def _json(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/json")


# The large answers are kept as text: writing them anew for each request would take the event loop
# longer than all the rest, and so distort the instants at which other requests arrive.
@lru_cache(maxsize=128)
def _order_book(price: Price, levels: int) -> str:
    # Steps of a hundredth of a percent of the price in the middle, where bid and ask are the
    # default ones; from any other bid, too, 5,000 levels stay above 0.
    down, up = price.bid / 9_999, price.ask / 10_001
    return json.dumps(
        {
            "lastUpdateId": 1_027_024,
            "bids": [[decimal(price.bid - i * down), ONE] for i in range(levels)],
            "asks": [[decimal(price.ask + i * up), ONE] for i in range(levels)],
        }
    )


@lru_cache(maxsize=128)
def _candles(last: float, interval: str, numbers: range) -> str:
    price = decimal(last)
    ohlcv = [price, price, price, price, ONE]
    candles = []
    for number in numbers:
        opens, next_opens = opening(interval, number), opening(interval, number + 1)
        candles.append([opens, *ohlcv, next_opens - 1, price, 1, ONE, price, "0"])
    return json.dumps(candles)


def _last(symbol: str, price: Price) -> dict[str, Any]:
    return {"symbol": symbol, "price": decimal(price.last)}


def _best(symbol: str, price: Price) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bidPrice": decimal(price.bid),
        "bidQty": ONE,
        "askPrice": decimal(price.ask),
        "askQty": ONE,
    }
