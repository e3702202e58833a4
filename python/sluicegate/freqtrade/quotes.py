"""What the exchange says of prices: many pairs in one call where it can, in parallel where not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import ccxt
from freqtrade.exchange.common import API_RETRY_COUNT, calculate_backoff

from sluicegate.freqtrade.errors import as_freqtrades, not_traded

#: What Freqtrade's `get_rate` takes to price a pair: `{"ticker": …}` or `{"order_book": …}`.
Quote = dict[str, Any]

#: Requests under way at most, where they go out one for each pair. ccxt paces their start.
_PARALLEL = 16


class Source:
    """Where the quotes for one side come from, by Freqtrade's pricing settings.

    Attributes:
        many: ccxt's method that tells of many pairs in one call; None if this exchange has none.
        by_book: Whether pairs are priced by their order book, rather than by their ticker.
        limit: How many levels of the book to ask for.
    """

    def __init__(self, exchange: Any, side: str) -> None:
        """The source for "entry" or "exit"."""
        pricing = exchange._config.get(f"{side}_pricing", {})
        has = exchange._ft_has
        top = pricing.get("order_book_top", 1)
        self.by_book: bool = pricing.get("use_order_book", False)
        self.limit = exchange.get_next_limit_in_list(
            top, has["l2_limit_range"], has["l2_limit_range_required"], has["l2_limit_upper"]
        )
        self.many: str | None = None
        if self.by_book and top > 1:
            return
        if self.by_book and _can(exchange, "fetchBidsAsks"):
            self.many = "fetch_bids_asks"
        elif _can(exchange, "fetchTickers") and has["tickers_have_bid_ask"]:
            self.many = "fetch_tickers"

    def ask(self, api: Any, pair: str) -> Awaitable[Any]:
        """Asks for one pair, as Freqtrade itself does."""
        question: Awaitable[Any] = (
            api.fetch_l2_order_book(pair, self.limit) if self.by_book else api.fetch_ticker(pair)
        )
        return question

    def quote(self, answer: Any) -> Quote:
        """The answer to `ask`, as a quote."""
        return {"order_book": answer} if self.by_book else {"ticker": answer}

    def quote_of_many(self, answer: Any) -> Quote | None:
        """One pair of the answer to `many`, as a quote; None if it does not tell enough."""
        if not answer or not answer.get("bid") or not answer.get("ask"):
            return None
        if not self.by_book:
            return {"ticker": answer}
        bid, ask = ([[answer[side], answer.get(f"{side}Volume")]] for side in ("bid", "ask"))
        return {"order_book": {"bids": bid, "asks": ask}}

    def __str__(self) -> str:
        """What one pair is asked for."""
        return "order book" if self.by_book else "ticker"


class Quotes:
    """Asks an exchange for quotes, through a ccxt object that nothing else uses.

    Everything here runs in one event loop.

    Args:
        exchange: Freqtrade's exchange: its settings, and its markets.
        connect: Makes an asynchronous ccxt object.
        batch: How many pairs one call may name.
    """

    def __init__(self, exchange: Any, connect: Callable[[], Any], batch: int) -> None:
        """Connects with the first question."""
        self._exchange = exchange
        self._connect = connect
        self._batch = batch
        self._sources = {side: Source(exchange, side) for side in ("entry", "exit")}
        self._api: Any = None
        self._room: asyncio.Semaphore | None = None
        self._doubtful: set[str] = set()
        self.calls = 0
        self.seconds = 0.0

    async def fetch(self, side: str, pairs: Sequence[str]) -> dict[str, Quote | Exception]:
        """The quotes of some pairs, and for those that have none, what Freqtrade would raise."""
        api, source = self.connected(), self._sources[side]
        found: dict[str, Quote | Exception] = {}
        named = [pair for pair in pairs if pair not in self._doubtful and self._is_traded(pair)]
        if source.many is not None and self._batch > 1 and len(named) > 1:
            try:
                answers = await self._ask_for_many(getattr(api, source.many), named)
            except ccxt.OperationFailed as error:
                failure = as_freqtrades(error, f"the {source}s of {len(named)} pairs")
                found = dict.fromkeys(named, failure)
            else:
                quotes = {pair: source.quote_of_many(answers.get(pair)) for pair in named}
                found = {pair: quote for pair, quote in quotes.items() if quote is not None}
        # What a call for many does not tell of has to say itself why.
        rest = [pair for pair in pairs if pair not in found]
        answers = await asyncio.gather(*(self._ask_for_one(api, source, pair) for pair in rest))
        return found | dict(zip(rest, answers, strict=True))

    def connected(self) -> Any:
        """The ccxt object, with the markets that the bot knows now."""
        if self._api is None:
            self._api = self._connect()
            self._room = asyncio.Semaphore(_PARALLEL)
        bots = self._exchange._api
        if self._api.markets is not bots.markets and bots.markets:
            self._api.set_markets_from_exchange(bots)
            self._api.options = bots.options
        return self._api

    async def close(self) -> None:
        """Closes the connections."""
        if self._api is not None:
            await self._api.close()

    def _is_traded(self, pair: str) -> bool:
        return self._exchange.markets.get(pair, {}).get("active", False) is not False

    async def _ask_for_many(self, method: Callable[..., Any], pairs: Sequence[str]) -> Any:
        if len(pairs) <= self._batch:
            try:
                return await self._ask(lambda: method(list(pairs)), ccxt.ExchangeNotAvailable)
            except (ccxt.ExchangeError, ccxt.ExchangeNotAvailable):
                # Exchanges refuse a call whole for one pair that they do not trade any more.
                pass
        try:
            return await self._ask(method)
        except ccxt.ExchangeError:
            return {}

    async def _ask_for_one(self, api: Any, source: Source, pair: str) -> Quote | Exception:
        if not source.by_book and not self._is_traded(pair):
            return not_traded(pair)
        assert self._room is not None
        try:
            async with self._room:
                answer = await self._ask(lambda: source.ask(api, pair))
        except Exception as error:
            if isinstance(error, ccxt.ExchangeError):
                self._doubtful.add(pair)
            return as_freqtrades(error, f"the {source} of {pair}")
        self._doubtful.discard(pair)
        return source.quote(answer)

    async def _ask(
        self, question: Callable[[], Awaitable[Any]], *final: type[ccxt.BaseError]
    ) -> Any:
        """Asks as often as Freqtrade does while the exchange does not answer.

        Freqtrade also repeats what the exchange has refused. Here a refusal is final, and so are
        the errors in `final`.
        """
        for left in range(API_RETRY_COUNT, 0, -1):
            try:
                return await self._ask_once(question)
            except ccxt.OperationFailed as error:
                if isinstance(error, final):
                    raise
                pause = isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded)
            if pause:
                await asyncio.sleep(calculate_backoff(left, API_RETRY_COUNT))
        return await self._ask_once(question)

    async def _ask_once(self, question: Callable[[], Awaitable[Any]]) -> Any:
        began = perf_counter()
        try:
            return await question()
        finally:
            self.calls += 1
            self.seconds += perf_counter() - began


def _can(exchange: Any, what: str) -> bool:
    # ccxt emulates some calls for many by one call for each.
    return bool(exchange.exchange_has(what)) and exchange._api.has.get(what) != "emulated"
