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

from benches.measure import SECOND, Findings, Plan, percentile
from benches.peers import Peer, Sluicegate
from benches.report import Row

LIMIT, INTERVAL = 100, 1

ASYNCIO = Row(
    "lateness", "lateness of a grant, asyncio: median, 99th percentile", "≤ 1.2 ms, ≤ 3 ms"
)
UVLOOP = Row("lateness-uvloop", "the same, uvloop", "≤ 1.2 ms, ≤ 3 ms")
ROWS = (ASYNCIO, UVLOOP)


async def lateness(peer: Peer, seconds: float, seed: int = 7) -> list[float]:
    """Milliseconds by which each request that had to wait was late; negative where it was early."""
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
        if earliest > asked:
            late.append((instants[-1] - earliest) / 1e6)
    return late


def _measure(
    plan: Plan,
    row: Row,
    start: Callable[[Coroutine[Any, Any, list[float]]], list[float]],
    peer: type[Peer],
    findings: Findings,
) -> None:
    ours = peer is Sluicegate
    seconds = plan.timed(6 if ours else 3, 2)
    plan.step(f"{row.key}: {peer.name}, {seconds:g} s")

    async def main() -> list[float]:
        limiter = Sluicegate(LIMIT, INTERVAL, hold="start") if ours else peer(LIMIT, INTERVAL)
        try:
            return await lateness(limiter, seconds)
        finally:
            limiter.close()

    late = start(main())
    if not late:
        findings.add(row, peer.name, "never waited")
        return
    middle, last = median(late), percentile(late, 0.99)
    text = (
        f"{middle:.2f} ms, {last:.2f} ms" if middle < 100 else f"{middle:,.0f} ms, {last:,.0f} ms"
    )
    if ours:
        findings.add(row, peer.name, text, middle <= 1.2 and last <= 3)
        findings.notes.append(
            f"Lateness, {row.key.partition('-')[2] or 'asyncio'}: {len(late)} requests that "
            f"waited, one task, {LIMIT} per {INTERVAL} s: from {min(late):.3f} to {max(late):.3f} "
            "ms."
        )
    else:
        early = sum(value < 0 for value in late)
        findings.add(row, peer.name, text + (f" ({early} of {len(late)} early)" if early else ""))


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here. uvloop: sluicegate only."""
    findings = Findings()
    everybody: list[type[Peer]] = [Sluicegate, *peers]
    for peer in everybody:
        _measure(plan, ASYNCIO, asyncio.run, peer, findings)
    _measure(plan, UVLOOP, uvloop.run, Sluicegate, findings)
    return findings
