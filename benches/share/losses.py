"""What goes wrong while 4 processes use all of a limit: a crash, a stop, a store that is lost.

All run at once, each with a store and a server of its own: nothing here is measured in CPU time.
"""

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benches.measure import SECOND, Findings, Plan
from benches.report import Row
from benches.share.cluster import (
    FILE,
    NOBODY,
    REDIS,
    Cluster,
    Outcome,
    Store,
    StuckError,
    is_whole,
    store,
    warm,
)
from benches.share.limiters import Sluicegate
from benches.share.rows import promise, target

PROCESSES, TASKS = 4, 25
ARRIVAL, INTERVAL, LEASE = 5.0, 1.0, 10.0
"""What a killed process had comes back after these: the defaults of `Share`, and the limit's."""
LOOKS = (0.05, 0.005)
"""Seconds between two looks: at first, and when it is time."""
SLACK = 0.03
"""Seconds that may pass until the death is known, and between two looks."""

KILLED = Row("killed", "one of 4 processes is `kill -9`ed every 8 s, and started again: over", "0")
BACK = Row(
    "killed-back",
    "what it had is back after a crash: arrival + interval (file), and the lease (Redis)",
    "≤ 6 s; ≤ 16 s",
)
STOPPED = Row("stopped", "one stopped for 25 s (SIGSTOP) and continued: over", "0, nothing stuck")
LOST = Row(
    "lost",
    "Redis killed and started empty; the file deleted: over",
    "0, goes on by itself",
)
FULL = Row("full", "the disk is full: over", "0, goes on by itself")
LOCKED = Row("locked", "the folder is read-only: over", "0, goes on by itself")
ROWS = (KILLED, BACK, STOPPED, LOST, FULL, LOCKED)


@dataclass
class Found:
    """What a scenario came to: whatever is in `wrong` should not be."""

    outcome: Outcome
    wrong: list[str] = field(default_factory=list)
    told: str = ""
    back: float | None = None

    def check(self, name: str, span: tuple[float, float], least: float) -> None:
        """The pace of a span must be a share of the limit at least."""
        pace = self.outcome.pace(int(span[0] * SECOND), span[1] - span[0])
        self.told += f"{name} {pace:.0%}; "
        if pace < least:
            self.wrong.append(f"{name}: {pace:.0%} of the pace")


def _cluster(place: Store, user: int | None = None) -> Cluster:
    return Cluster(Sluicegate.name, place.url, user=user)


def _start(cluster: Cluster, seconds: float) -> None:
    for _ in range(PROCESSES):
        cluster.add(TASKS)
    cluster.go(seconds)


FULL_PACE = 0.95
"""Of what one gate could let through in the same time."""


def killed(where: str, times: int) -> Found:
    """One is killed every 8 s, and another takes its place."""
    after = LEASE + ARRIVAL + INTERVAL if where == REDIS else ARRIVAL + INTERVAL
    last = 8.0 * times
    with store(where) as place, _cluster(place) as cluster:
        warm(place, cluster.limit, cluster.interval)
        _start(cluster, last + after + 6)
        for nth in range(times):
            cluster.wait(8.0 * (nth + 1))
            victim = cluster.bots[nth % PROCESSES if nth < PROCESSES else nth]
            victim.kill()
            killed_at = time.monotonic()
            if nth + 1 < times:
                cluster.join(TASKS)
        back: float | None = None
        # Not at once: for a moment, nobody knows yet.
        time.sleep(0.5)
        while back is None and time.monotonic() < killed_at + after + 4:
            time.sleep(LOOKS[time.monotonic() > killed_at + after - 2 * LOOKS[0]])
            if is_whole(place.url, victim.process.pid):
                back = time.monotonic() - killed_at
        found = Found(cluster.finish(), back=back)
    found.check("before", (2, 8), FULL_PACE)
    found.check("after", (last + after + 1, last + after + 5), FULL_PACE)
    return found


def stopped(where: str, seconds: float = 25.0) -> Found:
    """One stands still for 25 s."""
    until = 4 + seconds
    with store(where) as place, _cluster(place) as cluster:
        warm(place, cluster.limit, cluster.interval)
        _start(cluster, until + 8)
        cluster.wait(4)
        cluster.bots[0].signal(signal.SIGSTOP)
        cluster.wait(until)
        cluster.bots[0].signal(signal.SIGCONT)
        found = Found(cluster.finish())
    # A file's member keeps what it has; with leases the others get it.
    whole = where == REDIS and seconds > LEASE + ARRIVAL + INTERVAL + 4
    begin = 4 + LEASE + ARRIVAL + INTERVAL + 1 if whole else 6
    found.check("meanwhile", (begin, until - 1), FULL_PACE if whole else FULL_PACE * 3 / 4)
    found.check("then", (until + 3, until + 7), FULL_PACE)
    again = [at for at in found.outcome.bots[0].departures if at > cluster.begin + until * SECOND]
    if not again:
        found.wrong.append("the stopped one never went on")
    return found


def lost(where: str) -> Found:
    """Redis is killed and started empty 3 s later; the file is deleted, with all beside it."""
    learned = 10 + (LEASE if where == REDIS else 0) + ARRIVAL + INTERVAL + 3
    with store(where) as place, _cluster(place) as cluster:
        warm(place, cluster.limit, cluster.interval)
        _start(cluster, learned + 9)
        cluster.wait(5)
        if place.server:
            place.server.kill()
            cluster.wait(8)
            place.server.start()
        else:
            for end in ("", "-wal", "-shm"):
                os.unlink(f"{place.file}{end}")
        # Who comes now must get his part, and what another gives back must go to the others.
        cluster.wait(10)
        newcomer = cluster.join(TASKS)
        cluster.wait(learned)
        cluster.bots[0].signal(signal.SIGTERM)
        found = Found(cluster.finish())
    found.check("meanwhile", (6, learned), FULL_PACE)
    found.check("then", (learned + 2, learned + 8), FULL_PACE)
    late = [
        at
        for at in found.outcome.bots[newcomer.spec.number].departures
        if at > cluster.begin + learned * SECOND
    ]
    if len(late) < 5 * found.outcome.limit / 10:
        found.wrong.append(f"the newcomer got {len(late)}")
    return found


def full(where: str) -> Found:
    """No file of the bots may grow for 6 s, as on a full disk; then one of them ends."""
    with store(where) as place, _cluster(place) as cluster:
        _start(cluster, 27)
        cluster.wait(4)
        for bot in cluster.bots:
            _, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        # One ends: it cannot give back what it has.
        cluster.bots[0].signal(signal.SIGTERM)
        cluster.wait(10)
        for bot in cluster.bots[1:]:
            resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        found = Found(cluster.finish())
    found.check("meanwhile", (5, 10), FULL_PACE * 3 / 4)
    # What it could not give back comes like that of one who was killed.
    found.check("then", (10 + 2 + ARRIVAL + INTERVAL + 2, 26), FULL_PACE)
    found.told += _warnings(found)
    return found


def locked(where: str) -> Found:
    """The folder is read-only for 6 s: who comes then is told why, who comes later gets a part."""
    user = NOBODY if os.geteuid() == 0 else None
    with store(where) as place, _cluster(place, user) as cluster:
        _start(cluster, 20)
        cluster.wait(4)
        assert place.folder
        held = [place.folder, *(path for path in place.folder.iterdir() if path.is_dir())]
        modes = [path.stat().st_mode for path in held]
        for path in held:
            path.chmod(0o555)
        refused = cluster.add(TASKS)
        error = ""
        try:
            refused.wait_until_ready()
            error = "a newcomer joined a folder that is read-only"
        except StuckError as stuck:
            told = str(stuck)
        refused.kill()
        cluster.wait(10)
        for path, mode in zip(held, modes, strict=True):
            path.chmod(mode)
        newcomer = cluster.join(TASKS)
        found = Found(cluster.finish())
    if error:
        found.wrong.append(error)
    else:
        found.told += f"the newcomer: {told}; "
    found.check("meanwhile", (5, 10), FULL_PACE)
    found.check("then", (13, 19), FULL_PACE)
    if not any(bot.number == newcomer.spec.number and bot.departures for bot in found.outcome.bots):
        found.wrong.append("the newcomer got nothing")
    return found


def _warnings(found: Found) -> str:
    logs = [line for bot in found.outcome.bots for line in bot.log]
    return f"{len(logs)} lines logged, such as {logs[0]!r}; " if logs else "nothing logged; "


SCENARIOS: dict[tuple[str, str], tuple[Row, Callable[[bool], Found]]] = {
    ("killed", FILE): (KILLED, lambda quick: killed(FILE, 2 if quick else 16)),
    ("killed", REDIS): (KILLED, lambda quick: killed(REDIS, 2 if quick else 16)),
    ("stopped", FILE): (STOPPED, lambda quick: stopped(FILE, 12 if quick else 25)),
    ("stopped", REDIS): (STOPPED, lambda quick: stopped(REDIS, 12 if quick else 25)),
    ("lost", FILE): (LOST, lambda quick: lost(FILE)),
    ("lost", REDIS): (LOST, lambda quick: lost(REDIS)),
    ("full", FILE): (FULL, lambda quick: full(FILE)),
    ("locked", FILE): (LOCKED, lambda quick: locked(FILE)),
}


def jobs(plan: Plan) -> dict[tuple[str, str], Callable[[], Found]]:
    """What runs at once."""

    def job(scenario: Callable[[bool], Found]) -> Callable[[], Found]:
        return lambda: scenario(plan.quick)

    return {key: job(scenario) for key, (_, scenario) in SCENARIOS.items()}


def tell(outcomes: dict[tuple[str, str], Found | Exception], findings: Findings) -> None:
    """Puts what the jobs found into the table."""
    for (name, where), found in outcomes.items():
        row, _ = SCENARIOS[name, where]
        if isinstance(found, Exception):
            promise(findings, row, where, f"{type(found).__name__}: {found}", False)
            continue
        outcome = found.outcome
        wrong = [*found.wrong, *outcome.errors[:2]]
        text = "; ".join((f"{outcome.over}", *wrong))
        promise(findings, row, where, text, outcome.over == 0 and not wrong)
        if found.back is not None or row is KILLED:
            at_most = (LEASE if where == REDIS else 0) + ARRIVAL + INTERVAL
            back = "never" if found.back is None else f"{found.back:.2f} s"
            kept = found.back is not None and found.back <= at_most + SLACK
            target(findings, BACK, where, back, kept)
        findings.notes.append(
            f"{name.capitalize()}, {where}: {len(outcome.arrivals):,} requests, the worst window "
            f"{outcome.worst}; pace, of what one gate could let through: {found.told.rstrip('; ')}."
        )
