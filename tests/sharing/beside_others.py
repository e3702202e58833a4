"""A bot that asks a stand-in exchange for as long as it is told, at the limit of its address.

It writes how often it got which status, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

import httpx

from sluicegate.clients.httpx import AsyncTransport
from sluicegate.tables import load

BOOK = {"symbol": "BTCUSDT", "limit": "500"}


async def main(url: str, store: str, minute: float, seconds: float) -> None:
    table = load("binance-spot").scaled(minute)
    throttler = table.throttler(share=store)
    transport = AsyncTransport(table, throttler=throttler)
    got, end = Counter[int](), time.monotonic() + seconds
    async with httpx.AsyncClient(transport=transport, base_url=url, timeout=None) as client:

        async def ask() -> None:
            while time.monotonic() < end:
                got[(await client.get("/api/v3/depth", params=BOOK)).status_code] += 1

        tasks = [asyncio.create_task(ask()) for _ in range(8)]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
    sys.stdout.write(json.dumps(got))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
