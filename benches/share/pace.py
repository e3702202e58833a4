"""4 processes that always want more than 200 a second; and one that does beside three that sleep.

The server counts arrivals, each 5 to 100 ms after its request has left. The block of a request
lasts until the answer, for all; only sluicegate makes use of that.
"""

from benches.measure import Findings, Plan
from benches.report import Row
from benches.share.cluster import NOTHING, Cluster, Outcome, measured, store, warm_store
from benches.share.limiters import Sluicegate
from benches.share.rows import STORES, column, promise, target

PROCESSES, TASKS, LIMIT = 4, 25, 200
PAUSE = 4.0
"""Seconds between two requests of a process that is nearly idle."""

OVER = Row(
    "pace-over",
    "4 processes × 25 tasks, 200 per 1 s, arrivals 5 to 100 ms late: "
    "requests over the server's limit",
    "0",
)
WORST = Row("pace-worst", "the server's worst window of it (limit 200)", "≤ 200")
SHARE = Row("pace-share", "the same: grants, of what one process with one gate gets", "≥ 98 %")
CPU = Row(
    "pace-cpu",
    "the same: CPU per grant of sharing, client and store: more than the same 4 processes need "
    "that do not share",
    "≤ 15 µs",
)
WHOLE = Row(
    "pace-whole",
    "the same: more than one process with all 100 tasks needs (see below)",
    "≤ 15 µs",
)
BUSY = Row(
    "pace-busy",
    "one busy process beside three nearly idle ones, of what it gets alone",
    "≥ 95 %",
)
ROWS = (OVER, WORST, SHARE, CPU, WHOLE, BUSY)


def saturate(
    library: str, where: str, tasks: list[int], seconds: float, limit: int = LIMIT
) -> Outcome:
    """So many bots, each with so many tasks that want all they can get."""
    is_ours = library == Sluicegate.name
    place_of = warm_store if is_ours else store
    with place_of(where) as place, Cluster(library, place.url, limit=limit) as cluster:
        for each in tasks:
            cluster.add(each)
        return measured(cluster, place, seconds)


def beside_idle(where: str, seconds: float) -> tuple[Outcome, int]:
    """One busy bot and three that ask now and then; and the grants of the busy one."""
    with warm_store(where) as place, Cluster(Sluicegate.name, place.url) as cluster:
        cluster.add(TASKS)
        for _ in range(PROCESSES - 1):
            cluster.add(1, PAUSE)
        outcome = measured(cluster, place, seconds)
        return outcome, len(outcome.bots[0].departures)


def run(plan: Plan, others: list[tuple[str, str]]) -> Findings:
    """Measures every row here."""
    findings = Findings()
    seconds = plan.timed(10, 4)
    spread = [TASKS] * PROCESSES
    plan.step(f"pace: one process with one gate, {seconds:g} s")
    one = saturate(Sluicegate.name, NOTHING, [PROCESSES * TASKS], seconds)
    plan.step(f"pace: {PROCESSES} processes with a quarter each, {seconds:g} s")
    quarters = saturate(Sluicegate.name, NOTHING, spread, seconds, LIMIT // PROCESSES)
    notes = [
        f"one process {one.grants:,} grants of {one.cpu:.0f} µs",
        f"4 processes with a quarter each {quarters.grants:,} of {quarters.cpu:.0f} µs",
    ]
    for where in STORES:
        plan.step(f"pace: {PROCESSES} processes, sluicegate, {where}, {seconds:g} s")
        found = saturate(Sluicegate.name, where, spread, seconds)
        _tell(findings, found, where)
        share = found.grants / one.grants
        more, beyond = found.cpu - one.cpu, found.cpu - quarters.cpu
        target(findings, SHARE, where, f"{share:.1%}", share >= 0.98)
        target(findings, CPU, where, f"{beyond:.0f} µs", beyond <= 15)
        target(findings, WHOLE, where, f"{more:.0f} µs", more <= 15)
        notes.append(_note(Sluicegate.name, where, found))
    for library, where in others:
        plan.step(f"pace: {PROCESSES} processes, {library}, {where}, {seconds:g} s")
        with findings.forgiving(column(library, where)):
            found = saturate(library, where, spread, seconds)
            name = column(library, where)
            findings.add(OVER, name, str(found.over))
            findings.add(WORST, name, str(found.worst))
            findings.add(SHARE, name, f"{found.grants / one.grants:.1%}")
            findings.add(CPU, name, f"{found.cpu - quarters.cpu:.0f} µs")
            findings.add(WHOLE, name, f"{found.cpu - one.cpu:.0f} µs")
            notes.append(_note(library, where, found))
    findings.notes.append(
        f"Pace: {seconds:g} s. CPU is that of all threads of the bots, and of Redis, from the "
        "first request to the end of the run: start, import and joining come before it. The loop, "
        "the tasks and their sockets are part of it, for all alike. What sharing costs is what 4 "
        "processes need that share, less what the same 4 need with a quarter of the limit each and "
        "nothing shared: both wake up as often for the same requests. The row below it subtracts "
        f"one process with all tasks instead. Of that, {quarters.cpu - one.cpu:.0f} µs are what 4 "
        "processes need more than one without any sharing: a loop that wakes up for one answer at "
        f"a time does less of its work at once. {'; '.join(notes)}."
    )
    plan.step(f"pace: one busy process alone, {seconds:g} s")
    alone = saturate(Sluicegate.name, NOTHING, [TASKS], seconds)
    for where in STORES:
        plan.step(f"pace: one busy process beside three nearly idle ones, {where}, {seconds:g} s")
        found, busy = beside_idle(where, seconds)
        share = busy / alone.grants
        target(findings, BUSY, where, f"{share:.1%}", share >= 0.95 and not found.over)
        findings.notes.append(
            f"Busy, {where}: {busy:,} grants of {alone.grants:,}; the three others asked "
            f"{found.grants - busy:,} times, each every {PAUSE:g} s; over: {found.over}."
        )
    return findings


def _tell(findings: Findings, found: Outcome, where: str) -> None:
    kept = found.over == 0 and not found.errors
    promise(findings, OVER, where, "; ".join((str(found.over), *found.errors[:2])), kept)
    promise(findings, WORST, where, str(found.worst), found.worst <= found.limit)


def _note(library: str, where: str, found: Outcome) -> str:
    by_bot = " ".join(str(len(bot.departures)) for bot in found.bots)
    errors = f", {len(found.errors)} errors such as {found.errors[0]}" if found.errors else ""
    return (
        f"{column(library, where)} {found.grants:,} ({by_bot}) of {found.cpu:.0f} µs, "
        f"{sum(bot.visits for bot in found.bots)} visits of the store, "
        f"the store's part {found.store_cpu / max(found.grants, 1) * 1e6:.0f} µs{errors}"
    )
