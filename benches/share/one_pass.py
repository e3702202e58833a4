"""What one pass costs while there are units in hand, of one that is not shared.

Each has a limit that it never reaches. The others of the budget sleep.
"""

import asyncio

from benches.measure import Findings, Plan, one_round, ratio, steady
from benches.report import Row
from benches.share.cluster import Cluster, store, warm_store
from benches.share.limiters import LIMITERS, Sluicegate
from benches.share.rows import STORES, column, target

PASS = Row("one-pass", "one pass with units in hand, of a pass that is not shared", "≤ 1.25 ×")
ROWS = (PASS,)

LIMIT, INTERVAL = 1_000_000, 1.0
"""Other libraries look at what is in the window: it empties itself."""


async def compare(library: str, url: str, rounds: int, passes: int) -> tuple[float, float]:
    """The median ratio of a shared pass to one that is not, and the seconds of the shared one."""
    alone = Sluicegate("", LIMIT, INTERVAL)
    shared = LIMITERS[library](url, LIMIT, INTERVAL)
    contestants = {"shared": shared.passes, "alone": alone.passes}
    await one_round(contestants, passes, 0)
    times = []
    with steady():
        for turn in range(rounds):
            times.append(await one_round(contestants, passes, turn))
            if library == Sluicegate.name and turn % 50 == 0:
                # Else it asks the store in the midst of a round, once it has used all it has.
                await asyncio.sleep(INTERVAL)
    shared.close()
    alone.close()
    seconds = sorted(each["shared"] for each in times)[rounds // 2] / 1e9
    return ratio(times, "shared", "alone").median, seconds


def run(plan: Plan, others: list[tuple[str, str]]) -> Findings:
    """Measures the row."""
    findings = Findings()
    rounds = plan.count(400, 100)
    for where in STORES:
        plan.step(f"one pass: sluicegate, {where}")
        with warm_store(where) as place, Cluster(Sluicegate.name, place.url) as cluster:
            cluster.limit, cluster.interval = LIMIT, INTERVAL
            for _ in range(3):
                cluster.add(1, 1e6)
            cluster.go(600)
            factor, seconds = asyncio.run(compare(Sluicegate.name, place.url, rounds, 1000))
        text = f"{factor:.2f} × ({seconds * 1e9:.0f} ns)"
        target(findings, PASS, where, text, factor <= 1.25)
    for library, where in others:
        plan.step(f"one pass: {library}, {where}")
        with findings.forgiving(column(library, where)), store(where) as place:
            factor, seconds = asyncio.run(compare(library, place.url, 20, 50))
            text = f"{factor:,.0f} × ({seconds * 1e6:.0f} µs)"
            findings.add(PASS, column(library, where), text)
    findings.notes.append(
        f"One pass: {rounds} rounds of 1,000 passes each, beside three members that sleep, with "
        f"{LIMIT:,} units per {INTERVAL:g} s; other libraries 20 rounds of 50, alone."
    )
    return findings
