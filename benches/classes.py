"""Requests of several classes: what a grant costs, and how long the lowest class waits.

All on a manual clock. So many are let through at a time; one class and several take turns.
"""

import asyncio
import time
from collections.abc import Callable
from statistics import median

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Passes, Plan, one_round, ratio, steady, stop
from benches.queue import put, settle
from benches.report import Row
from benches.uncontended import DAY, PASSES, PLENTY
from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate._core import ManualClock

GRANT = Row(
    "classes-grant",
    "deciding among 10,000 waiting in 5 classes, for each grant, of the cost with one class",
    "≤ 1.2 ×",
)
FLOOD = Row(
    "classes-flood",
    "a flood of priority 5 with `patience=1`: the longest wait of a priority-0 request",
    "≤ 6 s and one window (1 s)",
)
PASS = Row(
    "classes-pass",
    "a pass that need not wait, with priorities in the table and a patience, of one without",
    "≤ 1.02 ×",
)
ROWS = (GRANT, FLOOD, PASS)

WAITING, GRANTS = 10_000, 1_000


def one_class(_number: int) -> int:
    """The priority of each request."""
    return 0


def one_after_another(number: int) -> int:
    """Five classes, the highest of which comes first: they leave in the order of arrival."""
    return 4 - number * 5 // WAITING


def mixed(number: int) -> int:
    """Five classes, which come in turns."""
    return number % 5


class Crowd:
    """Requests of some priorities that wait on one limit."""

    def __init__(
        self, waiting: int, priority: Callable[[int], int], patience: float | None = None
    ) -> None:
        self.waiting, self.priority = waiting, priority
        self.clock = ManualClock()
        limits = [RateLimit("/x", GRANTS, 1)]
        self.throttler = Throttler(limits, hold="start", clock=self.clock, patience=patience)
        self.passed = 0

    async def _wait(self, number: int) -> None:
        async with self.throttler.execute_task("/x", priority=self.priority(number)):
            self.passed += 1

    async def grant(self) -> float:
        """The microseconds in which it is decided that a request leaves, and it is woken."""
        assert self.throttler.charge("/x", GRANTS)
        tasks, _ = await put(self.waiting, self._wait)
        times: list[float] = []
        with steady():
            while self.passed < self.waiting:
                before = self.passed
                begin = time.perf_counter_ns()
                self.clock.advance(1.0)
                times.append((time.perf_counter_ns() - begin) / GRANTS / 1000)
                await settle(2)
                assert self.passed == before + GRANTS, "each step of the clock lets so many pass"
        await stop(tasks)
        return median(times)


async def bare(waiting: int, priority: Callable[[int], int]) -> float:
    """The same of waking bare futures in the order in which such requests leave."""
    futures = [asyncio.get_running_loop().create_future() for _ in range(waiting)]

    async def wait(number: int) -> None:
        await futures[number]

    tasks, _ = await put(waiting, wait)
    order = sorted(range(waiting), key=lambda number: -priority(number))
    times: list[float] = []
    with steady():
        for first in range(0, waiting, GRANTS):
            begin = time.perf_counter_ns()
            for number in order[first : first + GRANTS]:
                futures[number].set_result(None)
            times.append((time.perf_counter_ns() - begin) / GRANTS / 1000)
            await settle(2)
    await stop(tasks)
    return median(times)


async def _grants(plan: Plan, findings: Findings) -> None:
    plan.step("classes: sluicegate, grants")
    waiting = plan.count(WAITING, 3 * GRANTS)
    costs: list[dict[str, float]] = [
        {
            "one": await Crowd(waiting, one_class).grant(),
            "five": await Crowd(waiting, one_after_another).grant(),
            "mixed": await Crowd(waiting, mixed).grant(),
            "rising": await Crowd(waiting, mixed, patience=1).grant(),
            "bare": await bare(waiting, one_class),
            "bare, mixed": await bare(waiting, mixed),
        }
        for _ in range(plan.count(15, 2))
    ]
    five, turns = ratio(costs, "five", "one"), ratio(costs, "mixed", "one")
    shown = f"{five.median:.2f} × (in turns: {turns.median:.2f} ×)"
    findings.add(GRANT, Sluicegate.name, shown, five.median <= 1.2)
    findings.notes.append(
        f"Classes: {waiting:,} tasks wait for one limit, which lets {GRANTS:,} through at a time "
        "on a manual clock; the time in which it is decided that one leaves, and its loop is told. "
        f"One class {median(each['one'] for each in costs):.2f} µs. Five classes, one after "
        f"another: {five}. Those that come in turns leave in another order than they came, so that "
        f"their memory is visited in leaps: {turns}; bare futures that are woken in that order, "
        f"of bare futures in order: {ratio(costs, 'bare, mixed', 'bare')}. With `patience=1`, in "
        f"which each of them changes its place once: {ratio(costs, 'rising', 'one')}."
    )


async def _longest_wait(limit: int, flood: int, most: float) -> float:
    """The longest wait of requests of priority 0, one after another, beside a flood."""
    clock = ManualClock()
    throttler = Throttler([RateLimit("/x", limit, 1)], hold="start", clock=clock, patience=1)

    async def keep_coming() -> None:
        while True:
            async with throttler.execute_task("/x", priority=5):
                pass
            await asyncio.sleep(0)

    waits: list[float] = []

    async def low() -> None:
        while True:
            begun = clock.now
            async with throttler.execute_task("/x"):
                waits.append(clock.now - begun)

    tasks = [asyncio.create_task(keep_coming()) for _ in range(flood)]
    await settle()
    tasks.append(asyncio.create_task(low()))
    while clock.now < most:
        clock.advance(0.05)
        await settle(4)
    await stop(tasks)
    return max(waits, default=most)


async def _flood(plan: Plan, findings: Findings) -> None:
    plan.step("classes: sluicegate, a flood")
    most = plan.count(120, 30)
    waits = {
        (limit, flood): await _longest_wait(limit, flood, most)
        for limit, flood in ((2, 4), (2, 9), (20, 40), (20, 90))
    }
    longest = max(waits.values())
    findings.add(FLOOD, Sluicegate.name, f"{longest:.2f} s", longest <= 7)
    findings.notes.append(
        f"Flood: for {most} s of a manual clock so many requests of priority 5 always want a "
        "limit, and one of priority 0 after another. The longest wait of these: "
        + ", ".join(f"{wait:.2f} s ({n} of {flood} a second)" for (n, flood), wait in waits.items())
        + ". Without a patience the first of them waits for ever."
    )


def _passes(priority: int, patience: float | None) -> Passes:
    """Passes that need not wait."""
    pool = [LinkedLimitWeightPair("POOL", 1)]
    limits = [
        RateLimit("POOL", PLENTY, DAY),
        RateLimit("/x", PLENTY, DAY, linked_limits=pool, priority=priority),
    ]
    throttler = Throttler(limits, patience=patience)

    async def passes(count: int) -> None:
        for _ in range(count):
            async with throttler.execute_task("/x"):
                pass

    return passes


async def _pass(plan: Plan, findings: Findings) -> None:
    plan.step("classes: sluicegate, a pass that need not wait")
    contestants = {"without": _passes(0, None), "with": _passes(5, 1)}
    with steady():
        await one_round(contestants, PASSES, 0)
        rounds = [await one_round(contestants, PASSES, turn) for turn in range(plan.count(600, 60))]
    spread = ratio(rounds, "with", "without")
    findings.add(PASS, Sluicegate.name, f"{spread.median:.3f} ×", spread.median <= 1.02)
    findings.notes.append(
        f"A pass with priorities: {len(rounds)} rounds of {PASSES:,} passes, the median of the "
        f"ratios within a round and their quartiles: {spread}."
    )


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here: no other library knows classes."""
    del peers
    findings = Findings()

    async def everything() -> None:
        await _grants(plan, findings)
        await _flood(plan, findings)
        await _pass(plan, findings)

    asyncio.run(everything())
    return findings
