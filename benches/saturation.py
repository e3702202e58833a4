"""50 tasks that always want more than is allowed: 200 requests in any second, for 10 seconds.

A limiter must give all that is allowed, never more, and take little of the event loop for it. The
instant of each request is recorded inside its block.
"""

import asyncio
import time

from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, stop, tightest, worst_window
from benches.report import Row

TASKS, LIMIT, INTERVAL = 50, 200, 1

SHARE = Row(
    "saturation-share",
    f"saturation, {TASKS} tasks, {LIMIT} per {INTERVAL} s: share of the allowed",
    "≥ 99.5 %",
)
WORST = Row("saturation-worst", "the worst rolling window of it", f"never {LIMIT + 1}")
CPU = Row("saturation-cpu", "CPU per grant of it", "≤ 15 µs")
ROWS = (SHARE, WORST, CPU)


async def saturate(peer: Peer, seconds: float) -> tuple[list[int], float]:
    """The instants of all requests, and the CPU time of each."""
    instants: list[int] = []

    async def want_more() -> None:
        while True:
            async with peer.request():
                instants.append(time.monotonic_ns())
            # A block of no time gives others no turn; they are to compete.
            await asyncio.sleep(0)

    cpu = time.process_time_ns()
    tasks = [asyncio.create_task(want_more()) for _ in range(TASKS)]
    await asyncio.sleep(seconds)
    await stop(tasks)
    cpu = time.process_time_ns() - cpu
    return instants, cpu / max(len(instants), 1) / 1000


def shares(instants: list[int], seconds: float) -> tuple[float, float]:
    """The share of what is allowed, in two ways.

    By count: the requests of the run, of the `LIMIT` for each begun interval that an exact window
    allows, counted from the first request. By pace: request number i can leave at the earliest i //
    LIMIT intervals after the first; how long the last one had to be waited for at least, of how
    long it was. The first forgives whatever is less than a burst, the second knows nothing of
    requests beyond the limit.
    """
    length = int(seconds * SECOND)
    begun = [instant for instant in instants if instant - instants[0] < length]
    allowed = LIMIT * -(-length // (INTERVAL * SECOND))
    rounds = (len(instants) - 1) // LIMIT
    # The first of its round: those after it may have been cut off by the end of the run.
    waited = instants[rounds * LIMIT] - instants[0]
    return len(begun) / allowed, rounds * INTERVAL * SECOND / waited if waited else 1.0


async def _measure(plan: Plan, peer: type[Peer], findings: Findings) -> None:
    ours = peer is Sluicegate
    seconds = plan.timed(10 if ours else 5, 2)
    plan.step(f"saturation: {peer.name}, {seconds:g} s")
    limiter = Sluicegate(LIMIT, INTERVAL, hold="start") if ours else peer(LIMIT, INTERVAL)
    instants, cpu = await saturate(limiter, seconds)
    limiter.close()
    count, pace = shares(instants, seconds)
    share, worst = min(count, pace) * 100, worst_window(instants, INTERVAL * SECOND)
    text = f"{share:.1f} %" if count <= 1 else f"{count * 100:.0f} %"
    findings.add(SHARE, peer.name, text, share >= 99.5 if ours else None)
    is_over = worst > LIMIT
    findings.add(
        WORST, peer.name, str(worst), not is_over if ours else None, wrong=ours and is_over
    )
    findings.add(
        CPU,
        peer.name,
        f"{cpu:,.1f} µs" if cpu < 100 else f"{cpu:,.0f} µs",
        cpu <= 15 if ours else None,
    )
    if ours:
        slack = tightest(instants, LIMIT, INTERVAL * SECOND)
        findings.notes.append(
            f"Saturation: share is the smaller of two: by count ({count * 100:.2f} %: "
            f"{len(instants):,} requests in {seconds:g} s, of {LIMIT} for each second begun) and "
            f"by pace ({pace * 100:.2f} %: request i can leave at the earliest i // {LIMIT} "
            "seconds after the first). CPU is all of the process, the tasks and the loop "
            f"included. The closest {LIMIT + 1} requests were {(slack or 0) / 1000:.0f} µs more "
            'than a second apart. hold="start"; other libraries run for half as long.'
        )


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here."""
    findings = Findings()
    asyncio.run(_measure(plan, Sluicegate, findings))
    for peer in peers:
        with findings.forgiving(peer.name):
            asyncio.run(_measure(plan, peer, findings))
    return findings
