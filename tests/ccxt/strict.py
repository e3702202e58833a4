"""Exchange objects of ccxt whose answers come from a server that counts every arrival."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async

from sluicegate.ccxt import usage


class Server:
    """Counts the requests that arrive, and how many were over a limit in any window.

    A request arrives after a part of its latency, and is answered after the rest.
    """

    def __init__(self, latency: tuple[float, float] = (0.0, 0.0)) -> None:
        self.arrivals: list[float] = []
        self._latency = latency
        self._random = random.Random(7)
        self._lock = threading.Lock()

    def draw(self) -> tuple[float, float]:
        shortest, longest = self._latency
        with self._lock:
            return self._random.uniform(shortest, longest) / 2, self._random.uniform(0, longest) / 2

    def arrive(self) -> None:
        with self._lock:
            self.arrivals.append(time.monotonic())

    def over(self, limit: int, window: float = 1.0) -> int:
        """Arrivals at which the window held the limit already; the refused ones do not count."""
        held: deque[float] = deque()
        over = 0
        for at in sorted(self.arrivals):
            while held and held[0] <= at - window:
                held.popleft()
            if len(held) >= limit:
                over += 1
            else:
                held.append(at)
        return over


class _Sync(ccxt.bitstamp):  # type: ignore[misc]
    server: Server

    def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        before, after = self.server.draw()
        time.sleep(before)
        self.server.arrive()
        time.sleep(after)
        return {}


class _Async(ccxt_async.bitstamp):  # type: ignore[misc]
    server: Server

    async def fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        before, after = self.server.draw()
        await asyncio.sleep(before)
        self.server.arrive()
        await asyncio.sleep(after)
        return {}


def synchronous(server: Server, **config: Any) -> Any:
    """A synchronous object, of an exchange that sluicegate has no table of."""
    exchange = _Sync({"rateLimit": 20, **config})
    exchange.server = server
    return exchange


def asynchronous(server: Server, **config: Any) -> Any:
    """The same, asynchronous."""
    exchange = _Async({"rateLimit": 20, **config})
    exchange.server = server
    return exchange


def ask(exchange: Any) -> Any:
    """One request of cost 1."""
    return exchange.publicGetTickerPair({"pair": "btcusd"})


def paces(exchange: Any) -> dict[str, Any]:
    """What is used of each pace of an object's budget."""
    return {name: one for name, one in usage(exchange).items() if name.startswith("rateLimit")}
