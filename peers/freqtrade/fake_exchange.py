"""`FakeApi`, an exchange whose every answer a test decides, and `FakeBot`, a bot on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import ccxt
from freqtrade.exceptions import PricingError

from sluicegate.freqtrade.rates import Rates
from sluicegate.freqtrade.settings import Settings

Answer = float | Exception | Callable[[], Any]


PAIRS = [f"COIN{number}/USDT" for number in range(120)]
FIRST, SECOND, LAST = PAIRS[0], PAIRS[1], PAIRS[-1]

DELISTED = ccxt.BadSymbol("Invalid symbol.")
DOWN = ccxt.NetworkError("no route")
BANNED = ccxt.DDoSProtection("418")


class FakeApi:
    """A ccxt object. What it is asked for is kept in `calls`, as (method, pairs)."""

    def __init__(self, prices: Mapping[str, Answer]) -> None:
        """Answers with these prices, raises these errors, or does these things first."""
        self.prices = dict(prices)
        #: What calls for many do in place of telling the prices: as for one pair.
        self.named: Answer | None = None
        self.unnamed: Answer | None = None
        self.markets = {pair: {"active": True} for pair in prices}
        self.has = {"fetchTickers": True, "fetchTicker": True}
        self.options: dict[str, Any] = {}
        self.rateLimit = 50
        self.throttle: Any = None
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    def asked(self, method: str) -> list[tuple[str, ...]]:
        """Which pairs each call of a method was about."""
        return [pairs for called, pairs in self.calls if called == method]

    async def fetch_tickers(self, symbols: list[str] | None = None) -> dict[str, Any]:
        """The prices of those that have one, or of all; one without one makes it refuse names."""
        self.calls.append(("many", tuple(symbols or ())))
        answer = self.unnamed if symbols is None else self.named
        if answer is not None:
            return {"": await _answered(answer)}
        prices = self.prices if symbols is None else {name: self.prices[name] for name in symbols}
        return {
            pair: {"bid": price, "ask": price, "last": price}
            for pair, price in prices.items()
            if isinstance(price, float)
        }

    async def fetch_ticker(self, pair: str) -> dict[str, Any]:
        """The price of one."""
        self.calls.append(("one", (pair,)))
        price = await _answered(self.prices[pair])
        return {"bid": price, "ask": price, "last": price}

    async def fetch_l2_order_book(self, pair: str, limit: int) -> dict[str, Any]:
        """The same, as a book."""
        ticker = await self.fetch_ticker(pair)
        return {side: [[ticker[side[:-1]], 1.0]] * limit for side in ("bids", "asks")}

    def set_markets_from_exchange(self, other: FakeApi) -> None:
        """Takes over the markets."""
        self.markets = other.markets

    def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


class FakeBot:
    """Rates over a `FakeApi`, and the open trades that a bot would have.

    Args:
        api: The exchange.
        deep: Whether pairs are priced by a depth of their order books that no call for many tells.
        **settings: As in the config.
    """

    def __init__(self, api: FakeApi, *, deep: bool = False, **settings: Any) -> None:
        """All pairs have an open trade."""
        pricing = {"use_order_book": deep, "order_book_top": 2}
        self.exchange = SimpleNamespace(
            _config={"exit_pricing": pricing},
            _ft_has={
                "l2_limit_range": None,
                "l2_limit_range_required": True,
                "l2_limit_upper": None,
                "tickers_have_bid_ask": True,
            },
            _api=api,
            markets=api.markets,
            exchange_has=lambda what: bool(api.has.get(what)),
            get_next_limit_in_list=lambda limit, *_: limit,
        )
        self.api = api
        #: The pairs for which Freqtrade itself asked the exchange.
        self.own: list[str] = []
        self.trades = dict.fromkeys(api.prices, False)
        self.rates = Rates(
            self.exchange, Settings(**settings), self._get_rate, lambda: api, lambda: self.trades
        )

    def rate(self, pair: str, side: str = "exit") -> float:
        """What Freqtrade gets."""
        return self.rates.rate(pair, side, False)

    def run(self, work: Any) -> Any:
        """Does something in the background, and waits for it."""
        return self.rates.background.run(work)

    def _get_rate(
        self,
        _: Any,
        pair: str,
        refresh: bool,
        side: str,
        is_short: bool,
        order_book: Any = None,
        ticker: Any = None,
    ) -> float:
        assert refresh
        if order_book is not None:
            price = order_book["bids"][1][0]
        elif ticker is not None:
            price = ticker["bid"]
        else:
            self.own.append(pair)
            price = self.api.prices[pair]
            if isinstance(price, Exception):
                raise price
        if price is None:
            raise PricingError(f"Exit-Rate for {pair} was empty.")
        found: float = price
        return found


def failures(bot: FakeBot, pairs: list[str]) -> dict[str, Exception]:
    """Reads some pairs in turn: what those that have no rate failed with."""
    found = {}
    for pair in pairs:
        try:
            bot.rate(pair)
        except Exception as error:
            found[pair] = error
    return found


def renew(bot: FakeBot) -> Any:
    """Renews what is due, as keep-warm does: whether it is well."""
    bot.rates.note_open_trades()
    return bot.run(bot.rates.renew())


async def happen(event: asyncio.Event) -> None:
    """Sets an event, in the loop that waits for it."""
    event.set()


async def _answered(answer: Answer) -> Any:
    # As over a network, others may ask meanwhile.
    await asyncio.sleep(0)
    if callable(answer):
        answer = answer()
        if asyncio.iscoroutine(answer):
            answer = await answer
    if isinstance(answer, Exception):
        raise answer
    return answer
