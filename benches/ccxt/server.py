"""Exchange objects of ccxt whose `fetch` is a strict server in this process."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import deque
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async

LIMIT = 50
"""Requests that the server allows in any second: what `rateLimit` 20 ms asks for."""


class Server:
    """Notes when requests left, arrived and were answered.

    Args:
        latency: The shortest and the longest time from leaving to the answer, in seconds.
    """

    def __init__(self, latency: tuple[float, float]) -> None:
        """Nothing has arrived."""
        self.seen: list[tuple[float, float, float]] = []
        self._latency = latency
        self._random = random.Random(11)
        self._lock = threading.Lock()

    def draw(self) -> tuple[float, float]:
        """Seconds until a request arrives, and from then to its answer."""
        with self._lock:
            total = self._random.uniform(*self._latency)
            share = self._random.random()
        return total * share, total * (1 - share)

    def note(self, left: float, arrived: float) -> None:
        """A request was answered."""
        with self._lock:
            self.seen.append((left, arrived, time.monotonic()))

    def over(self) -> tuple[int, int]:
        """Requests over the limit of any second, which a strict server refuses; and all."""
        window: deque[float] = deque()
        over = 0
        for _, at, _ in sorted(self.seen, key=lambda one: one[1]):
            while window and window[0] <= at - 1.0:
                window.popleft()
            if len(window) >= LIMIT:
                over += 1
            else:
                window.append(at)
        return over, len(self.seen)

    def used(self, begin: float, end: float) -> float:
        """The share of the limit that was in use, the time until each answer included.

        A unit is in use from when its request leaves until a second after its answer: with latency,
        no limiter that is never over can use more. What leaves after the end counts for nothing.
        """
        held = sum(
            max(min(answered + 1.0, end) - max(left, begin), 0.0) for left, _, answered in self.seen
        )
        return held / (LIMIT * (end - begin))


class _Synchronous(ccxt.bitstamp):  # type: ignore[misc]
    server: Server

    def fetch(self, *_: Any, **__: Any) -> Any:
        left = time.monotonic()
        before, after = self.server.draw()
        if before:
            time.sleep(before)
        arrived = time.monotonic()
        if after:
            time.sleep(after)
        self.server.note(left, arrived)
        return {}


class _Asynchronous(ccxt_async.bitstamp):  # type: ignore[misc]
    server: Server

    async def fetch(self, *_: Any, **__: Any) -> Any:
        left = time.monotonic()
        before, after = self.server.draw()
        if before:
            await asyncio.sleep(before)
        arrived = time.monotonic()
        if after:
            await asyncio.sleep(after)
        self.server.note(left, arrived)
        return {}


def synchronous(server: Server, **config: Any) -> Any:
    """A synchronous object of an exchange that sluicegate has no table of: its pace is ccxt's."""
    exchange = _Synchronous({"rateLimit": 1000 / LIMIT, **config})
    exchange.server = server
    return exchange


def asynchronous(server: Server, **config: Any) -> Any:
    """The same, asynchronous."""
    exchange = _Asynchronous({"rateLimit": 1000 / LIMIT, **config})
    exchange.server = server
    return exchange


def unpaced(exchange: Any) -> Any:
    """The object as ccxt itself has it, without any pacing: nothing of the drop-in is left in it.

    It is what pacing is measured against: what the drop-in costs a request in all counts.
    """
    kind = type(exchange)
    fetch2 = kind.fetch2
    exchange.__class__ = type(
        kind.__name__, (kind,), {"fetch2": getattr(fetch2, "__wrapped__", fetch2)}
    )
    exchange.enableRateLimit = False
    return exchange


def ask(exchange: Any) -> Any:
    """One request of cost 1; a coroutine of an asynchronous object."""
    return exchange.publicGetTickerPair({"pair": "btcusd"})
