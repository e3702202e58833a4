"""100,000 tasks that wait on one limit: what it costs to queue, to wait, and to be let through.

The library's own time is what is left of a task's time to get into the queue after the same number
of tasks has been put to wait on bare futures, in the same run. To be let through is measured on a
manual clock: of a long and of a short queue the same number of requests is let through, so that
nothing but the length differs.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from itertools import pairwise
from statistics import median
from typing import Any

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Plan, steady, stop
from benches.report import Row
from sluicegate import RateLimit, Throttler
from sluicegate._core import ManualClock

QUEUE = Row("queue", "100,000 waiting tasks: the library's own time to queue each", "≤ 5 µs")
IDLE = Row("queue-idle", "CPU while none of them can pass, of one core", "0 (≤ 0.1 %)")
ORDER = Row("queue-order", "granted in order", "yes")
COST = Row(
    "queue-grant",
    "cost of a grant from a queue of 100,000, of that from 4,000",
    "independent (≤ 1.25 ×)",
)
ROWS = (QUEUE, IDLE, ORDER, COST)

HOUR = 3600
GRANTS = 2_000
"""So many are let through at a time; from the short queue of twice as many, too, so that some wait
on behind them.
"""


async def settle(rounds: int = 10) -> None:
    """Lets every new task run until it waits."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def put(
    count: int, wait: Callable[[int], Coroutine[Any, Any, None]]
) -> tuple[list[Any], float]:
    """Starts so many tasks; they, and the microseconds that each took until it waited."""
    with steady():
        begin = time.perf_counter_ns()
        tasks = [asyncio.create_task(wait(number)) for number in range(count)]
        await settle()
        spent = (time.perf_counter_ns() - begin) / count / 1000
    return tasks, spent


async def bare(_number: int) -> None:
    """Waits for a future that nobody knows."""
    await asyncio.get_running_loop().create_future()


async def idle(seconds: float) -> float:
    """The CPU that the process uses while it sleeps, in percent of one core."""
    begin = time.process_time_ns()
    await asyncio.sleep(seconds)
    return (time.process_time_ns() - begin) / 1e7 / seconds


async def _queueing(plan: Plan, peer: type[Peer], findings: Findings) -> None:
    """The time to queue, beside bare futures, and the CPU of waiting."""
    ours = peer is Sluicegate
    count = plan.count(100_000 if ours else 5_000, 10_000 if ours else 1_000)
    plan.step(f"queue: {peer.name}, {count:,} tasks")
    own: list[float] = []
    base: list[float] = []
    share = 0.0
    empty = await idle(0.5)
    for _ in range(plan.count(5, 2) if ours else 2):
        tasks, yardstick = await put(count, bare)
        await stop(tasks)
        limiter = peer(1, HOUR)
        await limiter.passes(1)

        async def wait(_number: int, limiter: Peer = limiter) -> None:
            async with limiter.request():
                pass

        tasks, spent = await put(count, wait)
        own.append(spent - yardstick)
        base.append(yardstick)
        if len(own) == 1:
            # Those that queue in several steps have the time for it.
            await asyncio.sleep(0.5)
            share = await idle(plan.timed(2 if ours else 1, 0.5))
        await stop(tasks)
        limiter.close()
    cost = median(own)
    about = "" if ours else f" (of {count:,})"
    findings.add(QUEUE, peer.name, f"{cost:,.1f} µs{about}", cost <= 5 if ours else None)
    findings.add(IDLE, peer.name, f"{share:,.2f} %{about}", share <= 0.1 if ours else None)
    if ours:
        findings.notes.append(
            f"Queue: {len(own)} times {count:,} tasks; on bare futures {median(base):.2f} µs "
            f"each, in the queue of sluicegate {cost:.2f} µs more ({min(own):.2f} to "
            f"{max(own):.2f}). CPU of the process over 2 s of sleep with all of them waiting: "
            f"{share:.3f} %; with nobody waiting {empty:.3f} %. Other libraries: with fewer "
            "tasks, as their cost may grow faster than the queue."
        )


async def _grants(queue: int, rounds: int, order: list[int]) -> tuple[float, float]:
    """The microseconds of a grant, and of waking one of as many bare futures: medians."""
    clock = ManualClock()
    throttler = Throttler([RateLimit("/x", GRANTS, 1)], hold="start", clock=clock)
    for _ in range(GRANTS):
        throttler.try_acquire("/x")
    passed: list[int] = []

    async def wait(number: int) -> None:
        async with throttler.execute_task("/x"):
            passed.append(number)

    futures: list[asyncio.Future[None]] = []

    async def wait_bare(_number: int) -> None:
        future = asyncio.get_running_loop().create_future()
        futures.append(future)
        await future

    tasks, _ = await put(queue, wait)
    others, _ = await put(queue, wait_bare)
    times, bare_times = [], []
    with steady():
        for turn in range(rounds):
            begin = time.perf_counter_ns()
            clock.advance(1.0)
            await settle(2)
            middle = time.perf_counter_ns()
            for future in futures[turn * GRANTS : (turn + 1) * GRANTS]:
                future.set_result(None)
            await settle(2)
            times.append((middle - begin) / GRANTS / 1000)
            bare_times.append((time.perf_counter_ns() - middle) / GRANTS / 1000)
    assert len(passed) == rounds * GRANTS, "each step of the clock lets so many through"
    order += passed
    await stop(tasks + others)
    return median(times), median(bare_times)


async def _letting_through(plan: Plan, findings: Findings) -> None:
    """The cost of a grant from a long and from a short queue, in turns, and the order."""
    long = plan.count(100_000, 20_000)
    plan.step(f"queue: sluicegate, grants from {long:,} and from {2 * GRANTS:,}")
    order: list[int] = []
    ordered = True
    ratios, owns, seen = [], [], []
    for _ in range(plan.count(5, 2)):
        few = [await _grants(2 * GRANTS, 1, []) for _ in range(5)]
        order.clear()
        many = await _grants(long, 5, order)
        ordered = ordered and order == list(range(len(order)))
        short = (median(cost for cost, _ in few), median(cost for _, cost in few))
        ratios.append(many[0] / short[0])
        owns.append((many[0] - many[1]) / (short[0] - short[1]))
        seen.append((many, short))
    ratio = median(ratios)
    findings.add(COST, Sluicegate.name, f"{ratio:.2f} ×", ratio <= 1.25)
    findings.notes.append(
        f"Grants: {GRANTS:,} at a time on a manual clock, from a queue of {long:,} (five times in "
        f"a row) and from {2 * GRANTS:,}, until their blocks have run: "
        + "; ".join(
            f"{many[0]:.2f} and {short[0]:.2f} µs (bare futures {many[1]:.2f} and {short[1]:.2f})"
            for many, short in seen
        )
        + f". Without the bare futures' part: {median(owns):.2f} ×."
    )
    plan.step("queue: sluicegate, the order in real time")
    real = await _order_of(Sluicegate(long // 10, 1, hold="start"), long, 60)
    ordered = ordered and real == list(range(long))
    findings.add(ORDER, Sluicegate.name, "yes" if ordered else "NO", ordered, wrong=not ordered)


async def _order_of(limiter: Peer, count: int, timeout: float) -> list[int]:
    """The numbers of so many requests in the order in which they passed."""
    passed: list[int] = []

    async def wait(number: int) -> None:
        async with limiter.request():
            passed.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(count)]
    await asyncio.wait(tasks, timeout=timeout)
    await stop(tasks)
    limiter.close()
    return passed


async def _peer_order(plan: Plan, peer: type[Peer], findings: Findings) -> None:
    plan.step(f"queue: {peer.name}, the order")
    count = 300
    passed = await _order_of(peer(100, 1), count, 4)
    swapped = sum(early > late for early, late in pairwise(passed))
    lost = f", {count - len(passed)} not within 4 s" if len(passed) < count else ""
    findings.add(ORDER, peer.name, ("no" if swapped else "yes") + lost)


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here."""
    findings = Findings()

    async def everything() -> None:
        await _queueing(plan, Sluicegate, findings)
        await _letting_through(plan, findings)
        for peer in peers:
            with findings.forgiving(peer.name):
                await _queueing(plan, peer, findings)
                await _peer_order(plan, peer, findings)

    asyncio.run(everything())
    return findings
