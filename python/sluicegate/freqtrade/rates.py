"""`Rates`: the rates of one bot, cached, loaded many at once, and renewed before they expire."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import get_ident
from time import monotonic
from typing import Any

from freqtrade.exceptions import FreqtradeException
from freqtrade.exchange.common import API_RETRY_COUNT

from sluicegate._core import TTLCache
from sluicegate.cache import LoadingCache, NotLoadedError
from sluicegate.freqtrade.age import AgeClock
from sluicegate.freqtrade.background import Background, ClosedError
from sluicegate.freqtrade.errors import again, bare, is_passing
from sluicegate.freqtrade.quotes import Quotes
from sluicegate.freqtrade.settings import Settings
from sluicegate.freqtrade.source import Quote
from sluicegate.freqtrade.trouble import Trouble
from sluicegate.freqtrade.turns import Turns

log = logging.getLogger("sluicegate.freqtrade")

#: Freqtrade's own `get_rate`, with the exchange as its first argument.
GetRate = Callable[..., float]

Loader = Callable[[list[str]], Awaitable[Mapping[str, float | Exception]]]

#: Rates with less than this share of the TTL left are due to be renewed; and once some are, all
#: with less than the other, so that one call does for all of them.
_DUE, _SOON = 0.2, 0.5

#: How often a request is sent while the exchange does not answer: for callers that wait, as often
#: as Freqtrade sends it; in the background, once, for there is always another time.
_PATIENT, _ONCE = API_RETRY_COUNT + 1, 1

#: How many pairs are named in a line of the log.
_NAMED = 5

#: Seconds that closing may take.
_PATIENCE = 5.0


class Rates:
    """What stands behind one exchange's `get_rate`.

    The exit rates, which Freqtrade's reports are made of, are loaded and renewed here. The entry
    rates are cached only: Freqtrade reads them one at a time, for a notification, and may hold a
    lock meanwhile that its loop needs, so each is asked for as ever.

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
        self.entry: TTLCache[str, float, float] = TTLCache(settings.size, settings.ttl, clock)
        self.exit: LoadingCache[str, float] = LoadingCache(
            settings.size,
            settings.ttl,
            clock,
            error_ttl=settings.error_ttl,
            error_types=FreqtradeException,
        )
        # What `sluicegate top` and the metrics call them.
        vars(self.entry)["_meter_name"] = "Freqtrade's entry rates"
        vars(self.exit)["_meter_name"] = "Freqtrade's exit rates"
        self.quotes = Quotes(exchange, connect, settings)
        self.background = Background("sluicegate-rates")
        self.turns = Turns()
        #: Rates for which Freqtrade itself had to ask the exchange.
        self.own_calls = 0
        self._exchange = exchange
        self._get_rate = get_rate
        self._open_trades = open_trades
        self._pricing = _Pricing(exchange)
        self._known: dict[str, bool] = {}
        self._failing: set[str] = set()
        #: Pairs that the background has asked for in vain → when it may again.
        self._not_before: dict[str, float] = {}
        self._bots_thread: int | None = None
        self._ahead: Future[Any] | None = None
        #: Pairs that are being asked for one by one → what each failed with, once it is through.
        self._singles: dict[str, asyncio.Task[dict[str, Exception]]] = {}

    # ---- what Freqtrade asks

    def rate(self, pair: str, side: str, is_short: bool) -> float:
        """The rate of a pair: no older than the TTL, and at once where there is one.

        Raises:
            PricingError: As Freqtrade's own `get_rate`, from which all of these come.
            ExchangeError: The pair is not traded, or the exchange does not answer.
            OperationalException: ccxt cannot do it.
        """
        cached = (self.entry if side == "entry" else self.exit).get(pair)
        if cached:
            return cached
        if side == "exit" and cached is None:
            with suppress(ClosedError):
                rate = self._load(pair, is_short)
                if rate is not None:
                    return rate
        self.own_calls += 1
        return self._get_rate(self._exchange, pair, True, side, is_short)

    def _load(self, pair: str, is_short: bool) -> float | None:
        """Loads a rate, and with it those of all open trades; None if the caller is to ask himself.

        Raises:
            ClosedError: Nothing is loaded any more.
            Exception: The pair has no rate.
        """
        if get_ident() == self._bots_thread:
            # It waits for no load but for its own call.
            others = {**self.note_open_trades()}
            others.pop(pair, None)
            self._load_ahead(others, _ONCE)
            return None
        error = self.exit.error(pair)
        if error is None:
            # The first in line, and as the caller has it.
            wanted = {pair: is_short, **self.note_open_trades()} | {pair: is_short}
            with self.turns.away():
                error = self.background.run(self._load_first(pair, wanted))
        if error is not None:
            raise again(error)
        entry = self.exit._entry(pair)
        return None if entry is None else entry[0]

    @contextmanager
    def report(self) -> Iterator[None]:
        """The block makes a report: it reads the rates of all open trades, having found these.

        What is missing is loaded meanwhile.
        """
        with suppress(ClosedError):
            self._load_ahead(self._known, _PATIENT)
        with self.turns.turn():
            yield

    def _load_ahead(self, shorts: Mapping[str, bool], attempts: int) -> None:
        if (self._ahead is None or self._ahead.done()) and self.exit.due(shorts):
            self._ahead = self.background.start(self._load_all(shorts, attempts))

    # ---- what the bot reports

    @contextmanager
    def bots_work(self) -> Iterator[None]:
        """The calling thread is the bot's own loop, as long as the block lasts."""
        before, self._bots_thread = self._bots_thread, get_ident()
        try:
            yield
        finally:
            self._bots_thread = before

    def note_open_trades(self) -> dict[str, bool]:
        """The open trades now, for those in the background, which cannot ask the database."""
        self._known = trades = self._open_trades()
        return trades

    def make_room(self, pairs: int) -> None:
        """Lets each cache hold the rates of all open trades, and of so many pairs more."""
        for cache in (self.entry, self.exit):
            cache._grow(len(self._known) + pairs)

    # ---- in the background

    async def prepare(self) -> None:
        """Connects to the exchange, so that the first caller need not wait for it."""
        try:
            # Which reads the certificates of all authorities, for one.
            self.quotes.connected().open()
        except Exception:
            log.warning("could not connect; trying again with the first load", exc_info=True)

    async def renew(self) -> bool:
        """Renews the rates of open trades that are missing or due, all in one call if it can.

        Returns:
            Whether it is well: some of them, if there are any, are not due any more.
        """
        now, ttl, error_ahead = monotonic(), self.settings.ttl, self.settings.error_ttl * _DUE
        # What has just failed is asked for only by callers that want it now.
        self._not_before = {pair: at for pair, at in self._not_before.items() if at > now}
        trades = {
            pair: short for pair, short in self._known.items() if pair not in self._not_before
        }
        due = self.exit.due(trades, ahead=ttl * _DUE, error_ahead=error_ahead)
        if due:
            await self._load_all(trades, _ONCE, ahead=ttl * _SOON, error_ahead=error_ahead)
            singles = [self._singles[pair] for pair in due if pair in self._singles]
            if singles:
                # One that is not answered does not keep the others from being renewed.
                await asyncio.wait(singles, timeout=ttl * _DUE / 2)
        left = (entry[1] for pair in self._known if (entry := self.exit._entry(pair)) is not None)
        return not self._known or any(seconds >= ttl * _DUE for seconds in left)

    def close(self) -> None:
        """Ends everything that runs. Rates are still read, and asked for as Freqtrade does."""
        # An interpreter that ends has no more threads to run.
        if self.background.is_running and not sys.is_finalizing():
            with suppress(Exception):
                self.background.start(self.quotes.close()).result(_PATIENCE)
        self.background.close()

    # ---- loading, in the background's event loop

    async def _load_all(
        self, shorts: Mapping[str, bool], attempts: int, **ahead: float
    ) -> dict[str, Exception]:
        """Loads what is due: together what can be, and one by one what that did not give.

        What it has to ask for one by one is under way when it returns.

        Returns:
            What was asked for together, and failed.
        """
        self.make_room(1)
        together = self.quotes.of_many(self.exit.due(shorts, **ahead))
        errors: dict[str, Exception] = {}
        if len(together) > 1:
            errors = await self.exit.awarm(together, self._many(shorts, attempts), **ahead)
        load = self._single(shorts, attempts, Trouble(attempts - 1))
        for pair in self.exit.due(shorts, **ahead):
            if pair not in self._singles and not isinstance(errors.get(pair), _AskedOnceError):
                task = asyncio.create_task(self.exit.awarm([pair], load, **ahead), name=pair)
                self._singles[pair] = task
                task.add_done_callback(lambda task: self._singles.pop(task.get_name()))
        return errors

    async def _load_first(self, pair: str, shorts: Mapping[str, bool]) -> Exception | None:
        """Loads everything, and returns as soon as one pair is loaded: what it failed with."""
        error: Exception | None = None
        for _ in range(2):
            errors = await self._load_all(shorts, _PATIENT)
            single = self._singles.get(pair)
            if single is not None:
                errors = await asyncio.shield(single)
            error = self.exit.error(pair) or errors.get(pair)
            # Where the background has asked, and only once, a caller that waits may expect more.
            if not isinstance(error, _AskedOnceError):
                break
        if isinstance(error, _AskedOnceError):
            return error.failure
        return None if isinstance(error, NotLoadedError) else error

    def _many(self, shorts: Mapping[str, bool], attempts: int) -> Loader:
        async def load(pairs: list[str]) -> dict[str, float | Exception]:
            try:
                quotes = await self.quotes.many(pairs, attempts)
            except Exception as error:
                return self._log_failures(
                    dict.fromkeys(pairs, self._failure(pairs, error, attempts))
                )
            rates = {pair: self._price(pair, shorts[pair], quote) for pair, quote in quotes.items()}
            return self._log_failures(rates)

        return load

    def _single(self, shorts: Mapping[str, bool], attempts: int, trouble: Trouble) -> Loader:
        async def load(pairs: list[str]) -> dict[str, float | Exception]:
            [pair] = pairs
            rate: float | Exception
            try:
                quote = await self.quotes.one(pair, attempts, trouble)
                rate = self._price(pair, shorts[pair], quote)
            except Exception as error:
                rate = self._failure(pairs, error, attempts)
            return self._log_failures({pair: rate})

        return load

    def _failure(self, pairs: list[str], error: Exception, attempts: int) -> Exception:
        """The error of a load that failed; one that a second request might mend is not kept."""
        bare(error)
        if attempts > _ONCE or not is_passing(error):
            return error
        at = monotonic() + self.settings.error_ttl * (1 - _DUE)
        self._not_before.update(dict.fromkeys(pairs, at))
        return _AskedOnceError(error)

    def _price(self, pair: str, is_short: bool, quote: Quote) -> float | Exception:
        try:
            return self._get_rate(self._pricing, pair, True, "exit", is_short, **quote)
        except Exception as error:
            return bare(error)

    def _log_failures(self, rates: dict[str, float | Exception]) -> dict[str, float | Exception]:
        """The same, having logged once of each pair that it cannot be priced, until it can be."""
        failures = {pair: rate for pair, rate in rates.items() if isinstance(rate, Exception)}
        new = sorted(failures.keys() - self._failing)
        self._failing = (self._failing - rates.keys()) | failures.keys()
        if new:
            more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
            error = failures[new[0]]
            why = str(error) or type(error).__name__
            log.warning("no rate for %s%s: %s", ", ".join(new[:_NAMED]), more, why)
        return rates


class _AskedOnceError(Exception):
    """The background got no answer to its one question."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Pricing:
    """An exchange on which `get_rate` prices a quote that it is given, and keeps nothing."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._cache_lock = threading.Lock()
        self._entry_rate_cache: dict[str, float] = {}
        self._exit_rate_cache: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)
