"""4 processes that always want more than 200 a second; and one that does beside three that sleep.

The server counts arrivals, each 5 to 100 ms after its request has left. The block of a request
lasts until the answer, for all; only sluicegate makes use of that.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from benches.measure import Findings, Plan
from benches.report import Row
from benches.share.bot import LATENCY
from benches.share.cluster import (
    NOTHING,
    REDIS,
    Cluster,
    Outcome,
    Store,
    side_by_side,
    store,
    warm_store,
)
from benches.share.limiters import Sluicegate
from benches.share.rows import STORES, column, promise, target

PROCESSES, TASKS, LIMIT = 4, 25, 200
PAUSE = 4.0
"""Seconds between two requests of a process that is nearly idle."""
SETTLE = 2.0
"""Seconds from the beginning that CPU is not counted: the first second is one burst."""

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
    "the same: CPU per grant that sharing costs, client and store: more than the same 4 processes "
    "need, each with a quarter of the limit and nothing shared",
    "≤ 15 µs",
)
WHOLE = Row(
    "pace-whole",
    "the same: CPU per grant more than one process with all 100 tasks needs; so also what 4 "
    "processes cost without any sharing",
    "≤ 15 µs",
)
BUSY = Row(
    "pace-busy",
    "one busy process beside three nearly idle ones, of what it gets alone",
    "≥ 95 %",
)
ROWS = (OVER, WORST, SHARE, CPU, WHOLE, BUSY)


@dataclass
class Beside:
    """Three ways to use one limit, measured at the same time.

    Attributes:
        shared: Processes that share it.
        parts: As many, each with its part of it, and nothing shared.
        one: One process with all tasks.
    """

    shared: Outcome
    parts: Outcome
    one: Outcome

    @property
    def sharing(self) -> float:
        """Microseconds of CPU time for each grant that sharing costs.

        The median over the rounds: other programs of the machine disturb one or the other. It is no
        less than what is used for nothing else.
        """
        rounds = zip(self.shared.rounds, self.parts.rounds, strict=False)
        more = median(shared - part for shared, part in rounds)
        alone = self.shared.sharing + self.shared.store_part
        return max(more + self.shared.store_part, alone)

    @property
    def several(self) -> float:
        """The same that several processes cost, rather than one, without sharing."""
        return self.parts.cpu - self.one.cpu

    def told(self, name: str) -> str:
        """All of it in words."""
        shared = self.shared
        by_bot = " ".join(str(len(bot.departures)) for bot in shared.bots)
        errors = shared.errors
        visits = sum(bot.visits for bot in shared.bots)
        own = f", {shared.sharing:.1f} µs of it in the threads that share" if visits else ""
        part = f", {shared.store_part:.1f} µs in the store" if shared.store_cpu else ""
        seen = f", {visits} visits of the store" if visits else ""
        failed = f", {len(errors)} errors such as {errors[0]}" if errors else ""
        return (
            f"{name}: {shared.grants:,} grants ({by_bot}) of {shared.cpu:.1f} µs{own}{part}{seen}"
            f"{failed}; beside it 4 with a quarter each {self.parts.grants:,} of "
            f"{self.parts.cpu:.1f} µs, one {self.one.grants:,} of {self.one.cpu:.1f} µs"
        )


def beside(library: str, where: str, seconds: float) -> Beside:
    """All want all that they can get: what slows the machine slows all three alike."""
    place_of = warm_store if library == Sluicegate.name else store
    settle = min(SETTLE, seconds / 4)
    with place_of(where) as place, ExitStack() as stack:
        shared, parts, one = (
            stack.enter_context(cluster)
            for cluster in (
                Cluster(library, place.url, limit=LIMIT, settle=settle),
                Cluster(Sluicegate.name, "", limit=LIMIT // PROCESSES, settle=settle),
                Cluster(Sluicegate.name, "", limit=LIMIT, settle=settle),
            )
        )
        for _ in range(PROCESSES):
            shared.add(TASKS)
            parts.add(TASKS)
        one.add(PROCESSES * TASKS)
        return Beside(*side_by_side([shared, parts, one], place, seconds))


def beside_idle(where: str, seconds: float) -> tuple[Outcome, int, int]:
    """One busy bot beside three that ask now and then; its grants, and those of one alone."""
    with (
        warm_store(where) as place,
        Cluster(Sluicegate.name, place.url) as shared,
        Cluster(Sluicegate.name, "") as alone,
    ):
        shared.add(TASKS)
        alone.add(TASKS)
        for _ in range(PROCESSES - 1):
            shared.add(1, PAUSE)
        outcome, single = side_by_side([shared, alone], place, seconds)
        return outcome, len(outcome.bots[0].departures), single.grants


def without_limiter(seconds: float) -> float:
    """Microseconds for each request that 4 processes need more than one, if nothing limits them.

    Their tasks rest instead, so that they send as much in a second.
    """
    latency = sum(LATENCY) / 2
    rest = PROCESSES * TASKS / LIMIT * (1.0 + latency) - latency
    settle, endless = min(SETTLE, seconds / 4), 1_000_000
    with (
        Cluster(Sluicegate.name, "", limit=endless, settle=settle) as four,
        Cluster(Sluicegate.name, "", limit=endless, settle=settle) as one,
    ):
        for _ in range(PROCESSES):
            four.add(TASKS, rest)
        one.add(PROCESSES * TASKS, rest)
        several, single = side_by_side([four, one], Store(NOTHING, ""), seconds)
    return several.cpu - single.cpu


def idle_server(seconds: float) -> float:
    """The part of a core that a server needs of which nobody wants anything."""
    with warm_store(REDIS) as place:
        before = place.cpu()
        time.sleep(seconds)
        return (place.cpu() - before) / seconds


def run(plan: Plan, others: list[tuple[str, str]]) -> Findings:
    """Measures every row here."""
    findings = Findings()
    seconds = plan.timed(12, 4)
    notes, several = [], []
    for where in STORES:
        plan.step(f"pace: {PROCESSES} processes, sluicegate, {where}, {seconds:g} s")
        found = beside(Sluicegate.name, where, seconds)
        _tell(findings, found.shared, where)
        share = found.shared.grants / found.one.grants
        target(findings, SHARE, where, f"{share:.1%}", share >= 0.98)
        more = found.sharing
        target(findings, CPU, where, f"{more:.1f} µs", more <= 15)
        whole = found.shared.cpu - found.one.cpu
        target(findings, WHOLE, where, f"{whole:.1f} µs", whole <= 15)
        several.append(f"{found.several:.0f}")
        notes.append(found.told(column(Sluicegate.name, where)))
    for library, where in others:
        plan.step(f"pace: {PROCESSES} processes, {library}, {where}, {seconds:g} s")
        name = column(library, where)
        with findings.forgiving(name):
            found = beside(library, where, seconds)
            findings.add(OVER, name, str(found.shared.over))
            findings.add(WORST, name, str(found.shared.worst))
            findings.add(SHARE, name, f"{found.shared.grants / found.one.grants:.1%}")
            findings.add(CPU, name, f"{found.sharing:.0f} µs")
            findings.add(WHOLE, name, f"{found.shared.cpu - found.one.cpu:.0f} µs")
            notes.append(found.told(name))
    idle = idle_server(seconds / 4)
    plan.step(f"pace: {PROCESSES} processes, nothing that limits them, {seconds:g} s")
    unlimited = without_limiter(seconds)
    settle = min(SETTLE, seconds / 4)
    findings.notes.append(
        f"Pace: {seconds:g} s. Three run at once: 4 processes that share the limit, 4 with a "
        "quarter of it each and nothing shared, and one with all 100 tasks; for other libraries "
        "the latter two are sluicegate as well. CPU is that of all threads of the bots, user and "
        f"kernel, from {settle:g} s after the first request to the end, and of Redis in the same "
        "time; the loops, the tasks and their sockets are part of it, for all alike. What sharing "
        "costs is what the 4 that share need for a grant, less what the 4 beside them need that "
        "do not (the median over rounds of 1.05 s, in which all units are used once), and the "
        "store; or what the threads that share and the store need, if that is more. Of the row "
        f"below it, {' and '.join(several)} µs are what 4 processes need more than one without "
        "any sharing: a loop that wakes up for one answer at a time does less of its work at "
        "once. Where nothing limits the tasks, and they rest at random instead, it is "
        f"{unlimited:.0f} µs. "
        f"A server of which nobody wants anything needs {idle * 1e6:,.0f} µs a second, "
        f"which is {idle * 1e6 / LIMIT:.1f} µs for each of {LIMIT} grants a second; it is counted."
    )
    findings.notes += notes
    for where in STORES:
        plan.step(f"pace: one busy process beside three nearly idle ones, {where}, {seconds:g} s")
        found_idle, busy, alone = beside_idle(where, seconds)
        share = busy / alone
        target(findings, BUSY, where, f"{share:.1%}", share >= 0.95 and not found_idle.over)
        findings.notes.append(
            f"Busy, {where}: {busy:,} grants, {alone:,} alone at the same time; the three others "
            f"asked {found_idle.grants - busy:,} times, each every {PAUSE:g} s; over: "
            f"{found_idle.over}."
        )
    return findings


def _tell(findings: Findings, found: Outcome, where: str) -> None:
    kept = found.over == 0 and not found.errors
    promise(findings, OVER, where, "; ".join((str(found.over), *found.errors[:2])), kept)
    promise(findings, WORST, where, str(found.worst), found.worst <= found.limit)
