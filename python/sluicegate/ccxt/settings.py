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
    tier_of,
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

    They may change between any two requests, also on the object's class: not so on the class in
    which ccxt itself defines them. So each request compares them with what they were, and what
    follows from them is worked out again only if they are others.

    Attributes:
        pace: The pace that the object asks for; ``None`` if it asks for none.
        is_own_pace: Whether the user set it.
        egress: The proxy that it uses; empty for none.
        account: The account that it is for; empty for none.
        tier: The tier of the account, as the user says; empty for the lowest.
        costs_as_listed: Whether each request costs what ccxt's list of endpoints says.
    """

    __slots__ = (
        "_absent",
        "_class_sizes",
        "_classes",
        "_inherited",
        "_newest",
        "_option",
        "_read",
        "_read_inherited",
        "_size",
        "_values",
        "account",
        "costs_as_listed",
        "egress",
        "is_own_pace",
        "pace",
        "tier",
    )

    def __init__(self, exchange: Any) -> None:
        """Reads those of an object."""
        own, kind = exchange.__dict__, type(exchange)
        root = importlib.import_module("ccxt.base.exchange").Exchange
        base = next(one for one in root.__mro__ if "apiKey" in vars(one))
        # To look into the object's dictionary is many times faster than to look through ccxt's
        # classes as well: that is done only for what they set, or may set at any time.
        names = (*_NAMES, COST)
        present = [name for name in names if name in own]
        inherited = [x for x in _NAMES if x not in own and _is_set(kind, x, base)]
        # What is set anew on a class makes it longer.
        self._classes = [vars(one) for one in kind.__mro__[: kind.__mro__.index(base)]]
        self._class_sizes = list(map(len, self._classes))
        self._absent = frozenset(names).difference(present)
        self._read = _reader(itemgetter, present)
        self._read_inherited = _reader(attrgetter, inherited)
        self._values = tuple(map(_kept, self._read(own)))
        self._inherited = tuple(map(_kept, self._read_inherited(exchange)))
        self._option = _kept(exchange.options.get(OPTION)) if exchange.options else None
        self._size, self._newest = 0, None
        self.pace = Pace.of(exchange)
        self.is_own_pace = self.pace != pace_of_class(exchange)
        self.egress = egress_of(exchange)
        self.account = account_of(exchange)
        self.tier = tier_of(exchange)
        listed = getattr(kind, COST, None) is getattr(root, COST, None)
        self.costs_as_listed = listed and COST not in own

    def are_those_of(self, exchange: Any) -> bool:
        """Whether an object's attributes still say the same."""
        own, options = exchange.__dict__, exchange.options
        try:
            if (
                self._read(own) != self._values
                or (options.get(OPTION) if options else None) != self._option
                or [*map(len, self._classes)] != self._class_sizes
                or (self._inherited and self._read_inherited(exchange) != self._inherited)
            ):
                return False
            # What is set anew comes last in a dictionary. To look for each name takes longer.
            size, newest = len(own), next(reversed(own))
        except (AttributeError, KeyError):
            return False
        except RuntimeError:
            # Another thread has just set one: this is like nothing that was seen before.
            size, newest = -1, None
        if size == self._size and newest is self._newest:
            return True
        self._size, self._newest = size, newest
        return bool(own.keys().isdisjoint(self._absent))


def _is_set(kind: type, name: str, base: type) -> bool:
    """Whether a class may give an object a value of its own: not what ccxt's base class has."""
    owner = next((one for one in kind.__mro__ if name in vars(one)), None)
    return owner is not None and (owner is not base or bool(vars(owner)[name]))


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
