"""20 processes on 1 request per second: fewer units than processes, so that each must take turns.

Each asks, waits, and asks again 20 s after the answer, in the mean. One process with 20 tasks that
ask likewise is the one queue that they are compared with.
"""

from collections.abc import Callable

from benches.measure import Findings, Plan, percentile
from benches.report import Row
from benches.share.cluster import NOTHING, Cluster, Outcome, store, warm
from benches.share.limiters import Sluicegate
from benches.share.rows import STORES, promise, target

PROCESSES, PAUSE = 20, 20.0

P99 = Row(
    "turns",
    "20 processes on 1 per 1 s, each asking once in 20 s: the 99th percentile of waiting, "
    "of that of one queue",
    "≤ 2 ×",
)
OVER = Row("turns-over", "the same: over", "0")
ROWS = (P99, OVER)


def take_turns(where: str, seconds: float) -> Outcome:
    """20 processes, or one process where there is nothing that they could share."""
    with store(where) as place, Cluster(Sluicegate.name, place.url, limit=1) as cluster:
        warm(place, 1, 1.0)
        if where == NOTHING:
            cluster.add(PROCESSES, PAUSE)
        else:
            for _ in range(PROCESSES):
                cluster.add(1, PAUSE)
        cluster.go(seconds)
        return cluster.finish()


def jobs(plan: Plan) -> dict[str, Callable[[], Outcome]]:
    """What runs at once with others, as it nearly always sleeps."""
    seconds = plan.timed(200, 30)
    return {
        where: (lambda where=where: take_turns(where, seconds))  # type: ignore[misc]
        for where in (NOTHING, *STORES)
    }


def tell(outcomes: dict[str, Outcome], findings: Findings) -> None:
    """Puts what the jobs found into the table."""
    for where, found in outcomes.items():
        if isinstance(found, Exception):
            raise RuntimeError(f"{where}: {found}")
    waits = {
        where: [wait for bot in one.bots for wait in bot.waits] for where, one in outcomes.items()
    }
    queue = percentile(waits[NOTHING], 0.99)
    notes = []
    for where, found in outcomes.items():
        p99, mean = percentile(waits[where], 0.99), sum(waits[where]) / len(waits[where])
        notes.append(
            f"{where}: {len(waits[where])} requests waited {mean:.1f} s in the mean, "
            f"{p99:.1f} s (99th percentile), {max(waits[where]):.1f} s (longest)"
        )
        if where != NOTHING:
            factor = p99 / queue
            target(findings, P99, where, f"{factor:.2f} × ({p99:.1f} s)", factor <= 2)
            kept = not found.over and not found.errors
            promise(findings, OVER, where, "; ".join((str(found.over), *found.errors[:2])), kept)
    findings.notes.append(f"Turns (nothing shared is the one queue): {'; '.join(notes)}.")
