"""How late a request leaves after the earliest instant at which it may, in an idle loop.

One task asks again and again; once the window is full, each request must wait for one of the first
ones to leave it. The first ones come at random distances, so that the others have every phase
against the timers' ticks.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any

import uvloop

from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, percentile
from benches.report import Row

LIMIT, INTERVAL = 100, 1

ASYNCIO = Row(
    "lateness", "lateness of a grant, asyncio: median, 99th percentile", "≤ 1.2 ms, ≤ 3 ms"
)
UVLOOP = Row("lateness-uvloop", "the same, uvloop", "≤ 1.2 ms, ≤ 3 ms")
ROWS = (ASYNCIO, UVLOOP)

Late = tuple[list[float], list[float]]
"""Milliseconds: of requests, and of the loop's own timers."""


async def lateness(peer: Peer, seconds: float, seed: int = 7) -> list[float]:
    """Milliseconds by which each request that waited was late; negative where it was early.

    The earliest instant is when the request `LIMIT` before it leaves the window, or when it asked
    should that be later: who falls behind must not wait for more.
    """
    rng = random.Random(seed)
    instants: list[int] = []
    late: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked = time.monotonic_ns()
        async with peer.request():
            instants.append(time.monotonic_ns())
        if len(instants) <= LIMIT:
            await asyncio.sleep(rng.uniform(0, 1.8 * INTERVAL / LIMIT))
            continue
        earliest = instants[-1 - LIMIT] + INTERVAL * SECOND
        if earliest > asked or instants[-1] - asked > SECOND // 1000:
            late.append((instants[-1] - max(earliest, asked)) / 1e6)
    return late


async def timers(count: int, seed: int = 7) -> list[float]:
    """Milliseconds by which the loop's own timers are late: the machine's and the loop's part."""
    rng = random.Random(seed)
    late: list[float] = []
    for _ in range(count):
        at = time.monotonic_ns() + int(rng.uniform(0.001, 0.018) * SECOND)
        await asyncio.sleep((at - time.monotonic_ns()) / SECOND)
        late.append((time.monotonic_ns() - at) / 1e6)
    return late


def _measure(
    plan: Plan,
    row: Row,
    start: Callable[[Coroutine[Any, Any, Late]], Late],
    peer: type[Peer],
    findings: Findings,
) -> None:
    ours = peer is Sluicegate
    seconds = plan.timed(6 if ours else 3, 2)
    plan.step(f"{row.key}: {peer.name}, {seconds:g} s")

    async def main() -> Late:
        limiter = Sluicegate(LIMIT, INTERVAL, hold="start") if ours else peer(LIMIT, INTERVAL)
        try:
            plain = await timers(plan.count(100, 20)) if ours else []
            late = await lateness(limiter, seconds)
            plain += await timers(plan.count(100, 20)) if ours else []
            return late, plain
        finally:
            limiter.close()

    late, plain = start(main())
    if not late:
        findings.add(row, peer.name, "never waited")
        return
    middle, last = median(late), percentile(late, 0.99)
    text = (
        f"{middle:.2f} ms, {last:.2f} ms" if middle < 100 else f"{middle:,.0f} ms, {last:,.0f} ms"
    )
    if ours:
        findings.add(row, peer.name, text, middle <= 1.2 and last <= 3)
        label = row.key.partition("-")[2] or "asyncio"
        findings.notes.append(
            f"Lateness, {label}: {len(late)} requests that waited, one task, {LIMIT} per "
            f"{INTERVAL} s: from {min(late):.3f} to {max(late):.3f} ms. "
            "Plain sleeps in the same loop, before and after, "
            f"are late by {median(plain):.2f} ms (median) and "
            f"{percentile(plain, 0.99):.2f} ms (99th percentile)."
        )
    else:
        early = sum(value < 0 for value in late)
        findings.add(row, peer.name, text + (f" ({early} of {len(late)} early)" if early else ""))


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here. uvloop: sluicegate only."""
    findings = Findings()
    _measure(plan, ASYNCIO, asyncio.run, Sluicegate, findings)
    _measure(plan, UVLOOP, uvloop.run, Sluicegate, findings)
    for peer in peers:
        with findings.forgiving(peer.name):
            _measure(plan, ASYNCIO, asyncio.run, peer, findings)
    return findings
