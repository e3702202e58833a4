"""What a call through `sluicegate.exchange.limit` costs, beside an empty proxy.

    python benches/bench_exchange.py

Each figure is the shortest of several rounds, in which all ways take turns: what else the machine
does makes a round longer, never shorter.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from sluicegate.exchange import limit

CALLS = 20_000
ROUNDS = 25
PLENTY = 1_000_000_000


class Exchange:
    """Answers at once."""

    def GetTicker(self, symbol: str) -> str:
        """The symbol."""
        return symbol

    async def fetch_ticker(self, symbol: str) -> str:
        """The symbol."""
        return symbol


class EmptyProxy:
    """The least that a proxy in Python can do."""

    def __init__(self, inner: object) -> None:
        """Passes everything through."""
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        """The inner object's attribute."""
        return getattr(self._inner, name)


def ways() -> dict[str, Any]:
    """The objects to call, by what they are."""
    free, other, ruled, quotas = (limit(Exchange()) for _ in range(4))
    other.IO("rate", "GetDepth", PLENTY, "1h")
    ruled.IO("rate", "GetTicker", PLENTY, "1h")
    ruled.IO("rate", "GetTicker,GetDepth", PLENTY, "1d", "delay")
    ruled.IO("rate", "*", PLENTY, "1d")
    quotas.IO("quota", "GetTicker", PLENTY, "1s")
    quotas.IO("rate", "GetTicker,GetDepth", PLENTY, "1h", "delay")
    quotas.IO("quota", "*", PLENTY, "@0000")
    return {
        "the object itself": Exchange(),
        "an empty proxy": EmptyProxy(Exchange()),
        "limited, no rule": free,
        "limited, rules on others only": other,
        "limited, three rules that fit": ruled,
        "limited, three rules, two of them quotas": quotas,
    }


def synchronous(exchange: Any) -> float:
    """Nanoseconds of one call."""
    start = time.perf_counter_ns()
    for _ in range(CALLS):
        exchange.GetTicker("BTC_USDT")
    return (time.perf_counter_ns() - start) / CALLS


def asynchronous(exchange: Any) -> float:
    """Nanoseconds of one call of an asynchronous function."""

    async def run() -> float:
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            await exchange.fetch_ticker("BTC/USDT")
        return (time.perf_counter_ns() - start) / CALLS

    return asyncio.run(run())


def measure(call: Callable[[Any], float]) -> dict[str, float]:
    """The shortest time of each way."""
    best: dict[str, float] = {}
    exchanges = ways()
    for _ in range(ROUNDS):
        for name, exchange in exchanges.items():
            best[name] = min(best.get(name, float("inf")), call(exchange))
    return best


def main() -> None:
    """Prints a table for each kind of call."""
    print(f"Python {sys.version.split()[0]}, shortest of {ROUNDS} rounds of {CALLS} calls\n")
    for kind, call in (("synchronous", synchronous), ("asynchronous", asynchronous)):
        best = measure(call)
        empty, free = best["an empty proxy"], best["limited, no rule"]
        print(f"| {kind} | ns a call | times empty proxy | more than without a rule |")
        print("|---|---|---|---|")
        for name, nanos in best.items():
            print(f"| {name} | {nanos:.0f} | {nanos / empty:.2f} | {nanos - free:+.0f} ns |")
        print()


if __name__ == "__main__":
    main()
