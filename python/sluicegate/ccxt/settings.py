"""`Settings`: what of an exchange object decides what its requests take, and where."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from sluicegate.ccxt.defaults import pace_of_class
from sluicegate.ccxt.egress import (
    DECIDE_ABOUT_ACCOUNT,
    DECIDE_ABOUT_EGRESS,
    OPTION,
    account_of,
    egress_of,
)
from sluicegate.ccxt.pace import Pace

#: What is read of an object beside its id.
_NAMES = (
    "rateLimit",
    "tokenBucket",
    "rateLimiterAlgorithm",
    "rollingWindowSize",
    "hostname",
    *DECIDE_ABOUT_ACCOUNT,
    *DECIDE_ABOUT_EGRESS,
)


class Settings:
    """What an object's attributes said when they were read.

    They may change between any two requests. So each request compares them with what they were,
    and what follows from them is worked out again only if they are others.

    Attributes:
        pace: The pace that the object asks for; ``None`` if it asks for none.
        is_own_pace: Whether the user set it.
        egress: The proxy that it uses; empty for none.
        account: The account that it is for; empty for none.
    """

    __slots__ = (
        "_absent",
        "_option",
        "_read",
        "_values",
        "account",
        "egress",
        "is_own_pace",
        "pace",
    )

    def __init__(self, exchange: Any) -> None:
        """Reads those of an object."""
        own = exchange.__dict__
        # To look into the object's dictionary for names that are not set is many times faster than
        # to look through ccxt's classes as well.
        present = [name for name in _NAMES if name in own or getattr(exchange, name, None)]
        self._absent = frozenset(_NAMES).difference(present)
        self._read = attrgetter("id", *present)
        self._values = tuple(map(_kept, self._read(exchange)))
        self._option = _kept(exchange.options.get(OPTION))
        self.pace = Pace.of(exchange)
        self.is_own_pace = self.pace != pace_of_class(exchange)
        self.egress = egress_of(exchange)
        self.account = account_of(exchange)

    def are_those_of(self, exchange: Any) -> bool:
        """Whether an object's attributes still say the same."""
        try:
            return (
                self._read(exchange) == self._values
                and exchange.__dict__.keys().isdisjoint(self._absent)
                and exchange.options.get(OPTION) == self._option
            )
        except AttributeError:
            return False


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
        self._id = id(function)

    def __eq__(self, other: object) -> bool:
        return id(other) == self._id
