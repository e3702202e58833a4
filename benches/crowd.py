"""What one call costs while hundreds of ids wait for a pool that is full.

Each decision looks at everybody who waits, under the lock and with the interpreter held: what it
costs is what a bot's event loop stands still for. Time stands still too, on a manual clock, so that
every call is of one kind.
"""

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Plan, steady
from benches.report import Row
from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock

CALL = Row("crowd-call", "the dearest call with 800 ids waiting for one pool", "≤ 100 µs")
GROWTH = Row(
    "crowd-growth",
    "what each waiting id adds to a call with 10,000 of them, of what it adds with 800",
    "linear (≤ 1.25 ×)",
)
ROWS = (CALL, GROWTH)

Hold = Literal["response", "start"]
HOLDS: tuple[Hold, ...] = ("response", "start")

IDS, MANY = 800, 10_000
POOL, HEAVY, INTERVAL = 10_000, 6_000, 60.0
IN_FLIGHT = 1_000
"""Requests that entered before anybody waited, and leave one by one."""

DECIDES = 5e-6
"""A call that takes longer looked at those who wait; the others had no reason to."""


class Crowd:
    """So many ids, the next request of each waiting for most of a pool that is half full."""

    def __init__(self, ids: int, hold: Hold) -> None:
        link = LinkedLimitWeightPair
        self.clock = ManualClock()
        table = [RateLimit("POOL", POOL, INTERVAL)]
        table += [
            RateLimit(f"/heavy/{at}", 1000, INTERVAL, linked_limits=[link("POOL", HEAVY)])
            for at in range(ids)
        ]
        table.append(RateLimit("/light", 1_000_000, INTERVAL, linked_limits=[link("POOL", 1)]))
        table.append(RateLimit("/other", 1_000_000, INTERVAL))
        self.throttler = Throttler(table, clock=self.clock, hold=hold)
        self.throttler.charge("POOL", POOL // 2)
        self.in_flight = [self.throttler.execute_task("/light") for _ in range(IN_FLIGHT)]
        for task in self.in_flight:
            task.__enter__()
        self.tasks = [asyncio.ensure_future(self._wait(f"/heavy/{at}")) for at in range(ids)]

    async def _wait(self, limit_id: str) -> None:
        async with self.throttler.execute_task(limit_id):
            pass

    def _arrival(self) -> None:
        with suppress(RateLimitTimeout), self.throttler.execute_task("/light", timeout=0):
            pass

    def _leave(self) -> None:
        self.in_flight.pop().__exit__(None, None, None)

    def _pass(self) -> None:
        with self.throttler.execute_task("/other"):
            pass

    def calls(self) -> dict[str, Callable[[], object]]:
        """Every kind of call that may have to decide."""
        return {
            "charge": lambda: self.throttler.charge("/light"),
            "wait_time": lambda: self.throttler.wait_time("/light"),
            "an arrival that gives up": self._arrival,
            "an answer": self._leave,
            "a pass of another id": self._pass,
            "a step of the clock": lambda: self.clock.advance(1e-6),
        }

    async def close(self) -> None:
        """Lets nobody wait any more."""
        for task in reversed(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def costs(ids: int, hold: Hold, rounds: int) -> dict[str, float]:
    """The median seconds of each kind of call."""
    crowd = Crowd(ids, hold)
    await asyncio.sleep(0)
    assert crowd.throttler.usage("POOL").waiting == ids
    taken: dict[str, list[float]] = {}
    with steady():
        for _ in range(rounds):
            for name, call in crowd.calls().items():
                begin = time.perf_counter()
                call()
                taken.setdefault(name, []).append(time.perf_counter() - begin)
    await crowd.close()
    return {name: statistics.median(each) for name, each in taken.items()}


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures both rows."""
    del peers  # Others know one limit, or none of the order of who waits.
    findings = Findings()
    rounds = plan.count(200, 20)
    few: dict[str, float] = {}
    many: dict[str, float] = {}
    for hold in HOLDS:
        plan.step(f"crowd: {IDS:,} and {MANY:,} ids, hold={hold!r}")
        for found, ids in ((few, IDS), (many, MANY)):
            each = asyncio.run(costs(ids, hold, max(5, rounds * IDS // ids)))
            found.update({f"{name} ({hold})": cost for name, cost in each.items()})
    dearest = max(few, key=lambda name: few[name])
    slow = [name for name in few if few[name] > DECIDES]
    growth = max(many[name] / few[name] for name in slow) * IDS / MANY
    cost = few[dearest] * 1e6
    findings.add(CALL, Sluicegate.name, f"{cost:.0f} µs", met=cost <= 100)
    findings.add(GROWTH, Sluicegate.name, f"{growth:.2f} ×", met=growth <= 1.25)
    costs_of_both = "; ".join(
        f"{name} {few[name] * 1e6:.1f} and {many[name] * 1e6:.1f} µs" for name in sorted(few)
    )
    findings.notes.append(
        f"Crowd: {IDS:,} and {MANY:,} ids, each of which waits for {HEAVY:,} units of a pool of "
        f"{POOL:,} with half of it used. Medians of {rounds} calls ({max(5, rounds * IDS // MANY)} "
        f"with {MANY:,}), on a manual clock: {costs_of_both}."
    )
    return findings
