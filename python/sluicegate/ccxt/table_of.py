"""Which of sluicegate's tables an exchange object's request is in."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

from sluicegate import tables
from sluicegate.tables import Route, Table

#: Tables by ccxt's id. At hosts that none of them names (a stand-in, a testnet) the path decides.
BY_ID: dict[str, tuple[str, ...]] = {
    "binance": ("binance-spot", "binance-usdm"),
    "binanceusdm": ("binance-usdm", "binance-spot"),
    "bybit": ("bybit",),
    "bybiteu": ("bybit",),
    "bybitid": ("bybit",),
    "okx": ("okx",),
    "myokx": ("okx",),
    "okxus": ("okx",),
    "kucoin": ("kucoin",),
    "kucoinfutures": ("kucoin",),
    "kraken": ("kraken",),
    "gate": ("gate",),
    "gateio": ("gate",),
    "bitget": ("bitget",),
    "coinbase": ("coinbase-advanced",),
    "coinbaseexchange": ("coinbase-exchange",),
    "mexc": ("mexc",),
    "htx": ("htx",),
    "huobi": ("htx",),
    "hyperliquid": ("hyperliquid",),
    "dydx": ("dydx",),
}


@cache
def tables_for(exchange_id: str, host: str, tier: str = "") -> tuple[Table, ...]:
    """The tables that a request may be in, the likeliest first; none for most exchanges.

    Raises:
        ValueError: No table of the exchange has such a tier.
    """
    known = [tables.load(name) for name in BY_ID.get(exchange_id, ())]
    if tier and known:
        there = list(dict.fromkeys(chain.from_iterable(table.tiers for table in known)))
        if tier not in there:
            names = ", ".join(map(repr, there)) or "none"
            raise ValueError(f"{exchange_id} has no tier {tier!r}: sluicegate knows {names}")
        known = [table.at(tier) if tier in table.tiers else table for table in known]
    return tuple(table for table in known if _has(table, host)) or tuple(known)


def find(
    exchange_id: str, host: str, method: str, path: str, params: Any, tier: str = ""
) -> tuple[Table, Route] | None:
    """The table of a request, and what it is in it.

    A path that the table does not have is one of it at the exchange's own hosts only. Elsewhere, as
    at another API of the exchange, there is no table.

    Raises:
        ValueError: No table of the exchange has such a tier.
    """
    found = tables_for(exchange_id, host, tier)
    for table in found:
        route = table.route(method, path, params)
        if route.endpoint is not None:
            return table, route
    if found and _has(found[0], host):
        return found[0], found[0].route(method, path, params)
    return None


@cache
def budget_name(exchange_id: str, host: str) -> str:
    """What is one budget: all hosts of a table together, and every other host alone."""
    return next((x.name for x in tables_for(exchange_id, host) if _has(x, host)), host)


def _has(table: Table, host: str) -> bool:
    return host.partition(":")[0] in table.hosts
