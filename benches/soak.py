"""8 threads and 2 event loops on one throttler: nothing lost or counted twice, nobody stuck.

Every worker keeps count of what it has been granted. A limit that never lets go of anything counts
with them, and in the end both must be the same. The instants are recorded inside the blocks, with
`hold="response"`: however long the interpreter keeps a thread between being let in and looking at
the clock, the window may never hold too many.
"""

import asyncio
import random
import threading
import time
from dataclasses import dataclass, field

import uvloop

from benches.limiter import Peer, Sluicegate
from benches.measure import SECOND, Findings, Plan, over, worst_window
from benches.report import Row
from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler

EXACT = Row(
    "soak", "8 threads and 2 event loops on one throttler, 60 s: exact counts, no deadlock", "yes"
)
WORST = Row("soak-worst", "the worst rolling window of it (limit 300 per 0.25 s)", "≤ 300")
ROWS = (EXACT, WORST)

THREADS, LOOPS, TASKS = 8, 2, 25
LIMIT, INTERVAL = 300, 0.25
PATIENCE = 15
"""Seconds that workers may take to end before they count as stuck."""


@dataclass
class Worker:
    """One thread: what it was granted, and what went wrong."""

    name: str
    instants: list[int] = field(default_factory=list)
    units: int = 0
    grants: int = 0
    timeouts: int = 0
    cancelled: int = 0
    error: str = ""

    def entered(self, units: int) -> None:
        """Counts a grant, from inside its block."""
        now = time.monotonic_ns()
        self.instants.extend([now] * units)
        self.units += units
        self.grants += 1


def build() -> Throttler:
    """Two routes on one pool, and a limit that never lets go."""
    links = [LinkedLimitWeightPair("POOL", 1), LinkedLimitWeightPair("EVER", 1)]
    return Throttler(
        [
            RateLimit("POOL", LIMIT, INTERVAL),
            RateLimit("EVER", 1 << 50, 86_400),
            RateLimit("/a", LIMIT, INTERVAL, linked_limits=links),
            RateLimit("/b", LIMIT * 3 // 4, INTERVAL, linked_limits=links),
        ]
    )


def blocking(throttler: Throttler, worker: Worker, seed: int, until: float) -> None:
    """A thread that asks again and again; some of its requests do not wait for long."""
    rng = random.Random(seed)
    while time.monotonic() < until:
        units = rng.choice((1, 1, 1, 2, 5))
        timeout = rng.choice((None, None, None, 0.005))
        try:
            with throttler.execute_task(rng.choice(("/a", "/b")), units, timeout):
                worker.entered(units)
                if rng.random() < 0.2:
                    time.sleep(rng.uniform(0, 0.002))
        except RateLimitTimeout:
            worker.timeouts += 1


async def looping(throttler: Throttler, worker: Worker, seed: int, until: float) -> None:
    """Tasks of an event loop that ask again and again; some are cancelled while they wait."""

    async def one(rng: random.Random) -> None:
        units = rng.choice((1, 1, 1, 2, 5))
        async with throttler.execute_task(rng.choice(("/a", "/b")), units):
            worker.entered(units)
            await asyncio.sleep(rng.uniform(0, 0.002))

    async def many(rng: random.Random) -> None:
        while time.monotonic() < until:
            if rng.random() < 0.8:
                await one(rng)
                continue
            task = asyncio.create_task(one(rng))
            done, _ = await asyncio.wait([task], timeout=rng.uniform(0, 0.05))
            if not done and task.cancel():
                worker.cancelled += 1
            await asyncio.wait([task])

    await asyncio.gather(*(many(random.Random(f"{seed} {task}")) for task in range(TASKS)))


def _start(throttler: Throttler, until: float) -> list[tuple[threading.Thread, Worker]]:
    def thread(worker: Worker, seed: int) -> None:
        try:
            if worker.name.startswith("thread"):
                blocking(throttler, worker, seed, until)
            else:
                runner = uvloop.run if worker.name.endswith("uvloop") else asyncio.run
                runner(looping(throttler, worker, seed, until))
        except BaseException as error:
            worker.error = f"{worker.name}: {type(error).__name__}: {error}"

    names = [f"thread {number}" for number in range(THREADS)]
    workers = [Worker(name) for name in (*names, "asyncio", "uvloop")]
    started = []
    for seed, worker in enumerate(workers):
        # Daemons: one that is stuck shall not keep the process from telling of it.
        started.append((threading.Thread(target=thread, args=(worker, seed), daemon=True), worker))
    for one, _ in started:
        one.start()
    return started


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here, for sluicegate only."""
    del peers
    findings = Findings()
    seconds = plan.timed(60, 5)
    plan.step(f"soak: sluicegate, {seconds:g} s")
    throttler = build()
    cpu = time.process_time()
    until = time.monotonic() + seconds
    started = _start(throttler, until)
    for thread, _ in started:
        thread.join(max(until - time.monotonic(), 0) + PATIENCE)
    cpu = time.process_time() - cpu
    stuck = [worker.name for thread, worker in started if thread.is_alive()]
    workers = [worker for _, worker in started]
    usage = throttler.usage()
    counted, recorded = usage["EVER"].used, sum(worker.units for worker in workers)
    wrong = [worker.error for worker in workers if worker.error]
    wrong += [f"stuck: {', '.join(stuck)}"] if stuck else []
    if counted != recorded:
        wrong.append(f"{counted:,} units counted, {recorded:,} recorded")
    left = {key: (one.in_flight, one.waiting) for key, one in usage.items()}
    if any(any(pair) for pair in left.values()):
        wrong.append(f"left in flight, waiting: {left}")
    instants = [instant for worker in workers for instant in worker.instants]
    length = int(INTERVAL * SECOND)
    worst, too_many = worst_window(instants, length), over(instants, LIMIT, length)
    name = Sluicegate.name
    findings.add(
        EXACT, name, "; ".join(wrong) or f"yes ({recorded:,} units)", not wrong, bool(wrong)
    )
    findings.add(WORST, name, str(worst), not too_many, too_many > 0)
    grants = [worker.grants for worker in workers]
    findings.notes.append(
        f"Soak: {seconds:g} s, {THREADS} threads, an asyncio and a uvloop loop of {TASKS} tasks "
        f"each; {sum(grants):,} requests of 1 to 5 units, "
        f"{sum(worker.timeouts for worker in workers):,} timed out, "
        f"{sum(worker.cancelled for worker in workers):,} cancelled; "
        f"{recorded / (LIMIT * (seconds / INTERVAL)) * 100:.1f} % of what an exact window allows; "
        f"{cpu / sum(grants) * 1e6:.1f} µs of CPU for a request, switching between threads "
        f"included; a thread had {min(grants[:THREADS]):,} to {max(grants[:THREADS]):,} grants, a "
        f"loop {min(grants[THREADS:]):,} to {max(grants[THREADS:]):,}."
    )
    return findings
