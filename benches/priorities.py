"""A cancel beside 10,000 requests for market data that wait for a full pool.

They share the pool and want all of it, all the time. The cancel must leave at the first instant at
which its weight is free; and at once, if a part of the pool is kept for cancels.
"""

import asyncio
import random
import time
from statistics import median

from benches.lateness import timers
from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, percentile, stop, worst_window
from benches.queue import settle
from benches.report import Row
from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler

BEHIND = Row(
    "cancel",
    "a cancel behind 10,000 market-data requests on a full pool: later than the first instant at "
    "which its weight is free (99th percentile)",
    "≤ 3 ms",
)
KEPT = Row(
    "cancel-reserve",
    "the same with a reserve that is not used up",
    "at once: without a turn of the loop",
)
ROWS = (BEHIND, KEPT)

POOL, DEPTH, RESERVE = 1_000, 5, 60
"""Units of the pool in a second; what market data takes; what is kept for cancels, which take 1."""


class Run:
    """One run: market data fills the pool and waits for more, and cancels come now and then."""

    def __init__(self, waiting: int, reserve: int) -> None:
        pool = [LinkedLimitWeightPair("POOL", 1)]
        kept = {1: reserve} if reserve else None
        self.throttler = Throttler(
            [
                RateLimit("POOL", POOL, 1, reserve=kept),
                RateLimit("/depth", None, linked_limits=[LinkedLimitWeightPair("POOL", DEPTH)]),
                RateLimit("/cancel", None, linked_limits=pool, priority=1),
            ]
        )
        self.waiting, self.room = waiting, POOL - reserve
        self.rng = random.Random(7)
        self.ends: list[int] = []
        """When the units of each request begin to leave."""
        self.units: list[int] = []
        """The instant at which each unit of the pool was taken."""

    async def _depth(self) -> None:
        async with self.throttler.execute_task("/depth"):
            self.units += [time.monotonic_ns()] * DEPTH
        self.ends.append(time.monotonic_ns())

    async def market_data(self) -> None:
        """Always wants more, from as many tasks as are to wait."""
        while True:
            await self._depth()

    async def fill(self) -> None:
        """Fills the pool evenly, so that units leave it at all instants of a second."""
        begin, count = time.monotonic(), self.room // DEPTH
        for number in range(count):
            await asyncio.sleep(begin + number / count * 0.98 - time.monotonic())
            await self._depth()

    async def cancel(self) -> tuple[int, int, bool]:
        """When it came, when it left, and whether it left without a turn of the loop."""
        context = self.throttler.execute_task("/cancel")
        turned: list[int] = []
        asyncio.get_running_loop().call_soon(turned.append, 1)
        asked = time.monotonic_ns()
        async with context:
            left = time.monotonic_ns()
            at_once = not turned
        self.units.append(left)
        self.ends.append(time.monotonic_ns())
        return asked, left, at_once

    async def whole(self, seconds: float) -> tuple[list[float], bool]:
        """Milliseconds by which each cancel was late, and whether all left at once."""
        await self.fill()
        tasks = [asyncio.create_task(self.market_data()) for _ in range(self.waiting)]
        await settle()
        cancels = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.uniform(0.02, 0.06))
            cancels.append(await self.cancel())
        await stop(tasks)
        late = []
        for asked, left, _ in cancels:
            free = min(end + SECOND for end in self.ends if end + SECOND > asked)
            # What leaves sooner has come when units were free that nobody had taken yet.
            late.append((left - (free if free <= left else asked)) / 1e6)
        return late, all(at_once for _, _, at_once in cancels)


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here: sluicegate only, as others know no priorities."""
    del peers
    findings = Findings()
    waiting, seconds = plan.count(10_000, 1_000), plan.timed(8, 2)

    async def measure(one: Run) -> tuple[list[float], bool, list[float]]:
        plain = await timers(50)
        return *(await one.whole(seconds)), plain

    for row, reserve in ((BEHIND, 0), (KEPT, RESERVE)):
        plan.step(f"{row.key}: {waiting:,} waiting, {seconds:g} s")
        one = Run(waiting, reserve)
        late, at_once, plain = asyncio.run(measure(one))
        last, worst = percentile(late, 0.99), worst_window(one.units, SECOND)
        over = f", over the limit: {worst}" if worst > POOL else ""
        text, met = f"{last:.2f} ms", last <= 3
        if reserve:
            text, met = f"at once ({last:.3f} ms)" if at_once else f"{last:.2f} ms", at_once
        findings.add(row, Sluicegate.name, text + over, met and not over, wrong=bool(over))
        what = (
            f"{reserve} of {POOL:,} units kept for them, from asking to leaving"
            if reserve
            else "later than the first unit that left the pool after they came"
        )
        findings.notes.append(
            f"Cancels, {what}: {len(late)} of them, {waiting:,} tasks of market data waiting, "
            f"{DEPTH} of {POOL:,} units a second each: median {median(late):.3f} ms, 99th "
            f"percentile {last:.3f} ms, longest {max(late):.3f} ms. Plain sleeps in an idle loop "
            f"are late by {median(plain):.2f} ms (median) and {percentile(plain, 0.99):.2f} ms "
            "(99th percentile)."
        )
    return findings
