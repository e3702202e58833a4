"""`Settings`: what of an exchange object decides what its requests take, and where."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any

from sluicegate.ccxt.defaults import pace_of_class
from sluicegate.ccxt.egress import (
    DECIDE_ABOUT_ACCOUNT,
    DECIDE_ABOUT_EGRESS,
    OPTION,
    account_of,
    egress_of,
    function_id,
)
from sluicegate.ccxt.pace import Pace

#: What is read of an object.
_NAMES = (
    "id",
    "rateLimit",
    "tokenBucket",
    "rateLimiterAlgorithm",
    "rollingWindowSize",
    "hostname",
    *DECIDE_ABOUT_ACCOUNT,
    *DECIDE_ABOUT_EGRESS,
)
#: The method of ccxt that says what a request costs. Some classes, and some users, have their own.
COST = "calculate_rate_limiter_cost"


class Settings:
    """What an object's attributes said when they were read.

    They may change between any two requests. So each request compares them with what they were,
    and what follows from them is worked out again only if they are others.

    Attributes:
        pace: The pace that the object asks for; ``None`` if it asks for none.
        is_own_pace: Whether the user set it.
        egress: The proxy that it uses; empty for none.
        account: The account that it is for; empty for none.
        costs_as_listed: Whether each request costs what ccxt's list of endpoints says.
    """

    __slots__ = (
        "_absent",
        "_inherited",
        "_last",
        "_option",
        "_read",
        "_read_inherited",
        "_values",
        "account",
        "costs_as_listed",
        "egress",
        "is_own_pace",
        "pace",
    )

    def __init__(self, exchange: Any) -> None:
        """Reads those of an object."""
        own = exchange.__dict__
        # To look into the object's dictionary is many times faster than to look through ccxt's
        # classes as well: that is done only for what they set.
        names = (*_NAMES, COST)
        present = [name for name in names if name in own]
        inherited = [x for x in _NAMES if x not in own and getattr(exchange, x, None)]
        self._absent = frozenset(names).difference(present)
        self._read = _reader(itemgetter, present)
        self._read_inherited = _reader(attrgetter, inherited)
        self._values = tuple(map(_kept, self._read(own)))
        self._inherited = tuple(map(_kept, self._read_inherited(exchange)))
        self._option = _kept(exchange.options.get(OPTION))
        self._last = _last(own)
        self.pace = Pace.of(exchange)
        self.is_own_pace = self.pace != pace_of_class(exchange)
        self.egress = egress_of(exchange)
        self.account = account_of(exchange)
        root = importlib.import_module("ccxt.base.exchange").Exchange
        listed = getattr(type(exchange), COST, None) is getattr(root, COST, None)
        self.costs_as_listed = listed and COST not in own

    def are_those_of(self, exchange: Any) -> bool:
        """Whether an object's attributes still say the same."""
        own = exchange.__dict__
        try:
            if self._read(own) != self._values or exchange.options.get(OPTION) != self._option:
                return False
            if self._inherited and self._read_inherited(exchange) != self._inherited:
                return False
        except (AttributeError, KeyError):
            return False
        # What is set anew comes last in a dictionary. To look for each name takes longer.
        last = _last(own)
        if last == self._last:
            return True
        self._last = last
        return bool(own.keys().isdisjoint(self._absent))


def _last(own: dict[str, Any]) -> tuple[int, object]:
    """How many attributes an object has, and which was set for the first time most recently."""
    try:
        return len(own), next(reversed(own), None)
    except RuntimeError:
        # Another thread has just set one: this is like nothing that was seen before.
        return -1, object()


def _reader(kind: Any, names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What reads these names, as a tuple: of one name, `operator`'s own would read no tuple."""
    if len(names) > 1:
        found: Callable[[Any], tuple[Any, ...]] = kind(*names)
        return found
    return _nothing if not names else kind(*names, *names)


def _nothing(_: Any) -> tuple[Any, ...]:
    return ()


def _kept(value: Any) -> Any:
    """A value as it is now: a dictionary may be changed in place."""
    if callable(value):
        return _Callback(value)
    return dict(value) if isinstance(value, dict) else value


class _Callback:
    """Compares equal to one function that chooses a proxy.

    It does not hold the function: that may be a method of the exchange object, which would then
    never be collected.
    """

    __slots__ = ("_id",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, function: Any) -> None:
        self._id = function_id(function)

    def __eq__(self, other: object) -> bool:
        return function_id(other) == self._id
