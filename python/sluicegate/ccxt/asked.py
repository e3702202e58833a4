"""`usage` and `throttler`: what can be asked about an exchange object's budget."""

from __future__ import annotations

from typing import Any

from sluicegate import Throttler, Usage
from sluicegate.ccxt import installing


def throttler(exchange: Any) -> Throttler:
    """The throttler that an exchange object shares with all others of its budget.

    An object whose endpoints are at several exchanges, such as ``ccxt.binance`` with spot and
    futures, has one for each: this is the one of its latest request.

    Args:
        exchange: An object of ccxt, synchronous or asynchronous.

    Raises:
        RuntimeError: The drop-in is not installed.
    """
    return installing.charges().budget_of(exchange).throttler


def usage(exchange: Any) -> dict[str, Usage]:
    """How much of each limit is used now, by its id (see `sluicegate.Throttler.usage`).

    Args:
        exchange: An object of ccxt, synchronous or asynchronous.

    Raises:
        RuntimeError: The drop-in is not installed.
    """
    return throttler(exchange).usage()
