"""`Names`: the names of an exchange's functions, in FMZ's, ccxt's and the user's own spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from sluicegate.exchange.requests import are_counted

FUNCTIONS = (
    "CreateOrder",
    "CancelOrder",
    "Buy",
    "Sell",
    "CreateConditionOrder",
    "CancelConditionOrder",
    "GetAccount",
    "GetAssets",
    "GetPositions",
    "GetOrder",
    "GetOrders",
    "GetHistoryOrders",
    "GetConditionOrder",
    "GetConditionOrders",
    "GetHistoryConditionOrders",
    "GetTicker",
    "GetTickers",
    "GetDepth",
    "GetRecords",
    "GetTrades",
    "GetMarkets",
    "GetFundings",
    "SetMarginLevel",
    "Go",
    "IO/api",
)
"""The functions that FMZ limits."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "CreateOrder": ("Buy", "Sell", "create_order"),
    "CancelOrder": ("cancel_order",),
    "GetAccount": ("fetch_balance",),
    "GetAssets": ("fetch_balance",),
    "GetPositions": ("fetch_positions",),
    "GetOrder": ("fetch_order",),
    "GetOrders": ("fetch_open_orders",),
    "GetHistoryOrders": ("fetch_closed_orders",),
    "GetTicker": ("fetch_ticker",),
    "GetTickers": ("fetch_tickers", "fetch_bids_asks"),
    "GetDepth": ("fetch_order_book", "fetch_l2_order_book"),
    "GetRecords": ("fetch_ohlcv",),
    "GetTrades": ("fetch_trades",),
    "GetMarkets": ("load_markets", "fetch_markets"),
    "GetFundings": ("fetch_funding_rates",),
    "SetMarginLevel": ("set_leverage",),
}
"""What else a function is called: a call by any of these names is a call of it."""

EVERYTHING = "*"
IO_API = "IO/api"


def plain(name: str) -> str:
    """A name without what spellings differ in: ``fetch_ohlcv``, ``fetchOHLCV``: ``fetchohlcv``."""
    return name.replace("_", "").lower()


_OWNERS: dict[str, tuple[str, ...]] = {}
for _name in FUNCTIONS:
    if all(_name not in others for others in ALIASES.values()):
        for _alias in (_name, *ALIASES.get(_name, ())):
            _OWNERS[plain(_alias)] = (*_OWNERS.get(plain(_alias), ()), _name)


class Names:
    """The functions of one exchange object: which of its methods are calls of which functions.

    Args:
        inner: The object.
        more: Functions by the names of the methods that call them, beside those known anyway.

    Raises:
        TypeError: ``more`` is no mapping of names to names.
        ValueError: ``more`` names a method that the object does not have.
    """

    def __init__(self, inner: object, more: Mapping[str, str] | None) -> None:
        """Reads which functions the object has."""
        self._inner = inner
        self._ccxt = any(kind.__module__.split(".")[0] == "ccxt" for kind in type(inner).__mro__)
        self._more: dict[str, tuple[str, ...]] = {}
        for method, function in _pairs(more):
            if not callable(getattr(inner, method, None)):
                raise ValueError(
                    f"names must map methods of the object to functions; it has no method "
                    f"{method!r}{_closest(method, self._public())}"
                )
            self._more[method] = _OWNERS.get(plain(function), (function,))

    def read(self, text: object) -> frozenset[str]:
        """The functions that a rule's names stand for: `EVERYTHING`, or what `functions` gives.

        Raises:
            TypeError: No ``str``.
            ValueError: A name that stands for nothing, with the closest one that does.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"function names must be a str, such as 'GetTicker,GetDepth' or '*', not {text!r}"
            )
        functions: set[str] = set()
        for name in (part.strip() for part in text.split(",")):
            if name == EVERYTHING:
                functions.add(EVERYTHING)
                continue
            known = self._known(name)
            if not known:
                place = "" if name == text.strip() else f" (in {text!r})"
                hint = _closest(name, self._names()) or (
                    "; write a name such as 'GetTicker', a method of the object, or '*' for all"
                )
                raise ValueError(f"no function is called {name!r}{place}{hint}")
            functions.update(known)
        return frozenset((EVERYTHING,)) if EVERYTHING in functions else frozenset(functions)

    def _known(self, name: str) -> tuple[str, ...]:
        if name in self._more:
            return self._more[name]
        if any(name in functions for functions in self._more.values()):
            return (name,)
        found = self.functions(name)
        if found or not name or name.startswith("_"):
            return found
        return (plain(name),) if callable(getattr(self._inner, name, None)) else ()

    def functions(self, method: str) -> tuple[str, ...]:
        """The functions that a call of this method is charged to; a method may have several.

        ccxt's ``fetch_balance`` is both ``GetAccount`` and ``GetAssets``, and everything that makes
        an order is a ``CreateOrder``.
        """
        if method in self._more:
            return self._more[method]
        name = plain(method)
        if name in _OWNERS:
            # IO and Go charge what they run; no method is charged as these two.
            return _OWNERS[name]
        if self._ccxt and name.startswith("create") and "order" in name:
            return ("CreateOrder",)
        return ()

    def methods(self, functions: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The methods that some of these functions limit, each with all that it is charged to."""
        wanted = set(functions)
        found = {}
        for method in {*self._spellings(), *self._more, *self._public()} - {"Go", "IO"}:
            charged = (*self.functions(method), plain(method))
            if self._counts(method) and not are_counted(self._inner):
                charged = (*charged, EVERYTHING)
            here = callable(getattr(self._inner, "IO" if method == IO_API else method, None))
            if here and not wanted.isdisjoint(charged):
                found[method] = charged
        return found

    def _counts(self, method: str) -> bool:
        """Whether ``*`` counts it: every function that asks the exchange something."""
        return bool(self.functions(method)) or (self._ccxt and plain(method) in self._unified())

    def _unified(self) -> set[str]:
        """What ccxt itself lists as an exchange's functions, without what it streams."""
        has = getattr(self._inner, "has", None)
        names = {plain(name) for name in has} if isinstance(has, Mapping) else set()
        return {name for name in names if not name.startswith(("watch", "unwatch"))}

    def _names(self) -> Iterator[str]:
        """Every name that a rule may have."""
        more = (function for functions in self._more.values() for function in functions)
        return chain(FUNCTIONS, more, self._spellings(), self._public())

    def _spellings(self) -> set[str]:
        """Every name that functions go by, whether this object has it or not."""
        ccxt = {alias for aliases in ALIASES.values() for alias in aliases}
        return {*FUNCTIONS, *ccxt, *map(_camel, ccxt), "fetchOHLCV", *self._more}

    def _public(self) -> list[str]:
        """The methods that the object says it has; others may come from its ``__getattr__``."""
        kind = type(self._inner)
        public = (name for name in dir(self._inner) if not name.startswith("_"))
        # A property is not read: it may ask the exchange something.
        return [
            name
            for name in public
            if not isinstance(getattr(kind, name, None), property)
            and callable(getattr(self._inner, name, None))
        ]


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _pairs(more: Any) -> list[tuple[str, str]]:
    if more is None:
        return []
    if not isinstance(more, Mapping):
        raise TypeError(f"names must be a mapping of methods to functions, not {more!r}")
    for pair in more.items():
        if not all(isinstance(name, str) and name for name in pair):
            raise TypeError(f"names must map names of methods to names of functions, not {pair!r}")
    return list(more.items())


def _closest(name: str, names: Iterable[str]) -> str:
    close = closest(name, names)
    return f"; did you mean {close!r}?" if close else ""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of some names that looks most like another; ``None`` where none does."""
    # Of the spellings of one name, the one that is written as this one is.
    alike = sorted(names, key=lambda other: (("_" in other) != ("_" in name), other))
    spelled: dict[str, str] = {}
    for other in alike:
        spelled.setdefault(plain(other), other)
    found = difflib.get_close_matches(plain(name), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None
