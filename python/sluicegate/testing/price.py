"""`Price`: the last price, and the best bid and ask, of a symbol."""

import zlib
from dataclasses import dataclass
from functools import lru_cache

from sluicegate.tables.values import is_number, shown

BID, ASK = 0.9999, 1.0001
"""Bid and ask that are not given, as parts of the last price."""

LOWEST, HIGHEST = 1e-8, 1e15
"""What Binance's eight decimals can show, and beyond which a float has no decimals left."""


@dataclass(frozen=True, slots=True)
class Price:
    """Last price, best bid and best ask, in units of the quote asset.

    Args:
        last: What the last trade paid.
        bid: The best bid; 0 (the default) puts it a hundredth of a percent below `last`.
        ask: The best ask; 0 (the default) puts it a hundredth of a percent above `last`.

    Raises:
        ValueError: One is below 1e-08, which Binance's eight decimals could not show, or above
            1e+15; or the bid is above the ask.
    """

    last: float
    bid: float = 0.0
    ask: float = 0.0

    def __post_init__(self) -> None:
        """Add what is not given, and refuse what cannot be."""
        _check("last", self.last)
        object.__setattr__(self, "bid", self.bid or self.last * BID)
        object.__setattr__(self, "ask", self.ask or self.last * ASK)
        _check("bid", self.bid)
        _check("ask", self.ask)
        if self.bid > self.ask:
            raise ValueError(f"bid must be at most ask, got bid {self.bid!r} and ask {self.ask!r}")


@lru_cache(maxsize=1024)
def default_price(symbol: str) -> Price:
    """A price for any symbol, always the same one, from 1 to 10,001."""
    return Price(1 + zlib.crc32(symbol.encode()) % 100_000 / 10)


def _check(what: str, number: object) -> None:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f"{what} must be a price, got {shown(number)}")
    if not is_number(number) or not LOWEST <= number <= HIGHEST:
        raise ValueError(
            f"{what} must be a price of at least 1e-08 (and at most 1e+15), got {shown(number)}"
        )
