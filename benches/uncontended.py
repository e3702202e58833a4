"""What one request costs when nothing is in its way: most of a bot's requests, most of the time.

Measured against an empty `async with`, which is what the language itself takes for a block. Two of
them: one instance entered over and over, the least that there is; and a new one from a method call
for each pass, which every limiter must make if each request has an id and an outcome of its own.
"""

import asyncio
import time
from collections.abc import Mapping

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Passes, Plan, one_round, ratio, steady
from benches.report import Row

ONE = Row("uncontended", "uncontended pass, one linked pool", "≤ 1.0 × an empty `async with`")
FRESH = Row("uncontended-fresh", "the same, against a fresh empty context for each pass", "")
FOUR = Row(
    "uncontended-four", "uncontended pass, four linked limits", "≤ 1.25 × an empty `async with`"
)
HEARD = Row(
    "uncontended-heard",
    "uncontended pass after listening to answers that tell of others, of one without",
    "≤ 1.03 ×",
)
GROWTH = Row(
    "growth", "growth of that cost with the charges in the windows, 0 to 1,000,000", "≤ 10 %"
)
ROWS = (ONE, FRESH, FOUR, HEARD, GROWTH)

PASSES = 2_000
"""Half a millisecond: shorter than what another process takes away at a time, so that most rounds
are left alone.
"""

PEER_PASSES = 400
"""Into a new limiter each round: all see windows of 0 to 400 charges, as some scan all of them for
each request.
"""

PLENTY = 1 << 50
DAY = 86_400


class Empty:
    """The yardstick: what an `async with` costs that does nothing."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc: object) -> None:
        return None


class Maker:
    """The second yardstick: a fresh empty context from a method call."""

    def make(self, _limit_id: str) -> Empty:
        return Empty()


async def reused(count: int) -> None:
    """Passes through one instance."""
    yardstick = Empty()
    for _ in range(count):
        async with yardstick:
            pass


async def fresh(count: int) -> None:
    """Passes through an instance each."""
    maker = Maker()
    for _ in range(count):
        async with maker.make("/x"):
            pass


async def _rounds(contestants: Mapping[str, Passes], count: int) -> list[dict[str, float]]:
    await one_round(contestants, PASSES, 0)
    return [await one_round(contestants, PASSES, turn) for turn in range(count)]


def heard() -> Sluicegate:
    """One pool, of which answers have told that others use it and will go on."""
    limiter = Sluicegate(PLENTY, DAY)
    for limit_id in ("/x", "POOL0"):
        for used in (1_000, 2_000, 3_000):
            limiter.throttler.observe(limit_id, used=used, age=0.1, expect=True)
    return limiter


async def _ours(plan: Plan, findings: Findings) -> None:
    plan.step("uncontended: sluicegate")
    contestants: dict[str, Passes] = {
        "reused": reused,
        "fresh": fresh,
        "one": Sluicegate(PLENTY, DAY, pools=1).passes,
        "four": Sluicegate(PLENTY, DAY, pools=4).passes,
        "one, after listening": heard().passes,
        "one, hold=start": Sluicegate(PLENTY, DAY, pools=1, hold="start").passes,
    }
    with steady():
        rounds = await _rounds(contestants, plan.count(1000, 60))
    one, four = ratio(rounds, "one", "reused"), ratio(rounds, "four", "reused")
    name = Sluicegate.name
    costs = {key: sorted(times[key] for times in rounds)[len(rounds) // 2] for key in contestants}

    def shown(times: float, contestant: str) -> str:
        return f"{times:.2f} × ({costs[contestant]:.0f} ns)"

    against_fresh = ratio(rounds, "one", "fresh")
    findings.add(ONE, name, shown(one.median, "one"), one.median <= 1.0)
    findings.add(FRESH, name, shown(against_fresh.median, "one"))
    findings.add(FOUR, name, shown(four.median, "four"), four.median <= 1.25)
    listened = ratio(rounds, "one, after listening", "one")
    findings.add(HEARD, name, f"{listened.median:.3f} ×", listened.median <= 1.03)
    findings.notes.append(
        f"Uncontended: {len(rounds)} rounds of {PASSES:,} passes each, medians of the ratios "
        f"within a round and their quartiles: one pool {one}, four {four}; one pool against a "
        f"fresh context {against_fresh}, four {ratio(rounds, 'four', 'fresh')}; a "
        f"fresh context against a reused one {ratio(rounds, 'fresh', 'reused')}; one pool after "
        f"listening against one pool {listened}; one pool with "
        f'hold="start" {ratio(rounds, "one, hold=start", "reused")}. Median nanoseconds of a '
        "pass: " + ", ".join(f"{key} {cost:.0f}" for key, cost in costs.items()) + "."
    )


async def _growth(plan: Plan, findings: Findings) -> None:
    plan.step("growth: sluicegate")
    full, some = Sluicegate(PLENTY, DAY), Sluicegate(PLENTY, DAY)
    with steady():
        await full.passes(1_000_000)
        await some.passes(10_000)
        rounds = []
        for turn in range(plan.count(500, 30)):
            contestants = {
                "0": Sluicegate(PLENTY, DAY).passes,
                "10,000": some.passes,
                "1,000,000": full.passes,
            }
            rounds.append(await one_round(contestants, PASSES, turn))
    grown = ratio(rounds, "1,000,000", "0")
    growth = (grown.median - 1) * 100
    findings.add(GROWTH, Sluicegate.name, f"{growth:+.1f} %", growth <= 10)
    findings.notes.append(
        f"Growth: {len(rounds)} rounds of {PASSES:,} passes, into a new throttler each round and "
        f"into one that began with 1,000,000 charges in each window: {grown}; against one that "
        f"began with 10,000: {ratio(rounds, '1,000,000', '10,000')}. Windows of a day."
    )


async def _peer(plan: Plan, peer: type[Peer], findings: Findings) -> None:
    """As many rounds as fit into a short time: some need milliseconds for a pass."""
    plan.step(f"uncontended: {peer.name}")
    rounds: list[dict[str, float]] = []
    until = time.monotonic() + plan.timed(1.0, 0.3)
    with steady():
        while len(rounds) < 3 or (time.monotonic() < until and len(rounds) < 150):
            limiters = [peer(6000, 60, pools=pools) for pools in ((1, 4) if peer.pools else (1,))]
            contestants: dict[str, Passes] = {
                "reused": reused,
                "fresh": fresh,
                "one": limiters[0].passes,
            }
            if peer.pools:
                contestants["four"] = limiters[1].passes
            rounds.append(await one_round(contestants, PEER_PASSES, len(rounds)))
            for limiter in limiters:
                limiter.close()
            # What it left to be done later is its own cost, but not part of a pass.
            await asyncio.sleep(0.002)
    findings.add(ONE, peer.name, _times(ratio(rounds, "one", "reused").median))
    findings.add(FRESH, peer.name, _times(ratio(rounds, "one", "fresh").median))
    findings.add(
        FOUR,
        peer.name,
        _times(ratio(rounds, "four", "reused").median) if peer.pools else "one limit",
    )
    findings.add(GROWTH, peer.name, await _peer_growth(plan, peer))


async def _peer_growth(plan: Plan, peer: type[Peer]) -> str:
    """As much of 1,000,000 charges as fits into a short time."""
    plan.step(f"growth: {peer.name}")
    full, charges = peer(2_000_000, DAY), 0
    until = time.monotonic() + plan.timed(1.0, 0.3)
    rounds: list[dict[str, float]] = []
    with steady():
        while charges < 1_000_000 and time.monotonic() < until:
            await full.passes(100)
            charges += 100
        for turn in range(plan.count(15, 3)):
            empty = peer(2_000_000, DAY)
            rounds.append(await one_round({"empty": empty.passes, "full": full.passes}, 20, turn))
            empty.close()
    full.close()
    grown = (ratio(rounds, "full", "empty").median - 1) * 100
    return f"{grown:+,.0f} % at {charges:,}"


def _times(value: float) -> str:
    return f"{value:,.1f} ×" if value < 100 else f"{value:,.0f} ×"


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures every row here."""
    findings = Findings()

    async def everything() -> None:
        await _ours(plan, findings)
        await _growth(plan, findings)
        for peer in peers:
            with findings.forgiving(peer.name):
                await _peer(plan, peer, findings)

    asyncio.run(everything())
    if peers:
        findings.notes.append(
            f"Other libraries, uncontended: {PEER_PASSES} passes into a new limiter of 6,000 per "
            "60 s each round, as some scan all charges for each request; those that know no "
            "pools have one limit. Growth: as many charges as went in within 1 s, the number is "
            "in the cell."
        )
    return findings
