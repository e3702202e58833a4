"""What the server counts: requests arrive 5 to 250 ms after they leave.

Its window is over arrivals. A limiter that counts requests when they leave lets slow ones of one
second arrive beside quick ones of the next; with `hold="response"` a unit stays taken until one
interval after the answer has come.
"""

import asyncio
import random
import time

from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, over, stop, worst_window
from benches.report import Row

TASKS, LIMIT, INTERVAL = 50, 20, 1
LATENCY = (0.005, 0.250)
ANSWER = 0.005
"""Seconds that the answer takes back."""

OVER = Row(
    "jitter", f"requests over the server's limit under latency, {LIMIT} per {INTERVAL} s", "0"
)
WORST = Row("jitter-worst", f"the server's worst window (limit {LIMIT})", f"≤ {LIMIT}")
SENT = Row("jitter-sent", "requests sent in that run", "")
ROWS = (OVER, WORST, SENT)


async def arrivals(peer: Peer, seconds: float, seed: int = 7) -> list[int]:
    """The instants at which requests reached the server."""
    rng = random.Random(seed)
    instants: list[int] = []

    async def bot() -> None:
        while True:
            async with peer.request():
                await asyncio.sleep(rng.uniform(*LATENCY))
                instants.append(time.monotonic_ns())
                await asyncio.sleep(ANSWER)

    tasks = [asyncio.create_task(bot()) for _ in range(TASKS)]
    await asyncio.sleep(seconds)
    await stop(tasks)
    return instants


def _report(peer: type[Peer], instants: list[int], findings: Findings) -> None:
    ours = peer is Sluicegate
    too_many, worst = (
        over(instants, LIMIT, INTERVAL * SECOND),
        worst_window(instants, INTERVAL * SECOND),
    )
    met = too_many == 0 if ours else None
    findings.add(OVER, peer.name, str(too_many), met, wrong=ours and too_many > 0)
    findings.add(WORST, peer.name, str(worst), met)
    findings.add(SENT, peer.name, str(len(instants)))


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here: sluicegate by itself, and all others at once."""
    # At once saves minutes; but those that poll may delay the rest.
    findings = Findings()
    seconds = plan.timed(12, 3)

    async def ours() -> None:
        _report(
            Sluicegate,
            await arrivals(Sluicegate(LIMIT, INTERVAL, hold="response"), seconds),
            findings,
        )

    async def theirs() -> None:
        limiters = [peer(LIMIT, INTERVAL) for peer in peers]
        runs = [asyncio.create_task(arrivals(limiter, seconds)) for limiter in limiters]
        await asyncio.wait(runs)
        for peer, limiter, one in zip(peers, limiters, runs, strict=True):
            limiter.close()
            with findings.forgiving(peer.name):
                _report(peer, one.result(), findings)

    plan.step(f"jitter: sluicegate, {seconds:g} s")
    asyncio.run(ours())
    if peers:
        plan.step(f"jitter: all others at once, {seconds:g} s")
        asyncio.run(theirs())
    findings.notes.append(
        f"Jitter: {TASKS} tasks for {seconds:g} s; a request reaches the server "
        f"{LATENCY[0] * 1000:g} to {LATENCY[1] * 1000:g} ms after it leaves (the same seed for "
        f"all), and the answer takes {ANSWER * 1000:g} ms back. The block lasts until the answer, "
        "for all; only sluicegate makes use of that. "
        "The others ran at once in one loop, so that those that poll may have delayed the rest. "
        "Over: arrivals at which the window held the "
        "limit already; every arrival counts, as on an exchange."
    )
    return findings
