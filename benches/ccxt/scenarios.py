"""What is measured. Each scenario runs in a process of its own, with and without the drop-in."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest.mock import patch

from benches.ccxt.server import LIMIT, Server, ask, asynchronous, synchronous, unpaced

Result = dict[str, Any]
LONG = 20.0
"""Seconds after which a wait counts as one that never ends."""


def _saturated(server: Server, run: Callable[[float], None], seconds: float) -> Result:
    cpu, begin = time.process_time(), time.monotonic()
    run(begin + seconds)
    end, cpu = begin + seconds, time.process_time() - cpu
    over, sent = server.over()
    return {"over": over, "sent": sent, "used": server.used(begin, end), "cpu": cpu / max(sent, 1)}


def _threads(exchanges: list[Any], threads: int, end: float) -> None:
    def work(exchange: Any) -> None:
        while time.monotonic() < end:
            ask(exchange)

    running = [
        threading.Thread(target=work, args=(exchanges[i % len(exchanges)],)) for i in range(threads)
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


async def _tasks(exchanges: list[Any], tasks: int, end: float) -> None:
    async def work(exchange: Any) -> None:
        while time.monotonic() < end:
            await ask(exchange)

    running = [asyncio.create_task(work(exchanges[i % len(exchanges)])) for i in range(tasks)]
    await asyncio.wait(running, timeout=end - time.monotonic() + 0.5)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for exchange in exchanges:
        await exchange.close()


def threads_one_object(seconds: float) -> Result:
    """8 threads, one synchronous object, answers at once."""
    server = Server((0, 0))
    exchange = synchronous(server)
    return _saturated(server, lambda end: _threads([exchange], 8, end), seconds)


def threads_eight_objects(seconds: float) -> Result:
    """8 threads, 8 synchronous objects, answers after 30 ms."""
    server = Server((0.03, 0.03))
    exchanges = [synchronous(server) for _ in range(8)]
    return _saturated(server, lambda end: _threads(exchanges, 8, end), seconds)


def two_asynchronous(seconds: float) -> Result:
    """Two asynchronous objects, 25 tasks each, answers after 15 ms."""
    server = Server((0.015, 0.015))
    exchanges = [asynchronous(server) for _ in range(2)]
    return _saturated(server, lambda end: asyncio.run(_tasks(exchanges, 50, end)), seconds)


def jitter(seconds: float) -> Result:
    """One asynchronous object, 60 tasks, answers after 5 to 250 ms."""
    server = Server((0.005, 0.25))
    exchange = asynchronous(server)
    return _saturated(server, lambda end: asyncio.run(_tasks([exchange], 60, end)), seconds)


def both_kinds(seconds: float) -> Result:
    """A synchronous object with 8 threads and an asynchronous one with 25 tasks."""
    server = Server((0.015, 0.015))
    exchange, other = synchronous(server), asynchronous(server)

    def run(end: float) -> None:
        beside = threading.Thread(target=_threads, args=([exchange], 8, end))
        beside.start()
        asyncio.run(_tasks([other], 25, end))
        beside.join()

    return _saturated(server, run, seconds)


def pacing_cpu(seconds: float) -> Result:
    """CPU of a request at the limit, less that of one of ccxt's that is not paced.

    What the first second lets through at once, and what is set up at the first request, is not at
    the limit yet: it is not counted, of either. Requests that are not paced come as those at the
    limit do: as many as are allowed, at once, in each second. A processor that slept for a second
    takes two to three times as long for each of them as one that does nothing else.
    """
    paced = Server((0, 0))
    exchange = asynchronous(paced)

    async def at_the_limit() -> float:
        end = time.monotonic() + 1.5 + seconds
        running = asyncio.create_task(_tasks([exchange], 25, end))
        await asyncio.sleep(1.5)
        cpu, sent = time.process_time(), len(paced.seen)
        await asyncio.sleep(seconds)
        cpu, sent = time.process_time() - cpu, len(paced.seen) - sent
        await running
        return cpu / max(sent, 1)

    whole = asyncio.run(at_the_limit())
    free = unpaced(asynchronous(Server((0, 0))))

    async def without() -> float:
        await ask(free)
        await asyncio.sleep(1.0)
        cpu = time.process_time()
        rounds = int(seconds)
        for _ in range(rounds):
            for _ in range(LIMIT):
                await ask(free)
            await asyncio.sleep(1.0)
        cpu = time.process_time() - cpu
        await free.close()
        return cpu / (rounds * LIMIT)

    return {"pacing": whole - asyncio.run(without())}


def need_not_wait(_: float) -> Result:
    """CPU of a request that need not wait, less that of one of ccxt's that is not paced.

    What ccxt sleeps meanwhile is not counted.
    """
    paced = synchronous(Server((0, 0)), rateLimit=0.001)
    free = unpaced(synchronous(Server((0, 0))))
    for exchange in (paced, free):
        exchange.fetch = lambda *_, **__: {}
        ask(exchange)
    differences = []
    gc.disable()
    for _ in range(60):
        times = []
        for exchange in (paced, free):
            begin = time.thread_time()
            for _ in range(300):
                ask(exchange)
            times.append((time.thread_time() - begin) / 300)
        differences.append(times[0] - times[1])
        # What ccxt's own pacing remembers must not make it sleep.
        time.sleep(0.01)
    return {"pacing": median(differences)}


def cancelled(_: float) -> Result:
    """The wait of the next request after 10 waits of 100 ms each that were given up."""
    exchange = asynchronous(Server((0, 0)), rateLimit=100)

    async def run() -> float:
        begin = time.monotonic()
        for number in range(12):
            await ask(exchange)
            await asyncio.sleep(max(0, begin + 0.1 * (number + 1) - time.monotonic()))
        full = asyncio.create_task(ask(exchange))
        await asyncio.sleep(0.01)
        given_up = [asyncio.create_task(ask(exchange)) for _ in range(10)]
        await asyncio.sleep(0.01)
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        begin = time.monotonic()
        await asyncio.gather(full, ask(exchange))
        waited = time.monotonic() - begin
        await exchange.close()
        return waited

    return {"waited": asyncio.run(run())}


def dear(_: float) -> Result:
    """A cost of three windows, and a request after it."""
    exchange = asynchronous(
        Server((0, 0)), rateLimiterAlgorithm="rollingWindow", rollingWindowSize=1000
    )

    async def run() -> float:
        begin = time.monotonic()
        costs = (exchange.throttle(3 * LIMIT), ask(exchange))
        _, pending = await asyncio.wait([asyncio.ensure_future(x) for x in costs], timeout=LONG)
        for task in pending:
            task.cancel()
        await exchange.close()
        return LONG if pending else time.monotonic() - begin

    return {"waited": asyncio.run(run())}


def clock_back(_: float) -> Result:
    """How long a request waits after the clock was set back by 2 s."""
    exchange = synchronous(Server((0, 0)))
    ask(exchange)
    now = time.time
    begin = time.monotonic()
    with patch("time.time", lambda: now() - 2):
        ask(exchange)
    return {"waited": time.monotonic() - begin}


def second_loop(_: float) -> Result:
    """A second `asyncio.run` with the same object, after waits that the first one cut off."""
    exchange = asynchronous(Server((0, 0)), rateLimit=100)

    async def first() -> None:
        waiting = [asyncio.create_task(ask(exchange)) for _ in range(30)]
        await asyncio.sleep(0.25)
        for task in waiting:
            task.cancel()
        await exchange.close()

    async def second() -> bool:
        try:
            await asyncio.wait_for(ask(exchange), LONG)
        except (asyncio.TimeoutError, RuntimeError):
            return False
        finally:
            await exchange.close()
        return True

    asyncio.run(first())
    return {"works": asyncio.run(second())}


def orders(_: float) -> Result:
    """200 orders of Binance spot at once, against a stand-in with its limits."""
    import ccxt.async_support as ccxt_async

    from sluicegate.testing import StandInExchange, binance_spot

    async def run() -> int:
        async with StandInExchange(binance_spot(minute=6), latency=(0.005, 0.05)) as stand_in:
            api = dict.fromkeys(("public", "private", "v1", "v3", "sapi"), f"{stand_in.url}/api/v3")
            exchange = ccxt_async.binance({"apiKey": "k", "secret": "s", "urls": {"api": api}})
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}
            calls = (exchange.privatePostOrder(dict(order)) for _ in range(200))
            answers = await asyncio.gather(*calls, return_exceptions=True)
            await exchange.close()
            return sum(isinstance(answer, Exception) for answer in answers)

    return {"rejected": asyncio.run(run())}


SCENARIOS: dict[str, Callable[[float], Result]] = {
    function.__name__: function
    for function in (
        threads_one_object,
        threads_eight_objects,
        two_asynchronous,
        jitter,
        both_kinds,
        pacing_cpu,
        need_not_wait,
        cancelled,
        dear,
        clock_back,
        second_loop,
        orders,
    )
}
