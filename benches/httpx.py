"""What a request through the httpx transport costs more than the same request without it.

The exchange is an ASGI application in this process, so that next to nothing else takes time. Its
answers have the headers of Binance spot, and are listened to.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from email.utils import formatdate
from statistics import quantiles
from typing import Any

import httpx

from benches.limiter import Peer, Sluicegate
from benches.measure import Findings, Passes, Plan, one_round, steady
from benches.report import Row
from sluicegate import tables
from sluicegate.clients.httpx import AsyncTransport

PASS = Row(
    "httpx",
    "a pass through the httpx transport, more than the same without (ASGI app in process)",
    "≤ + 15 µs",
)
ROWS = (PASS,)

MOST = 15.0
PASSES = 20
"""A millisecond: most rounds are left alone by other processes."""

URL = "https://api.binance.com"
PATHS = {"ping": "/api/v3/ping", "depth": "/api/v3/depth?symbol=BTCUSDT&limit=100"}


class Exchange:
    """The application: it answers at once."""

    def __init__(self) -> None:
        self._date = (0, b"")

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """One request."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = now, formatdate(now, usegmt=True).encode()
        headers = [
            (b"content-type", b"application/json;charset=UTF-8"),
            (b"content-length", b"2"),
            (b"date", self._date[1]),
            (b"x-mbx-used-weight", b"5"),
            (b"x-mbx-used-weight-1m", b"5"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


def passes(transport: httpx.AsyncBaseTransport, path: str) -> Passes:
    """Requests through a transport, with the body read."""
    request = httpx.Request("GET", URL + path)

    async def make(count: int) -> None:
        for _ in range(count):
            response = await transport.handle_async_request(request)
            await response.aread()

    return make


async def _measure(plan: Plan, findings: Findings) -> None:
    plan.step("httpx: sluicegate")
    table = tables.load("binance-spot")
    # None of them is ever full.
    wide = replace(table, limits=tuple(replace(x, limit=1 << 40) for x in table.limits))
    bare: httpx.AsyncBaseTransport = httpx.ASGITransport(Exchange())
    paced = AsyncTransport(wide, transport=httpx.ASGITransport(Exchange()))
    contestants = {
        f"{name}, {what}": passes(transport, path)
        for name, path in PATHS.items()
        for what, transport in (("bare", bare), ("paced", paced))
    }
    with steady():
        await one_round(contestants, PASSES, 0)
        rounds = [
            await one_round(contestants, PASSES, turn) for turn in range(plan.count(1_000, 60))
        ]
    told = []
    for name in PATHS:
        more = [(times[f"{name}, paced"] - times[f"{name}, bare"]) / 1e3 for times in rounds]
        low, middle, high = quantiles(more, n=4)
        without = sorted(times[f"{name}, bare"] for times in rounds)[len(rounds) // 2] / 1e3
        told.append(f"{name} + {middle:.1f} µs ({low:.1f} to {high:.1f}), {without:.0f} µs without")
        if name == "ping":
            findings.add(PASS, Sluicegate.name, f"+ {middle:.1f} µs", middle <= MOST)
    findings.notes.append(
        f"httpx: {len(rounds)} rounds of {PASSES} requests each, medians of the differences within "
        f"a round and their quartiles: {'; '.join(told)}. Charged, listened to, and the body "
        "looked into, as the table of Binance spot says."
    )


def run(plan: Plan, _peers: list[type[Peer]]) -> Findings:
    """Measures the row here. No other limiter has such a transport."""
    findings = Findings()
    asyncio.run(_measure(plan, findings))
    return findings
