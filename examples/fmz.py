"""What an FMZ strategy finds around it, for a program of its own: `Log`, `Sleep`, an exchange.

The exchange is FMZ-style, and asks a `sluicegate.testing.StandInExchange` over HTTP. For a real one
limit the object that you have: `exchange = sluicegate.exchange.limit(exchange)`.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sluicegate.exchange import LimitedExchange, limit
from sluicegate.testing import Endpoint, StandInExchange

START = time.monotonic()


def Log(*what: object) -> None:
    """Prints something, with the seconds since the start."""
    print(f"{time.monotonic() - START:7.3f}", *what)


def Sleep(milliseconds: float) -> None:
    """Waits."""
    time.sleep(milliseconds / 1000)


class Exchange:
    """The functions that the examples call, each one request to the stand-in exchange."""

    def __init__(self, url: str, name: str = "Stand-in") -> None:
        """Asks the exchange at an address."""
        self._url = url
        self._name = name

    def GetName(self) -> str:
        """The exchange's name. Asks nobody."""
        return self._name

    def GetTicker(self, symbol: str) -> dict[str, Any] | None:
        """The latest price."""
        ticker = self._ask("GET", "ticker/24hr", symbol=_plain(symbol))
        return ticker and {"Symbol": symbol, "Last": float(ticker["lastPrice"])}

    def GetDepth(self, symbol: str) -> dict[str, Any] | None:
        """The order book."""
        return self._ask("GET", "depth", symbol=_plain(symbol), limit=5)

    def GetAccount(self) -> dict[str, Any] | None:
        """What there is to trade with."""
        return self._ask("GET", "account")

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float) -> str | None:
        """Places an order; its number."""
        sides = {"buy": "BUY", "sell": "SELL"}
        order = self._ask(
            "POST",
            "order",
            symbol=_plain(symbol),
            side=sides[side],
            type="LIMIT",
            price=price,
            quantity=amount,
        )
        return order and str(order["orderId"])

    def Buy(self, price: float, amount: float) -> str | None:
        """Places an order to buy."""
        return self.CreateOrder("BTC_USDT", "buy", price, amount)

    def _ask(self, method: str, path: str, **query: object) -> Any:
        url = f"{self._url}/api/v3/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                Log("the exchange answered", error.code, error.read().decode())
            return None


def _plain(symbol: str) -> str:
    return symbol.replace("_", "")


@contextmanager
def exchanges(count: int = 1) -> Iterator[list[LimitedExchange]]:
    """Some exchanges, each with rules of its own, and what they saw at the end."""
    servers = [StandInExchange(latency=(0.001, 0.004), seed=number) for number in range(count)]
    limited = []
    for number, server in enumerate(servers, start=1):
        account = Endpoint("GET", "/api/v3/account", {"REQUEST_WEIGHT": 20, "RAW_REQUESTS": 1})
        server.add_endpoint(account, lambda _: {"Balance": 1000.0})
        server.__enter__()
        limited.append(limit(Exchange(server.url, f"Stand-in {number}")))
    try:
        yield limited
    finally:
        for server in servers:
            seen = server.statistics()
            server.__exit__(None, None, None)
            Log(f"the exchange saw {seen.accepted} requests, and rejected {seen.rejected}")
