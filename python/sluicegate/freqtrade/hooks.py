"""The functions that replace Freqtrade's own methods, and call the originals."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from weakref import WeakSet

from freqtrade.enums import TRADE_MODES
from freqtrade.exceptions import ConfigurationError
from freqtrade.persistence import Trade
from sqlalchemy import select

from sluicegate.freqtrade.fiat import FiatPrices
from sluicegate.freqtrade.rates import Rates
from sluicegate.freqtrade.running import Running
from sluicegate.freqtrade.settings import Settings, read

log = logging.getLogger("sluicegate.freqtrade")

Methods = Mapping[tuple[str, str], Callable[..., Any]]
"""(class, method) → what it does."""

_running: WeakSet[Running] = WeakSet()
_fiat: WeakSet[FiatPrices] = WeakSet()


def hooks(own: Methods) -> Methods:
    """What takes the place of some methods of Freqtrade."""
    return {**_of_exchange(own), **_of_bot(own), **_of_reports(own), **_of_converter(own)}


def close_all() -> None:
    """Ends what runs in the background, for all bots."""
    for running in list(_running):
        running.close()


# Threads that outlive an interrupted start could keep the interpreter from its end. Once: the
# drop-in may be installed often.
atexit.register(close_all)


def _of_exchange(own: Methods) -> Methods:
    own_init, own_init_ccxt = own["Exchange", "__init__"], own["Exchange", "_init_ccxt"]
    own_get_rate, own_close = own["Exchange", "get_rate"], own["Exchange", "close"]

    @wraps(own_init)
    def init(self: Any, config: Any, *args: Any, **kwargs: Any) -> None:
        settings = _settings(config)
        if settings is None:
            own_init(self, config, *args, **kwargs)
            return
        running = self._sluicegate = Running(settings)
        own_init(self, config, *args, **kwargs)

        def connect() -> Any:
            # With keys, if the bot has them: some exchanges show prices to their customers only.
            return self._init_ccxt(*running.ccxt_arguments)

        running.rates = Rates(self, settings, own_get_rate, connect, _open_trades)
        self._entry_rate_cache = running.rates.entry
        self._exit_rate_cache = running.rates.exit
        _running.add(running)

    @wraps(own_init_ccxt)
    def init_ccxt(self: Any, exchange_config: Any, sync: bool, ccxt_kwargs: Any) -> Any:
        api = own_init_ccxt(self, exchange_config, sync, ccxt_kwargs)
        running = _running_of(self)
        if running is None:
            return api
        if not sync:
            running.ccxt_arguments = (exchange_config, sync, ccxt_kwargs)
        try:
            return running.limits.apply(api)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error

    @wraps(own_get_rate)
    def get_rate(
        self: Any,
        pair: str,
        refresh: bool,
        side: str,
        is_short: bool,
        order_book: Any = None,
        ticker: Any = None,
    ) -> float:
        rates = _rates_of(self)
        if rates is None or refresh or order_book is not None or ticker is not None:
            rate: float = own_get_rate(self, pair, refresh, side, is_short, order_book, ticker)
            return rate
        return rates.rate(pair, side, is_short)

    @wraps(own_close)
    def close(self: Any) -> None:
        running = _running_of(self)
        if running is not None:
            running.close()
        own_close(self)

    return {
        ("Exchange", "__init__"): init,
        ("Exchange", "_init_ccxt"): init_ccxt,
        ("Exchange", "get_rate"): get_rate,
        ("Exchange", "close"): close,
    }


def _of_bot(own: Methods) -> Methods:
    own_init = own["FreqtradeBot", "__init__"]

    @wraps(own_init)
    def init(self: Any, config: Any) -> None:
        # Here, since an exchange that was not begun could not be closed.
        _settings(config)
        own_init(self, config)
        running = _running_of(self.exchange)
        if running is not None and running.rates is not None:
            running.start(config, _fiat)
            running.rates.make_room(len(self.active_pair_whitelist))

    def at_work(name: str) -> Callable[[Any], None]:
        own_method = own["FreqtradeBot", name]

        @wraps(own_method)
        def method(self: Any) -> None:
            rates = _rates_of(getattr(self, "exchange", None))
            if rates is None:
                own_method(self)
                return
            if name.startswith("process"):
                # Before its work, which ends the transaction that this begins.
                rates.note_open_trades()
                rates.make_room(len(self.active_pair_whitelist))
            with rates.bots_work():
                own_method(self)

        return method

    methods = ("startup", "process", "process_stopped", "cleanup")
    work = {("FreqtradeBot", name): at_work(name) for name in methods}
    return {("FreqtradeBot", "__init__"): init, **work}


def _of_reports(own: Methods) -> Methods:
    def in_turn(name: str) -> Callable[..., Any]:
        own_method = own["RPC", name]

        @wraps(own_method)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            rates = _rates_of(self._freqtrade.exchange)
            if rates is None:
                return own_method(self, *args, **kwargs)
            with rates.report():
                return own_method(self, *args, **kwargs)

        return method

    return {("RPC", name): in_turn(name) for name in ("_rpc_trade_status", "_rpc_trade_statistics")}


def _of_converter(own: Methods) -> Methods:
    own_init = own["CryptoToFiatConverter", "__init__"]
    own_get_price = own["CryptoToFiatConverter", "get_price"]

    @wraps(own_init)
    def init(self: Any, config: Any) -> None:
        own_init(self, config)
        settings = _settings(config)
        if settings is not None:
            self._sluicegate = FiatPrices(self, own_get_price, settings.error_ttl)
            _fiat.add(self._sluicegate)

    @wraps(own_get_price)
    def get_price(self: Any, crypto_symbol: str, fiat_symbol: str) -> float:
        prices: FiatPrices | None = vars(self).get("_sluicegate")
        if prices is None:
            price: float = own_get_price(self, crypto_symbol, fiat_symbol)
            return price
        return prices.price(crypto_symbol, fiat_symbol)

    return {
        ("CryptoToFiatConverter", "__init__"): init,
        ("CryptoToFiatConverter", "get_price"): get_price,
    }


def _settings(config: Mapping[str, Any]) -> Settings | None:
    """The settings of a bot that trades, live or dry; None for anything else."""
    if config.get("runmode") not in TRADE_MODES:
        return None
    try:
        return read(config)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _running_of(exchange: Any) -> Running | None:
    found: Running | None = getattr(exchange, "_sluicegate", None)
    return found


def _rates_of(exchange: Any) -> Rates | None:
    running = _running_of(exchange)
    return None if running is None else running.rates


def _open_trades() -> dict[str, bool]:
    """Which trades are open: pair → whether it is short. Asked where Freqtrade itself just did."""
    try:
        rows = Trade.session.execute(
            select(Trade.pair, Trade.is_short).where(Trade.is_open.is_(True))
        )
        return {pair: bool(is_short) for pair, is_short in rows}
    except Exception:
        log.warning("could not read the open trades", exc_info=True)
        return {}
