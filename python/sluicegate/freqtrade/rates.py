"""The rates of one bot: cached, loaded many at once, and renewed before they expire."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import get_ident
from typing import Any

from sluicegate.cache import LoadingCache
from sluicegate.freqtrade.age import AgeClock
from sluicegate.freqtrade.background import Background, ClosedError
from sluicegate.freqtrade.errors import is_about_the_pair
from sluicegate.freqtrade.quotes import Quotes
from sluicegate.freqtrade.settings import Settings

log = logging.getLogger("sluicegate.freqtrade")

Loader = Callable[[list[str]], Awaitable[Mapping[str, float | Exception]]]

#: Freqtrade's own `get_rate`, with the exchange as its first argument.
GetRate = Callable[..., float]

#: Rates with less than this share of the TTL left are due to be renewed; and once some are, all
#: with less than the other, so that one call does for all of them.
_DUE, _SOON = 0.2, 0.5

#: How many pairs are named in a line of the log.
_NAMED = 5

#: Seconds that closing may take.
_PATIENCE = 5.0


class Rates:
    """What stands behind one exchange's `get_rate`.

    Args:
        exchange: Freqtrade's exchange.
        settings: The user's.
        get_rate: Freqtrade's own.
        connect: Makes an asynchronous ccxt object for this exchange.
        open_trades: The open trades now, in the calling thread: pair → whether it is short.
    """

    def __init__(
        self,
        exchange: Any,
        settings: Settings,
        get_rate: GetRate,
        connect: Callable[[], Any],
        open_trades: Callable[[], dict[str, bool]],
    ) -> None:
        """Empty caches; nothing runs yet."""
        self.settings = settings
        clock = AgeClock()
        self.caches: dict[str, LoadingCache[str, float]] = {
            side: LoadingCache(
                settings.size, settings.ttl, timer=clock, error_ttl=settings.error_ttl
            )
            for side in ("entry", "exit")
        }
        self.quotes = Quotes(exchange, connect, settings.batch)
        self.background = Background("sluicegate-rates")
        #: Rates for which Freqtrade itself had to ask the exchange.
        self.own_calls = 0
        self._exchange = exchange
        self._get_rate = get_rate
        self._open_trades = open_trades
        self._pricing = _Pricing(exchange)
        self._known: dict[str, bool] = {}
        self._failing: set[str] = set()
        self._bots_thread: int | None = None

    # ---- what Freqtrade asks

    def rate(self, pair: str, side: str, is_short: bool) -> float:
        """The rate of a pair: no older than the TTL, and at once where there is one.

        Raises:
            PricingError: As Freqtrade's own `get_rate`, from which all of these come.
            ExchangeError: The pair is not traded, or the exchange does not answer.
            OperationalException: ccxt cannot do it.
        """
        cache = self.caches[side]
        rate = cache.get(pair)
        if rate:
            return rate
        wanted = {**self.note_open_trades(), pair: is_short}
        load = self._loader(side, wanted)
        with suppress(ClosedError):
            if get_ident() == self._bots_thread:
                self._help_bot(cache, wanted, pair, load)
            else:
                errors = self.background.run(cache.awarm(wanted, load))
                if pair in errors:
                    # Without the traceback of whoever got it before.
                    raise errors[pair].with_traceback(None)
                if (entry := cache._entry(pair)) is not None:
                    return entry[0]
        self.own_calls += 1
        return self._get_rate(self._exchange, pair, True, side, is_short)

    def _help_bot(
        self, cache: LoadingCache[str, float], wanted: Mapping[str, bool], pair: str, load: Loader
    ) -> None:
        """Loads for the bot's own loop what it will ask for next; it waits for its own call only.

        Raises:
            FreqtradeException: What an API caller has just got, if it is about the pair. (An
                exchange that did not answer then may answer the bot.)
        """
        error = cache.error(pair)
        if error is not None and is_about_the_pair(error):
            raise error.with_traceback(None)
        others = cache.due(other for other in wanted if other != pair)
        if others:
            self.background.start(cache.awarm(others, load))

    # ---- what the bot tells

    @contextmanager
    def bots_round(self) -> Iterator[None]:
        """The calling thread is the bot's own loop, as long as the block lasts."""
        self.note_open_trades()
        self._bots_thread = get_ident()
        try:
            yield
        finally:
            self._bots_thread = None

    def note_open_trades(self) -> dict[str, bool]:
        """The open trades now, for those in the background, which cannot ask the database."""
        self._known = trades = self._open_trades()
        return trades

    def make_room(self, pairs: int) -> None:
        """Lets each cache hold the rates of all open trades, and of so many pairs more."""
        for cache in self.caches.values():
            cache._grow(len(self._known) + pairs)

    # ---- in the background

    async def prepare(self) -> None:
        """Connects to the exchange, so that the first caller need not wait for it."""
        self.quotes.connected()

    async def renew(self) -> None:
        """Loads the rates of open trades that are missing or due, all in one call."""
        trades, cache = self._known, self.caches["exit"]
        ttl, error_ahead = self.settings.ttl, self.settings.error_ttl * _DUE
        if cache.due(trades, ahead=ttl * _DUE, error_ahead=error_ahead):
            load = self._loader("exit", trades)
            await cache.awarm(trades, load, ahead=ttl * _SOON, error_ahead=error_ahead)

    def close(self) -> None:
        """Ends everything that runs. Rates are still read, and loaded as Freqtrade does."""
        if self.background.is_closed:
            return
        with suppress(Exception):
            self.background.start(self.quotes.close()).result(_PATIENCE)
        self.background.close()

    def _loader(self, side: str, shorts: Mapping[str, bool]) -> Loader:
        async def load(pairs: list[str]) -> dict[str, float | Exception]:
            self.make_room(1)
            quotes = await self.quotes.fetch(side, pairs)
            rates = {pair: self._price(pair, side, shorts[pair], quotes[pair]) for pair in pairs}
            self._log_failures(rates)
            return rates

        return load

    def _log_failures(self, rates: Mapping[str, float | Exception]) -> None:
        """Tells of each pair once that it cannot be priced, until it can be again."""
        failures = {pair: rate for pair, rate in rates.items() if isinstance(rate, Exception)}
        new = sorted(failures.keys() - self._failing)
        self._failing = (self._failing - rates.keys()) | failures.keys()
        if new:
            more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
            pairs = ", ".join(new[:_NAMED])
            log.warning("no rate for %s%s: %s", pairs, more, failures[new[0]])

    def _price(
        self, pair: str, side: str, is_short: bool, quote: dict[str, Any] | Exception
    ) -> float | Exception:
        if isinstance(quote, Exception):
            return quote
        try:
            return self._get_rate(self._pricing, pair, True, side, is_short, **quote)
        except Exception as error:
            return error


class _Pricing:
    """An exchange on which `get_rate` prices a quote that it is given, and keeps nothing."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._cache_lock = threading.Lock()
        self._entry_rate_cache: dict[str, float] = {}
        self._exit_rate_cache: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)
