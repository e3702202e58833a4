"""`Quotes`: asks the exchange for prices, many pairs in one request or one by one."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import perf_counter
from typing import Any

import ccxt
from freqtrade.exceptions import FreqtradeException
from freqtrade.exchange.common import API_RETRY_COUNT, calculate_backoff

from sluicegate.ccxt.installing import is_installed
from sluicegate.freqtrade.errors import as_freqtrades, not_traded
from sluicegate.freqtrade.pace import Pace
from sluicegate.freqtrade.settings import Settings
from sluicegate.freqtrade.source import Quote, Source
from sluicegate.freqtrade.trouble import REFUSED, Trouble

log = logging.getLogger("sluicegate.freqtrade")

#: Requests under way at most, where they go out one for each pair. ccxt paces their start.
_PARALLEL = 16


class Quotes:
    """Asks an exchange for quotes, through a ccxt object that nothing else uses.

    Everything here runs in one event loop.

    Args:
        exchange: Freqtrade's exchange: its settings, and its markets.
        connect: Makes an asynchronous ccxt object.
        settings: The user's.
    """

    def __init__(self, exchange: Any, connect: Callable[[], Any], settings: Settings) -> None:
        """Connects with the first request."""
        self._exchange = exchange
        self._connect = connect
        self._batch = settings.batch
        # Under rules of the user's, the bot's own requests must not wait behind many of these.
        self._room = asyncio.Semaphore(1 if settings.limits else _PARALLEL)
        self._pause = settings.error_ttl
        self._api: Any = None
        #: Pairs that a call for many has left out, and that have not answered since.
        self._doubtful: set[str] = set()
        self._one_by_one_until = -math.inf
        #: Requests sent, and the seconds that their answers took.
        self.calls = 0
        self.seconds = 0.0

    def of_many(self, pairs: Iterable[str]) -> list[str]:
        """Those of some pairs that may be asked for together; none if this is not possible."""
        if Source(self._exchange).many is None or self._batch == 1:
            return []
        if asyncio.get_running_loop().time() < self._one_by_one_until:
            return []
        return [pair for pair in pairs if pair not in self._doubtful and self._is_traded(pair)]

    async def many(self, pairs: Sequence[str], attempts: int) -> dict[str, Quote]:
        """The quotes of pairs from `of_many`; those that are not in it have to be asked for singly.

        Raises:
            FreqtradeException: The exchange does not answer single requests, either.
        """
        source = Source(self._exchange)
        method = getattr(self.connected(), str(source.many))
        try:
            answers = await self._ask_for_many(method, pairs, attempts)
            quotes = {pair: source.quote_of_many(answers.get(pair)) for pair in pairs}
        except REFUSED as error:
            raise as_freqtrades(error, f"the {source}s of {len(pairs)} pairs") from error
        except ccxt.BaseError as error:
            found = await self._some(pairs)
            # Only the call for many does not work: too much for a slow line, for one.
            self._give_up_many(error)
            return found
        except Exception as error:
            # One odd row in the answer must not cost all the others their rates.
            self._give_up_many(error)
            return {}
        found = {pair: quote for pair, quote in quotes.items() if quote is not None}
        self._doubtful.update(quotes.keys() - found.keys())
        return found

    async def _some(self, pairs: Sequence[str]) -> dict[str, Quote]:
        """The quote of one of some pairs; of three, for some may not be traded any more.

        Raises:
            FreqtradeException: None of the three has one.
        """
        failure: Exception | None = None
        for pair in dict.fromkeys((pairs[0], pairs[len(pairs) // 2], pairs[-1])):
            try:
                return {pair: await self.one(pair, 1)}
            except FreqtradeException as error:
                failure = error
        assert failure is not None
        raise failure

    async def one(self, pair: str, attempts: int, trouble: Trouble | None = None) -> Quote:
        """The quote of one pair.

        Args:
            pair: The pair.
            attempts: How often to ask while the exchange does not answer.
            trouble: That of the load to which this question belongs.

        Raises:
            FreqtradeException: What Freqtrade raises for the same cause.
        """
        source = Source(self._exchange)
        if not source.by_book and not self._is_traded(pair):
            raise not_traded(pair)
        api, load = self.connected(), trouble or Trouble()

        async def ask() -> Any:
            async with load.question(pair):
                return await source.ask(api, pair)

        try:
            async with self._room:
                answer = await self._ask(ask, attempts, load)
        except ccxt.BaseError as error:
            raise as_freqtrades(error, f"the {source} of {pair}") from error
        self._doubtful.discard(pair)
        return source.quote(answer)

    def connected(self) -> Any:
        """The ccxt object, with the markets that the bot knows now."""
        if self._api is None:
            self._api = self._connect()
            if not is_installed():
                self._api.throttle = Pace(self._api)
        bots = self._exchange._api
        if bots.markets:
            self._api.set_markets_from_exchange(bots)
            self._api.options = bots.options
        return self._api

    async def close(self) -> None:
        """Closes the connections."""
        if self._api is not None:
            await self._api.close()

    def _is_traded(self, pair: str) -> bool:
        return self._exchange.markets.get(pair, {}).get("active", False) is not False

    def _give_up_many(self, error: Exception) -> None:
        self._one_by_one_until = asyncio.get_running_loop().time() + self._pause
        why = f"{type(error).__name__} {error}"
        log.warning("rates are loaded one by one for %g s: %s", self._pause, why)

    async def _ask_for_many(
        self, method: Callable[..., Any], pairs: Sequence[str], attempts: int
    ) -> Any:
        if len(pairs) <= self._batch:
            try:
                return await self._ask(
                    lambda: method(list(pairs)), attempts, final=ccxt.ExchangeNotAvailable
                )
            except (ccxt.ExchangeError, ccxt.ExchangeNotAvailable):
                # Exchanges refuse a call whole for one pair that they do not trade any more.
                pass
        return await self._ask(method, attempts)

    async def _ask(
        self,
        question: Callable[[], Awaitable[Any]],
        attempts: int,
        trouble: Trouble | None = None,
        final: type[ccxt.BaseError] | tuple[()] = (),
    ) -> Any:
        """Asks until there is an answer, with Freqtrade's pauses.

        Freqtrade also repeats what the exchange has refused to answer. Here a refusal of that kind
        is final, and so are the errors in `final`, and what comes once a load has given up.
        """
        left = attempts
        while True:
            try:
                return await self._ask_once(question)
            except ccxt.OperationFailed as error:
                refused = isinstance(error, REFUSED)
                if trouble is None or not refused:
                    left -= 1
                given_up = trouble is not None and trouble.error is not None
                if left == 0 or given_up or isinstance(error, final):
                    raise
            if refused and trouble is None:
                await asyncio.sleep(calculate_backoff(left, API_RETRY_COUNT))

    async def _ask_once(self, question: Callable[[], Awaitable[Any]]) -> Any:
        began = perf_counter()
        try:
            return await question()
        finally:
            self.calls += 1
            self.seconds += perf_counter() - began
