"""Which of sluicegate's tables a connector's request is in, and which of its ids are a table's."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlsplit

from sluicegate import tables
from sluicegate.tables import Table

#: Tables by the name of a connector, for hosts that no table names (a proxy, a stand-in). A
#: `binance_us` or a testnet is another exchange, and not here.
BY_CONNECTOR = {
    "binance": "binance-spot",
    "binance_perpetual": "binance-usdm",
    "bitget": "bitget",
    "bitget_perpetual": "bitget",
    "bybit": "bybit",
    "bybit_perpetual": "bybit",
    "coinbase_advanced_trade": "coinbase-advanced",
    "dydx_v4_perpetual": "dydx",
    "gate_io": "gate",
    "gate_io_perpetual": "gate",
    "htx": "htx",
    "hyperliquid": "hyperliquid",
    "hyperliquid_perpetual": "hyperliquid",
    "kraken": "kraken",
    "kucoin": "kucoin",
    "kucoin_perpetual": "kucoin",
    "mexc": "mexc",
    "okx": "okx",
    "okx_perpetual": "okx",
}

#: What connectors call a table's limits. Others have the table's own name.
POOLS: dict[str, dict[str, str]] = {
    "binance-spot": {"ORDERS_1D": "ORDERS_24HR"},
    "binance-usdm": {"ORDERS": "ORDERS_1SEC", "ORDERS_1M": "ORDERS_1MIN"},
    "bybit": {"ADDRESS": "ALL"},
    "coinbase-advanced": {
        "PRIVATE": "PRIVATE_REST_REQUESTS",
        "PUBLIC": "PUBLIC_REST_REQUESTS",
        "APP": "SIGNIN_REQUESTS",
    },
    "hyperliquid": {"ADDRESS": "All"},
    "kraken": {
        "CALLS": "PrivateEndpointLimitID",
        "PUBLIC": "PublicEndpointLimitID",
        "TRADING": "MatchingEngineLimitID",
    },
    "mexc": {"ACCOUNT": "UID_REQUEST_WEIGHT", "ADDRESS": "IP_REQUEST_WEIGHT"},
}

#: What data feeds have in their names beside the connector's.
_FEEDS = ("_candles", "_liquidations", "_spot")


@cache
def table_by_name(connector: str) -> Table | None:
    """The table of a connector, or of a data feed of the same exchange; None if there is none."""
    name = connector
    for ending in _FEEDS:
        name = name.removesuffix(ending)
    found = BY_CONNECTOR.get(name)
    return tables.load(found) if found in tables.names() else None


@cache
def _by_host() -> dict[str, Table]:
    loaded = [tables.load(name) for name in dict.fromkeys(BY_CONNECTOR.values())]
    return {host: table for table in loaded for host in table.hosts}


@cache
def _by_netloc(netloc: str, connector: str) -> tuple[str, Table | None]:
    host = netloc.rpartition("@")[2].lower()
    table = _by_host().get(host.partition(":")[0]) or table_by_name(connector)
    return (host if table is None else table.name), table


def exchange_of(url: str, connector: str) -> tuple[str, Table | None]:
    """What counts a request: the name of its table, or its host; and the table.

    The host decides, as a connector may ask others than its exchange. A host that no table names is
    taken for the connector's exchange.

    Args:
        url: Where the request goes.
        connector: The name of the connector that makes it.
    """
    return _by_netloc(urlsplit(url).netloc, connector)


def pool_id(table: Table, name: str) -> str:
    """What connectors call a limit of a table."""
    return POOLS.get(table.name, {}).get(name, name)
