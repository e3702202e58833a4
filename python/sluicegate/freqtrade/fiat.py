"""`FiatPrices`: fiat prices, renewed in the background so that no caller waits for CoinGecko."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sluicegate.cache import LoadingCache
from sluicegate.freqtrade.age import AgeClock

log = logging.getLogger("sluicegate.freqtrade")

#: A coin and a currency, as Freqtrade's `get_price` takes them.
Pair = tuple[str, str]

#: Seconds for which a price is good, as in Freqtrade; and when it is renewed.
TTL, AHEAD = 6 * 3_600.0, 3_600.0

_MOST = 500
_LONGEST = 5.0


class _NoPriceError(Exception):
    """CoinGecko gave none, which Freqtrade shows as a price of 0."""


class FiatPrices:
    """What the `get_price` of Freqtrade's converter returns.

    A pair's first price is waited for. From then on it is renewed ahead of its six hours; if that
    goes on failing for so long, the price is 0, as Freqtrade has it when CoinGecko gives none, and
    no caller waits for the next attempt.

    Args:
        converter: Freqtrade's `CryptoToFiatConverter`.
        get_price: Its own method, with the converter as its first argument.
        error_ttl: Seconds from a price that could not be had to the next attempt.
    """

    def __init__(
        self, converter: Any, get_price: Callable[[Any, str, str], float], error_ttl: float
    ) -> None:
        """No price is known yet."""
        self.cache: LoadingCache[Pair, float] = LoadingCache(
            _MOST, TTL, timer=AgeClock(), error_ttl=error_ttl, error_types=_NoPriceError
        )
        # What `sluicegate top` and the metrics call it.
        vars(self.cache)["_meter_name"] = "Freqtrade's fiat prices"
        self._uncached = _Uncached(converter)
        self._get_price = get_price
        self._error_ttl = error_ttl
        #: The pairs that have been asked for → whether the last renewal failed, or is under way.
        self._asked: dict[Pair, bool] = {}
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None

    def price(self, coin: str, currency: str) -> float:
        """What one coin costs; 0 if CoinGecko does not know, or could not be reached.

        Raises:
            ValueError: Freqtrade does not know the currency.
        """
        pair = (coin.lower(), currency.lower())
        price = self.cache.get(pair)
        if price is not None:
            return price
        if self._asked.get(pair) and self._stop is not None:
            return 0.0
        error = self.cache.warm([pair], self._load).get(pair)
        if error is not None and not isinstance(error, _NoPriceError):
            raise error
        self._asked[pair] = error is not None
        return self.cache.get(pair, 0.0)

    def renew(self) -> None:
        """Loads what is due of all that was ever asked for."""
        due = self.cache.due(list(self._asked), ahead=AHEAD)
        # Should these expire meanwhile, no caller must wait.
        self._asked.update((pair, True) for pair in due if pair in self.cache)
        errors = self.cache.warm(due, self._load, ahead=AHEAD)
        self._asked.update((pair, pair in errors) for pair in due)

    def start(self, coin: str | None = None, currency: str | None = None) -> None:
        """Renews prices on a thread, until `stop`.

        Args:
            coin: With ``currency``, a pair that will be asked for, to be loaded at once.
            currency: See there.
        """
        with self._lock:
            if self._stop is not None:
                return
            stop = self._stop = threading.Event()
        expected = (coin, currency) if coin and currency else None
        # A daemon: a bot that ends does not wait for CoinGecko, either.
        threading.Thread(
            target=self._run, args=(stop, expected), name="sluicegate-fiat", daemon=True
        ).start()

    def stop(self) -> None:
        """Ends the thread, once it is through with what it is doing."""
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()

    def _run(self, stop: threading.Event, expected: Pair | None) -> None:
        if expected is not None:
            self._try(lambda: self.price(*expected))
        while not stop.wait(min(_LONGEST, self._error_ttl / 20)):
            self._try(self.renew)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            log.warning("could not renew fiat prices; trying again", exc_info=True)

    def _load(self, pairs: list[Pair]) -> dict[Pair, float | Exception]:
        return {pair: self._load_one(*pair) for pair in pairs}

    def _load_one(self, coin: str, currency: str) -> float | Exception:
        try:
            return self._get_price(self._uncached, coin, currency) or _NoPriceError()
        except Exception as error:
            return error


class _Nothing:
    """A cache that never has anything."""

    def get(self, key: object, default: Any = None) -> Any:
        return default

    def __setitem__(self, key: object, value: object) -> None:
        pass


class _Uncached:
    """A converter on which `get_price` always asks."""

    def __init__(self, converter: Any) -> None:
        self._converter = converter
        self._pair_price = _Nothing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._converter, name)
