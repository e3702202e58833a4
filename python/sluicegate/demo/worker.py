"""One process of the demo's bots: a job on its first line of input, what they see on its output.

It begins to work at the second line, so that all processes begin at the same time.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import closing
from typing import Any

import aiohttp

from sluicegate import Throttler
from sluicegate.demo.bots import Crowd, Tally, gate_of
from sluicegate.demo.listening import listener
from sluicegate.demo.mix import limits_of, mix_of
from sluicegate.testing import table_from_json

REPORT = 0.2
"""Seconds between two reports."""


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def _report(tally: Tally) -> None:
    while True:
        await asyncio.sleep(REPORT)
        _say(tally.take())


async def work(job: dict[str, Any]) -> None:
    """Does the job, and says what the bots see."""
    table = table_from_json(job["table"])
    tally = Tally()
    with closing(Throttler(limits_of(table), share=job["share"])) as throttler:
        async with aiohttp.ClientSession(
            job["url"], connector=aiohttp.TCPConnector(limit=0)
        ) as session:
            header = table.limits[0].header_name
            gate, mix = gate_of(throttler), mix_of(table)
            listen = listener(table, throttler) if job["listen"] else None
            crowd = Crowd(session, gate, mix, tally, header, job["seed"], listen)
            _say("ready")
            await asyncio.to_thread(sys.stdin.readline)
            reports = asyncio.create_task(_report(tally))
            try:
                await crowd.run(job["bots"], job["seconds"], first=job["first"])
            finally:
                reports.cancel()
    _say(tally.take())


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.stdin.readline())))
