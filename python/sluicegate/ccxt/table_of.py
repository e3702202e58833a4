"""Which of sluicegate's tables an exchange object's request is in."""

from __future__ import annotations

from functools import cache

from sluicegate import tables
from sluicegate.tables import Table

#: Tables by ccxt's id, for hosts that no table names: a stand-in, a proxy, a testnet.
BY_ID: dict[str, tuple[str, ...]] = {
    "binance": ("binance-spot", "binance-usdm"),
    "binanceusdm": ("binance-usdm", "binance-spot"),
    "bybit": ("bybit",),
    "okx": ("okx",),
    "kucoin": ("kucoin",),
    "kraken": ("kraken",),
    "gate": ("gate",),
    "gateio": ("gate",),
    "bitget": ("bitget",),
    "coinbase": ("coinbase",),
    "coinbaseexchange": ("coinbase-exchange",),
    "mexc": ("mexc",),
    "htx": ("htx",),
    "huobi": ("htx",),
    "hyperliquid": ("hyperliquid",),
}


@cache
def tables_for(exchange_id: str, host: str) -> tuple[Table, ...]:
    """The tables that a request may be in, the likeliest first; none for most exchanges."""
    named = [tables.load(name) for name in tables.names()]
    by_host = tuple(table for table in named if host.partition(":")[0] in table.hosts)
    known = set(tables.names())
    return by_host or tuple(
        tables.load(name) for name in BY_ID.get(exchange_id, ()) if name in known
    )
