"""`Market`: the symbols of the exchange, which of them trade, and their prices."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from sluicegate.tables.values import check_switch, is_count, shown
from sluicegate.testing.price import Price, default_price
from sluicegate.testing.symbol import BREAK, TRADING, Symbol

DEFAULT_PAIRS = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "XRP/USDT")

MOST_SYMBOLS = 1_000_000
"""Of a market that is made by its size: more is a slip of the pen, and would fill the memory."""


class Market:
    """The symbols of an exchange and their prices; both may change while it serves.

    A request for a symbol that does not trade is answered 400, with code -1121 ("Invalid symbol."),
    and so is a request for several that names one. (Binance goes on to tell the last prices of
    many a symbol that it delisted. Here, none is told: a bot has to live with either.)

    Wherever one is asked for a symbol, `BTCUSDT` and `BTC/USDT` are the same. All methods may be
    called from any thread, and each takes effect at once and as a whole.

    Args:
        symbols: Each a `Symbol`, or a pair such as `BTC/USDT`.
        any_symbol: Whether symbols that are not listed are answered, too, with a price that is
            always the same. A market of one's own refuses them.
        max_levels: Most levels on either side of an order book; Binance's by default.
        max_candles: Most candles of one answer; Binance's by default.

    Raises:
        ValueError: No symbol, one that is there twice or cannot be, or a size below 1.
    """

    def __init__(
        self,
        symbols: Iterable[Symbol | str] = DEFAULT_PAIRS,
        *,
        any_symbol: bool = False,
        max_levels: int = 5_000,
        max_candles: int = 1_000,
    ) -> None:
        """A market with the prices that are the default."""
        if isinstance(symbols, str):
            raise ValueError(f"symbols must be a list such as ['BTC/USDT'], got {symbols!r}")
        self._entries: dict[str, _Listed] = {}
        for given in symbols:
            symbol = Symbol.parse(given) if isinstance(given, str) else given
            if symbol.name in self._entries:
                raise ValueError(f"symbol {symbol.name} is there twice")
            self._entries[symbol.name] = _Listed(symbol)
        if not self._entries:
            raise ValueError("a market needs at least one symbol, got none")
        for what, size in (("max_levels", max_levels), ("max_candles", max_candles)):
            if not is_count(size):
                raise ValueError(f"{what} must be a whole number of at least 1, got {shown(size)}")
        self._any_symbol = any_symbol
        self._prices: dict[str, Price] = {}
        # A change puts a new dictionary in place, so that readers need no lock.
        self._lock = threading.Lock()
        self.max_levels = max_levels
        self.max_candles = max_candles

    @classmethod
    def of_size(cls, count: int) -> "Market":
        """A market of so many symbols against USDT: the five of the default, `COIN6`, `COIN7`, ….

        Raises:
            ValueError: `count` is no whole number from 1 to a million.
        """
        if not is_count(count) or count > MOST_SYMBOLS:
            raise ValueError(
                f"a market's size must be a whole number from 1 to {MOST_SYMBOLS:,}, "
                f"got {shown(count)}"
            )
        numbered = (f"COIN{i}/USDT" for i in range(len(DEFAULT_PAIRS) + 1, count + 1))
        return cls([*DEFAULT_PAIRS[:count], *numbered])

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """All that `exchangeInfo` lists, also those that do not trade."""
        return tuple(entry.symbol for entry in self._entries.values() if entry.listed)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs that trade, such as `BTC/USDT`, as ccxt and Freqtrade write them."""
        trading = (e.symbol for e in self._entries.values() if e.symbol.status == TRADING)
        return tuple(f"{symbol.base}/{symbol.quote}" for symbol in trading)

    @property
    def trading(self) -> tuple[str, ...]:
        """The names of those that trade, such as `BTCUSDT`."""
        return tuple(n for n, e in self._entries.items() if e.symbol.status == TRADING)

    def trades(self, symbol: str) -> bool:
        """Whether requests for this symbol are answered."""
        entry = self._entries.get(_name(symbol))
        return self._any_symbol if entry is None else entry.symbol.status == TRADING

    def delist(self, *symbols: str, vanish: bool = False) -> None:
        """From now on, answer requests for these with 400 and code -1121.

        Args:
            symbols: Those that trade no longer; it does no harm if some do not already.
            vanish: Whether `exchangeInfo` leaves them out. By default they are listed as BREAK.

        Raises:
            ValueError: The market has no such symbol; then it stays as it is.
        """
        check_switch("vanish", vanish)
        self._change(symbols, BREAK, listed=not vanish)

    def relist(self, *symbols: str) -> None:
        """Trade these again, at the prices that they had.

        Raises:
            ValueError: The market has no such symbol; then it stays as it is.
        """
        self._change(symbols, TRADING, listed=True)

    def price(self, symbol: str) -> Price:
        """The price of this symbol in every answer, also while it does not trade."""
        name = _name(symbol)
        return self._prices.get(name) or default_price(name)

    def set_prices(self, prices: Mapping[str, Price | float]) -> None:
        """Give symbols other prices; all others keep theirs.

        Args:
            prices: By symbol. A number is the last price, with bid and ask close to it.

        Raises:
            ValueError: A price cannot be, or the market has no such symbol; then it changes none.
        """
        given = {
            _name(symbol): price if isinstance(price, Price) else Price(price)
            for symbol, price in prices.items()
        }
        if "" in given:
            raise ValueError("a symbol must be a name such as 'BTCUSDT', got ''")
        with self._lock:
            if not self._any_symbol:
                self._known(given)
            self._prices = {**self._prices, **given}

    def _change(self, symbols: Iterable[str], status: str, *, listed: bool) -> None:
        with self._lock:
            names = self._known(_name(symbol) for symbol in symbols)
            self._entries = {
                name: _Listed(replace(entry.symbol, status=status), listed)
                if name in names
                else entry
                for name, entry in self._entries.items()
            }

    def _known(self, names: Iterable[str]) -> frozenset[str]:
        asked = frozenset(names)
        for name in sorted(asked - self._entries.keys()):
            some = ", ".join(list(self._entries)[:5])
            raise ValueError(
                f"the market has no symbol {name!r}: it has {len(self._entries)}, such as {some}"
            )
        return asked


class _Listed(NamedTuple):
    """A symbol, and whether `exchangeInfo` lists it."""

    symbol: Symbol
    listed: bool = True


def default_market() -> Market:
    """What an exchange trades that is given no market.

    Five symbols and, with less plausible a name, any other; books and candles of at most 100 rows,
    which keeps answers small.
    """
    return Market(any_symbol=True, max_levels=100, max_candles=100)


def _name(symbol: str) -> str:
    return symbol.replace("/", "")
