"""`make bench-hummingbot`: Hummingbot's own throttler beside the drop-in, in one run.

Each row is a process of its own. The stand-in exchange is another one, so that its work is in
nobody's figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import deque
from types import GeneratorType
from typing import Any

PINGS, TASKS = 2_000, 50
DAY_ENTRIES = 100_000
JITTER = (0.005, 0.25)

ASKED = {
    "pings": "at most 5 s; the throttler at most 2 % of the CPU",
    "day": "at most 1.3 times the cost with none",
    "jitter": "0 over the server's limit",
}


class Metered:
    """A context that adds up the CPU time of entering and leaving another, waits left out."""

    spent = 0
    """Nanoseconds, of all of them."""

    def __init__(self, throttler: Any, limit_id: str) -> None:
        """A request for ``limit_id``."""
        begin = time.thread_time_ns()
        self._context = throttler.execute_task(limit_id)
        Metered.spent += time.thread_time_ns() - begin

    async def __aenter__(self) -> None:
        """Enters the other."""
        await _Steps(self._context.__aenter__)

    async def __aexit__(self, *exception: object) -> None:
        """Leaves the other."""
        await _Steps(self._context.__aexit__, *exception)


class _Steps:
    def __init__(self, method: Any, *arguments: object) -> None:
        self._method, self._arguments = method, arguments

    def __await__(self) -> Any:
        begin = time.thread_time_ns()
        awaitable = self._method(*self._arguments)
        # A generator may be marked as one to await, and is then its own iterator.
        steps = awaitable if isinstance(awaitable, GeneratorType) else awaitable.__await__()
        try:
            while True:
                step = next(steps)
                Metered.spent += time.thread_time_ns() - begin
                yield step
                begin = time.thread_time_ns()
        except StopIteration:
            Metered.spent += time.thread_time_ns() - begin


class MeteredThrottler:
    """What Hummingbot's plumbing asks of a throttler, metered."""

    def __init__(self, throttler: Any) -> None:
        """Meters this throttler."""
        self._throttler = throttler

    def execute_task(self, limit_id: str) -> Metered:
        """The metered context of a request."""
        return Metered(self._throttler, limit_id)


class Nothing:
    """A throttler, and its context, that let everything pass at once."""

    def execute_task(self, limit_id: str) -> Nothing:
        """Itself."""
        return self

    async def __aenter__(self) -> None:
        """Goes on."""

    async def __aexit__(self, *exception: object) -> None:
        """Goes on."""


async def pings() -> dict[str, Any]:
    """2,000 pings through Binance's REST plumbing, from 50 tasks."""
    from hummingbot.connector.exchange.binance import binance_constants, binance_web_utils
    from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sluicegate.testing", "--latency", "0.02", "0.02"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().split()[-1]
    binance_constants.REST_URL = f"{url}/api/"
    ping = binance_constants.PING_PATH_URL
    build = binance_web_utils.build_api_factory_without_time_synchronizer_pre_processor

    async def send(throttler: Any) -> tuple[float, float]:
        assistant = await build(MeteredThrottler(throttler)).get_rest_assistant()
        left = iter(range(PINGS))

        async def work() -> None:
            for _ in left:
                address = binance_web_utils.public_rest_url(ping)
                await assistant.execute_request(address, throttler_limit_id=ping)

        Metered.spent, wall, cpu = 0, time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(TASKS)))
        return time.perf_counter() - wall, time.process_time() - cpu

    await send(Nothing())
    metering = Metered.spent
    wall, cpu = await send(binance_web_utils.create_throttler())
    await ConnectionsFactory().close()
    server.stdin.close()
    await server.wait()
    return {"seconds": wall, "cpu": cpu, "share": max(0, Metered.spent - metering) / 1e9 / cpu}


async def day() -> dict[str, Any]:
    """One pass, beside nothing and beside 100,000 entries of a 24-hour limit."""
    from hummingbot.core.api_throttler.async_throttler import AsyncThrottler
    from hummingbot.core.api_throttler.data_types import (
        LinkedLimitWeightPair,
        RateLimit,
        TaskLog,
    )

    links = [LinkedLimitWeightPair("ORDERS_24HR")]
    table = [
        RateLimit("ORDERS_24HR", 2 * DAY_ENTRIES, 86_400),
        RateLimit("/order", 10**9, 60, linked_limits=links),
    ]
    throttler = AsyncThrottler(table)
    limit = throttler._id_to_limit_map["ORDERS_24HR"]

    async def cost(passes: int) -> float:
        begin = time.perf_counter()
        for _ in range(passes):
            async with throttler.execute_task("/order"):
                pass
        return (time.perf_counter() - begin) / passes

    # As many as can be with the log hardly longer for it; the quickest of several rounds.
    few = min([await cost(20) for _ in range(25)])
    now = time.time()
    step = 80_000 / DAY_ENTRIES
    throttler._task_logs = [TaskLog(now - 80_000 + i * step, limit, 1) for i in range(DAY_ENTRIES)]
    quick = await cost(1) < 0.01
    many = min([await cost(20) for _ in range(25)] if quick else [await cost(1) for _ in range(3)])
    return {"none": few, "full": many}


async def jitter() -> dict[str, Any]:
    """Requests that arrive 5 to 250 ms after they leave; a limit of 20 per second, for 12 s."""
    from hummingbot.core.api_throttler.async_throttler import AsyncThrottler
    from hummingbot.core.api_throttler.data_types import RateLimit

    throttler = AsyncThrottler([RateLimit("/x", 20, 1)])
    draw = random.Random(7)
    arrivals: list[float] = []
    end = time.monotonic() + 12

    async def work() -> None:
        while time.monotonic() < end:
            async with throttler.execute_task("/x"):
                await asyncio.sleep(draw.uniform(*JITTER))
                arrivals.append(time.monotonic())
                await asyncio.sleep(draw.uniform(*JITTER))

    tasks = [asyncio.ensure_future(work()) for _ in range(TASKS)]
    await asyncio.wait(tasks, timeout=12.5)
    for task in tasks:
        task.cancel()
    over, worst = 0, 0
    window: deque[float] = deque()
    for at in sorted(arrivals):
        while window and window[0] <= at - 1:
            window.popleft()
        if len(window) >= 20:
            over += 1
        window.append(at)
        worst = max(worst, len(window))
    return {"requests": len(arrivals), "over": over, "worst": worst}


ROWS = {"pings": pings, "day": day, "jitter": jitter}


def shown(row: str, seen: dict[str, Any]) -> str:
    """One measurement, for people."""
    if row == "pings":
        return f"{seen['seconds']:.1f} s, {seen['cpu']:.1f} s CPU, throttler {seen['share']:.1%}"
    if row == "day":
        ratio = seen["full"] / seen["none"]
        none, full = (f"{seen[key] * 1e6:,.1f} µs" for key in ("none", "full"))
        return f"{none} with none, {full} with {DAY_ENTRIES:,}: {ratio:,.2f} times"
    return f"{seen['over']} over, worst window {seen['worst']} of 20, {seen['requests']} requests"


def measure(row: str, drop_in: bool) -> dict[str, Any]:
    """One row in a process of its own."""
    words = [
        sys.executable,
        "-m",
        "peers.hummingbot.bench",
        "--row",
        row,
        *(["--drop-in"] * drop_in),
    ]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measures all rows, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS)
    parser.add_argument("--drop-in", action="store_true")
    asked = parser.parse_args()
    if asked.row is None:
        import hummingbot.connector.exchange.binance.binance_web_utils  # noqa: F401

        from sluicegate.hummingbot.installing import version

        print(f"Hummingbot {version()}, Python {sys.version.split()[0]}")
        for row, measured in ROWS.items():
            print(f"\n{measured.__doc__}\n  asked       {ASKED[row]}")
            for drop_in in (False, True):
                name = "sluicegate" if drop_in else "Hummingbot"
                print(f"  {name:<11} {shown(row, measure(row, drop_in))}", flush=True)
        return
    if asked.drop_in:
        import sluicegate.hummingbot

        sluicegate.hummingbot.install()
    # Its screen is not there.
    from hummingbot.logger import HummingbotLogger

    HummingbotLogger.notify = lambda self, text: self.info(text)
    print(json.dumps(asyncio.run(ROWS[asked.row]())))


if __name__ == "__main__":
    main()
