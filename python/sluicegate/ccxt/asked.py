"""`usage` and `throttler`: what can be asked about an exchange object's budget."""

from __future__ import annotations

from typing import Any

from sluicegate import Throttler, Usage
from sluicegate.ccxt import installing
from sluicegate.ccxt.egress import account_of, egress_of
from sluicegate.ccxt.places import host_of
from sluicegate.ccxt.table_of import budget_name


def throttler(exchange: Any) -> Throttler:
    """The throttler that an exchange object shares with all others of its budget.

    An object whose endpoints are at several hosts, such as ``ccxt.binance``, has one for each: this
    is the one of its first address.

    Args:
        exchange: An object of ccxt, synchronous or asynchronous.

    Raises:
        RuntimeError: The drop-in is not installed.
    """
    budgets = installing.charges().budgets
    name = budget_name(exchange.id, host_of(exchange))
    return budgets.of(name, egress_of(exchange), account_of(exchange)).throttler


def usage(exchange: Any) -> dict[str, Usage]:
    """How much of each limit is used now, by its id (see `sluicegate.Throttler.usage`).

    Args:
        exchange: An object of ccxt, synchronous or asynchronous.

    Raises:
        RuntimeError: The drop-in is not installed.
    """
    return throttler(exchange).usage()
