"""What listening to the exchange is worth: others at the address, its clock, and its counters.

Against a stand-in exchange in a process of its own, with 50 bots and latencies of 20 to 250 ms, as
in `sluicegate demo`. All figures are the exchange's own.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, nullcontext

import aiohttp

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Plan
from benches.report import Row
from sluicegate import Throttler
from sluicegate.demo.bots import Crowd, Gate, Listen, Tally
from sluicegate.demo.listening import listener
from sluicegate.demo.mix import Call, mix_of
from sluicegate.demo.outcome import Outcome
from sluicegate.demo.server import exchange_process, statistics_of
from sluicegate.testing import Endpoint, Limit, Table, binance_spot

OTHERS = Row(
    "listen-others",
    "Binance spot, others use 35 % of the weight: 429s; bans; sent while told to wait; used of "
    "what the others left",
    "≤ 2; 0; 0; ≥ 80 %",
)
CLOCK = Row(
    "listen-clock",
    "windows of the server's clock, 2 s off, nobody else: 429s; used of what latency allows",
    "0; ≥ 97 %",
)
BUCKET = Row(
    "listen-bucket",
    "Kraken's counter (20, −1/s): over; wait of the next unit after a burst",
    "0; 1 s",
)
ROWS = (OTHERS, CLOCK, BUCKET)

MINUTE = 6.0
SECONDS, QUICK = 60.0, 18.0
BOTS = 50
LATENCY = (0.02, 0.25)
SEED = 1
WEIGHT = "REQUEST_WEIGHT"
TIME = "/api/v3/time"
ASKS = 2.0
"""Seconds between two looks at the exchange's clock, each with a request of its own."""

BURST = 20
KRAKEN = Table(
    (Limit("CALLS", BURST, float(BURST), kind="bucket"),),
    (Endpoint("POST", "/0/private/Balance", {"CALLS": 1}),),
    name="kraken-pro",
)
SLACK = 0.1
"""Seconds by which a wait on the real clock may be longer than the rule says."""


async def crowd(
    table: Table,
    seconds: float,
    *,
    limited: bool = True,
    listen: bool = True,
    others: float = 0.0,
    skew: float = 0.0,
) -> Outcome:
    """What came of bots that hammer an exchange for so long."""
    tally = Tally()
    foreign = {WEIGHT: others} if others else {}
    async with (
        exchange_process(table, LATENCY, SEED, foreign) as url,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        if skew:
            async with session.post("/stand-in/clock", json={"skew": skew}) as answer:
                answer.raise_for_status()
        throttler = Throttler(table.rate_limits())
        gate: Gate = (lambda call: throttler.execute_task(call.id)) if limited else _open
        hear = listener(table, throttler) if limited and listen else None
        if hear is not None and skew:
            await _ask_time(session, gate, hear)
        bots = Crowd(session, gate, mix_of(table), tally, None, SEED, hear)
        watch = None
        if hear is not None and skew:
            watch = asyncio.create_task(_watch_time(session, gate, hear))
        try:
            await bots.run(BOTS, seconds)
        finally:
            if watch is not None:
                watch.cancel()
        return Outcome("", seconds, await statistics_of(session), tally)


def _open(_: Call) -> AbstractAsyncContextManager[object]:
    return nullcontext()


async def _ask_time(session: aiohttp.ClientSession, gate: Gate, hear: Listen) -> None:
    call = Call(f"GET {TIME}", "GET", TIME, 1)
    async with gate(call):
        sent = time.monotonic()
        async with session.get(TIME) as response:
            body = await response.read()
        hear(call, response.status, response.headers, body, time.monotonic() - sent)


async def _watch_time(session: aiohttp.ClientSession, gate: Gate, hear: Listen) -> None:
    while True:
        await asyncio.sleep(ASKS)
        await _ask_time(session, gate, hear)


async def burst(seconds: float) -> tuple[int, float]:
    """Requests that were over Kraken's counter, and the wait of the first one after a burst."""
    table = KRAKEN
    throttler = Throttler(table.rate_limits())
    (endpoint,) = table.endpoints
    passed: list[float] = []
    async with (
        exchange_process(table, (0.001, 0.003), SEED) as url,
        aiohttp.ClientSession(url) as session,
    ):

        async def ask() -> None:
            async with throttler.execute_task(endpoint.id):
                passed.append(time.monotonic())
                async with session.post(endpoint.path) as response:
                    await response.read()

        end = time.monotonic() + seconds
        await asyncio.gather(*(ask() for _ in range(BURST + 1)))
        while time.monotonic() < end:
            await ask()
        seen = await statistics_of(session)
    return seen.rejected + seen.banned, passed[BURST] - passed[BURST - 1]


def run(plan: Plan, peers: list[type[Peer]]) -> Findings:
    """Measures all three rows."""
    del peers  # None of them listens, and none knows these kinds of limits.
    findings = Findings()
    table, seconds = binance_spot(MINUTE), plan.timed(SECONDS, QUICK)
    _beside_others(plan, findings, table, seconds)
    plan.step(f"listening: a clock that is 2 s off, {seconds:g} s")
    found = asyncio.run(crowd(table, seconds, skew=2.0))
    refused, limit = found.refused, found.exchange.limit(WEIGHT)
    used = (limit.share or 0.0) / found.reachable(WEIGHT)
    findings.add(
        CLOCK,
        Sluicegate.name,
        f"{refused}; {used:.1%}",
        met=not refused and used >= 0.97,
        wrong=refused > 0,
    )
    plan.step(f"listening: Kraken's counter, {seconds / 2:g} s")
    over, wait = asyncio.run(burst(seconds / 2))
    findings.add(
        BUCKET,
        Sluicegate.name,
        f"{over}; {wait:.2f} s",
        met=not over and 1 - SLACK <= wait <= 1 + SLACK,
        wrong=over > 0,
    )
    return findings


def _beside_others(plan: Plan, findings: Findings, table: Table, seconds: float) -> None:
    plan.step(f"listening: others use 35 % of the weight, {seconds:g} s")
    heard = asyncio.run(crowd(table, seconds, others=0.35))
    seen, rest = heard.exchange, heard.exchange.limit(WEIGHT).share_of_rest or 0.0
    findings.add(
        OTHERS,
        Sluicegate.name,
        f"{seen.rejected}; {seen.bans}; {seen.too_early}; {rest:.0%}",
        met=seen.rejected <= 2 and not seen.bans and not seen.too_early and rest >= 0.8,
    )
    ways = {"without a limiter": False, "through sluicegate, not listening": True}
    told = []
    for name, limited in ways.items():
        plan.step(f"listening: the same {name}")
        deaf = asyncio.run(crowd(table, seconds / 2, limited=limited, listen=False, others=0.35))
        seen = deaf.exchange
        told.append(
            f"{name} {seen.rejected:,} × 429, {seen.bans} bans, {seen.too_early:,} of "
            f"{seen.requests:,} requests sent while told to wait"
        )
    findings.notes.append(
        f"Listening: {BOTS} bots, latencies of {LATENCY[0] * 1e3:g} to {LATENCY[1] * 1e3:g} ms, a "
        f"minute of the exchange in {MINUTE:g} s, {seconds:g} s. The same for half as long "
        f"{'; '.join(told)}. The exchange's clock is asked each {ASKS:g} s in the row about it."
    )
