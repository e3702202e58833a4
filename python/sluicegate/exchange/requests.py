"""Rules for all requests of a ccxt object, where the drop-in for ccxt sees each of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

if TYPE_CHECKING:
    from sluicegate.exchange.limits import Limits

REQUEST = "HTTP request"
"""What a request is called among the calls that rules cover."""

_LIMITS: WeakKeyDictionary[Any, WeakSet[Limits]] = WeakKeyDictionary()
_is_used = False
"""Whether anybody has ever had rules for an object of ccxt: most programs have none."""


def are_counted(exchange: Any) -> bool:
    """Whether each request of an object is seen: it is ccxt's, and the drop-in is in place."""
    module = sys.modules.get("sluicegate.ccxt.installing")
    return module is not None and module.is_installed() and is_ccxt(exchange)


def is_ccxt(exchange: Any) -> bool:
    """Whether an object is one of ccxt's."""
    return any(one.__module__.startswith("ccxt.") for one in type(exchange).__mro__)


def follow(limits: Limits) -> None:
    """Has the requests of an object of ccxt pass the rules for all requests."""
    global _is_used
    if is_ccxt(limits.inner):
        _is_used = True
        _LIMITS.setdefault(limits.inner, WeakSet()).add(limits)


def limits_of(exchange: Any) -> list[Limits]:
    """Whose rules the requests of an object must pass."""
    if not _is_used:
        return []
    found = _LIMITS.get(exchange)
    return [limits for limits in found if limits.counts_requests] if found else []
