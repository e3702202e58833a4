"""An order waits 10 s for ORDERS, while market data hammers the REQUEST_WEIGHT that both share.

Nothing may be left idle: the market data must run at the rate that it has when no order waits. And
nobody may starve: the order must leave at its earliest instant, when the first of the orders that
fill ORDERS leaves the window, although REQUEST_WEIGHT is full all the time.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, worst_window
from benches.peers import Hummingbot
from benches.report import Row
from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler

RATE = Row(
    "backfill-rate",
    "market data while an order waits 10 s for ORDERS, of its rate without one",
    "≥ 99.5 %",
)
ORDER = Row("backfill-order", "the order leaves after its earliest instant", "≤ 3 ms")
ROWS = (RATE, ORDER)

WEIGHT, DEPTH, ORDERS, PLENTY = 400, 2, 10, 1_000_000
TASKS = 40
BLOCK = (0.005, 0.020)
"""Seconds until the answer to a request for market data."""


def table(limit_type: Any, link_type: Any, wait: int) -> list[Any]:
    """The limits, in anybody's types. `/fill` takes from ORDERS alone."""
    orders, weight = link_type("ORDERS", 1), link_type("REQUEST_WEIGHT", 1)
    return [
        limit_type("REQUEST_WEIGHT", WEIGHT, 1),
        limit_type("ORDERS", ORDERS, wait),
        limit_type("/depth", PLENTY, 1, linked_limits=[link_type("REQUEST_WEIGHT", DEPTH)]),
        limit_type("/order", PLENTY, 1, linked_limits=[orders, weight]),
        limit_type("/fill", PLENTY, 1, linked_limits=[orders]),
    ]


class Run:
    """One run: market data from the beginning to the end, and the order in the middle."""

    def __init__(self, request: Callable[[str], AbstractAsyncContextManager[object]]) -> None:
        self.request = request
        self.depths: list[int] = []
        self.rng = random.Random(7)

    async def _depth(self) -> None:
        async with self.request("/depth"):
            self.depths.append(time.monotonic_ns())
            await asyncio.sleep(self.rng.uniform(*BLOCK))

    async def _hammer(self) -> None:
        while True:
            await self._depth()

    async def market_data(self) -> None:
        """Always wants more.

        Fills the window evenly first, so that a second's requests do not come in one burst.
        """
        begin, rate = time.monotonic(), WEIGHT / DEPTH
        first = []
        for number in range(int(rate)):
            await asyncio.sleep(max(begin + number / rate - time.monotonic(), 0))
            first.append(asyncio.create_task(self._depth()))
        await asyncio.gather(*first, *(self._hammer() for _ in range(TASKS)))

    def rate(self, begin: int, end: int) -> float:
        """Requests for market data in a second."""
        return sum(begin <= instant < end for instant in self.depths) / (end - begin) * SECOND

    async def order(self, wait: int) -> tuple[int, int, float]:
        """When the order came, when it left, and by how many milliseconds it was late."""
        async with self.request("/fill"):
            pass
        # The first of them leaves the window first.
        filled = time.monotonic_ns()
        for _ in range(ORDERS - 1):
            async with self.request("/fill"):
                pass
        asked = time.monotonic_ns()
        async with self.request("/order"):
            left = time.monotonic_ns()
        return asked, left, (left - filled) / 1e6 - wait * 1000

    async def whole(self, wait: int) -> tuple[float, float, float, float]:
        """The rates without and with an order waiting, its lateness, and how long it waited."""
        data = asyncio.create_task(self.market_data())
        await asyncio.sleep(2.5)
        before = time.monotonic_ns()
        await asyncio.sleep(wait / 2)
        between = time.monotonic_ns()
        asked, left, late = await self.order(wait)
        after = time.monotonic_ns()
        await asyncio.sleep(wait / 2)
        end = time.monotonic_ns()
        data.cancel()
        with suppress(asyncio.CancelledError):
            await data
        alone = (self.rate(before, between) + self.rate(after, end)) / 2
        return alone, self.rate(asked, left), late, (left - asked) / SECOND


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here: sluicegate and Hummingbot, who know pools."""
    findings = Findings()
    wait = max(2, round(plan.timed(10, 2)))

    async def measure(
        request: Callable[[str], AbstractAsyncContextManager[object]],
    ) -> tuple[Run, Any]:
        one = Run(request)
        return one, await one.whole(wait)

    plan.step(f"backfill: sluicegate, {2 * wait + 2.5:g} s")
    throttler = Throttler(table(RateLimit, LinkedLimitWeightPair, wait))
    one, (alone, beside, late, waited) = asyncio.run(measure(throttler.execute_task))
    share, worst = beside / alone * 100, worst_window(one.depths, SECOND) * DEPTH
    name = Sluicegate.name
    over = f", over the limit: {worst}" if worst > WEIGHT else ""
    findings.add(RATE, name, f"{share:.1f} %{over}", share >= 99.5 and not over, wrong=bool(over))
    findings.add(ORDER, name, f"{late:.2f} ms", late <= 3)
    low, high = (seconds * 1000 for seconds in BLOCK)
    findings.notes.append(
        f"Backfill: {TASKS} tasks of market data, {DEPTH} of {WEIGHT} REQUEST_WEIGHT per second "
        f'each, whose answers take {low:g} to {high:g} ms (hold="response"): {alone:.1f} a second '
        f"with no order waiting (half before, half after), {beside:.1f} while one waited for "
        f"{waited:.2f} s; {WEIGHT / DEPTH:g} would be all that is allowed if answers took no time. "
        f"Market data never had more than {worst} REQUEST_WEIGHT in any window."
    )
    if Hummingbot in peers:
        plan.step(f"backfill: {Hummingbot.name}, {2 * wait + 2.5:g} s")

        async def theirs() -> tuple[Run, Any]:
            types = Hummingbot.types()
            built = Hummingbot.build(table(types.RateLimit, types.LinkedLimitWeightPair, wait))
            return await measure(built.execute_task)

        with findings.forgiving(Hummingbot.name):
            one, (alone, beside, late, waited) = asyncio.run(theirs())
            rate = f"{beside / alone * 100:.1f} % ({beside:.0f} a second)"
            findings.add(RATE, Hummingbot.name, rate)
            findings.add(ORDER, Hummingbot.name, f"{late:,.0f} ms")
    return findings
