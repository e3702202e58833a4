"""100 members with 50 limits each in one scope: what they ask of the store.

    python -m benches.share.fleet URL

runs 20 of them, as throttlers of one process: first they sleep, then all want more than they get.
"""

import asyncio
import json
import logging
import sys
import time
from contextlib import ExitStack

from benches.measure import Findings, Plan
from benches.report import Row
from benches.share.bot import Kept
from benches.share.cluster import PATIENCE, line_of, start, warm_store
from benches.share.rows import STORES, target
from sluicegate import RateLimit, Share, Throttler
from sluicegate._core import share_visits

MEMBERS, PROCESSES, LIMITS = 100, 5, 50
LIMIT, INTERVAL = 200, 10.0

SATURATED = Row(
    "fleet-saturated",
    f"{MEMBERS} members × {LIMITS} limits in one scope: store operations a second, "
    "when all are saturated",
    "≤ 100",
)
ASLEEP = Row("fleet-asleep", "the same, when all sleep", "≤ 40")
ONE = Row("fleet-one", "the same: one operation", "≤ 1 ms")
ROWS = (SATURATED, ASLEEP, ONE)


class Count:
    """Visits of the store, and the seconds and the CPU time that they took, from here on."""

    def __init__(self) -> None:
        self.before, self.began = share_visits(), time.monotonic()

    def stop(self) -> dict[str, float]:
        """Since then."""
        visits, waited, took = share_visits()
        return {
            "visits": visits - self.before[0],
            "waited": waited - self.before[1],
            "took": took - self.before[2],
            "seconds": time.monotonic() - self.began,
        }


async def play(url: str, settle: float, seconds: float) -> None:
    """Sleeps, and then wants all."""
    lost: list[str] = []
    logger = logging.getLogger("sluicegate")
    logger.propagate = False
    logger.addHandler(Kept(lost))
    table = [RateLimit(f"/{nth}", LIMIT, INTERVAL) for nth in range(LIMITS)]
    members = [Throttler(table, share=Share(url)) for _ in range(MEMBERS // PROCESSES)]
    granted = 0

    async def want(member: Throttler, limit_id: str) -> None:
        nonlocal granted
        while True:
            async with member.execute_task(limit_id):
                granted += 1
            await asyncio.sleep(0)

    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.sleep(4)
    count = Count()
    await asyncio.sleep(seconds)
    asleep = count.stop()
    tasks = [asyncio.create_task(want(one, limit.limit_id)) for one in members for limit in table]
    count = Count()
    await asyncio.sleep(settle)
    first = count.stop()
    count, before, cpu = Count(), granted, time.process_time()
    await asyncio.sleep(seconds)
    saturated = {
        **count.stop(),
        "granted": granted - before,
        "cpu": time.process_time() - cpu,
        "lost": len(lost),
    }
    print(json.dumps({"asleep": asleep, "first": first, "saturated": saturated}), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for member in members:
        member.close()


def _mean(found: list[dict[str, dict[str, float]]], state: str, what: str) -> float:
    """Seconds of an operation."""
    visits = sum(one[state]["visits"] for one in found)
    return sum(one[state][what] for one in found) / max(visits, 1)


def run(plan: Plan, others: list[tuple[str, str]]) -> Findings:
    """Measures every row here, for sluicegate only."""
    del others
    findings = Findings()
    settle, seconds = 3.2 * INTERVAL, plan.timed(INTERVAL, INTERVAL)
    for where in STORES:
        plan.step(f"fleet: {MEMBERS} members, {where}")
        with warm_store(where) as place, ExitStack() as ends:
            words = ("benches.share.fleet", place.url, str(settle), str(seconds))
            processes = [start(*words) for _ in range(PROCESSES)]
            for process in processes:
                ends.callback(process.communicate)
                ends.callback(process.kill)
            for process in processes:
                line_of(process, "a fleet")
            for process in processes:
                assert process.stdin
                process.stdin.write("go\n")
                process.stdin.flush()
            within = PATIENCE + settle + 2 * seconds
            found = [json.loads(line_of(process, "a fleet", within)) for process in processes]
        rates = {}
        for state in ("asleep", "saturated"):
            rates[state] = sum(one[state]["visits"] / one[state]["seconds"] for one in found)
        each, wait = _mean(found, "saturated", "took"), _mean(found, "saturated", "waited")
        grants = sum(one["saturated"]["granted"] for one in found)
        target(findings, SATURATED, where, f"{rates['saturated']:.0f}", rates["saturated"] <= 100)
        target(findings, ASLEEP, where, f"{rates['asleep']:.0f}", rates["asleep"] <= 40)
        target(findings, ONE, where, f"{each * 1000:.2f} ms", each <= 0.001)
        possible = LIMITS * LIMIT / INTERVAL * seconds
        first = sum(one["first"]["visits"] / one["first"]["seconds"] for one in found)
        lost = sum(one["saturated"]["lost"] for one in found)
        cpu = sum(one["saturated"]["cpu"] for one in found) / max(grants, 1) * 1e6
        findings.notes.append(
            f"Fleet, {where}: {grants:,} grants in {seconds:g} s, {grants / possible:.0%} of what "
            f"{LIMITS} limits of {LIMIT} per {INTERVAL:g} s allow, {cpu:.0f} µs of CPU for each; "
            f"an operation waits {wait * 1000:.2f} ms for its turn (while all sleep "
            f"{_mean(found, 'asleep', 'waited') * 1000:.2f} ms, and takes "
            f"{_mean(found, 'asleep', 'took') * 1000:.2f} ms); {first:.0f} operations a second in "
            f"the first {settle:g} s, until units have found their places; {lost:g} lines logged."
        )
    findings.notes.append(
        f"Fleet: {PROCESSES} processes with {MEMBERS // PROCESSES} throttlers each. One operation "
        "is the mean time from reading the state to having written the new one; with Redis, with "
        "the way there and back."
    )
    return findings


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
