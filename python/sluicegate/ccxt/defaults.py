"""What ccxt's classes ask for, so that what a user has set is known as such."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from sluicegate.ccxt.pace import Pace

_known: WeakKeyDictionary[type, Pace | None] = WeakKeyDictionary()


def pace_of_class(exchange: Any) -> Pace | None:
    """The pace of an object's class: what ccxt would keep to, had the user set nothing."""
    kind = type(exchange)
    if kind not in _known:
        base = next((one for one in kind.__mro__ if one.__module__.startswith("ccxt.")), kind)
        described = exchange.describe()
        values = {
            name: described.get(name, getattr(base, name, None))
            for name in ("rateLimit", "rateLimiterAlgorithm", "rollingWindowSize")
        }
        _known[kind] = Pace.read(tokenBucket=None, **values)
    return _known[kind]
