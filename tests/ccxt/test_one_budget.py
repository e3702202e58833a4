"""All objects of a host are on one budget: threads, objects, tasks and loops together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sluicegate.ccxt import install, throttler
from tests.ccxt.strict import Server, ask, asynchronous, paces, synchronous

#: Requests of each test: enough for more than one window of 50.
REQUESTS = 120


def in_threads(work: Callable[[int], None], threads: int = 8) -> None:
    """Work in threads until all of it is done; the first error is raised here."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for i in range(number, REQUESTS, threads):
                work(i)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("objects", [1, 8])
def test_threads_are_never_over(objects: int) -> None:
    install()
    server = Server((0.0, 0.03))
    exchanges = [synchronous(server) for _ in range(objects)]
    in_threads(lambda i: ask(exchanges[i % objects]))
    assert len(server.arrivals) == REQUESTS
    assert server.over(50) == 0


async def test_asynchronous_objects_are_never_over_however_long_requests_take() -> None:
    install()
    server = Server((0.005, 0.2))
    exchanges = [asynchronous(server) for _ in range(2)]
    await asyncio.gather(*(ask(exchanges[i % 2]) for i in range(REQUESTS)))
    assert len(server.arrivals) == REQUESTS
    assert server.over(50) == 0
    for exchange in exchanges:
        await exchange.close()


async def test_a_synchronous_and_an_asynchronous_object_share_the_limit() -> None:
    install()
    server = Server((0.0, 0.02))
    exchange, other = asynchronous(server), synchronous(server)
    threads = asyncio.to_thread(in_threads, lambda _: ask(other), 4)
    await asyncio.gather(threads, *(ask(exchange) for _ in range(REQUESTS)))
    assert len(server.arrivals) == 2 * REQUESTS
    assert server.over(50) == 0
    await exchange.close()


def test_a_second_event_loop_goes_on() -> None:
    install()
    server = Server()
    exchange = asynchronous(server)

    async def some() -> None:
        await asyncio.gather(*(ask(exchange) for _ in range(30)))
        await exchange.close()

    asyncio.run(some())
    asyncio.run(some())
    assert len(server.arrivals) == 60
    assert server.over(50) == 0


def test_objects_that_exist_already_are_covered() -> None:
    server = Server()
    exchange = synchronous(server)
    install()
    ask(exchange)
    [used] = paces(exchange).values()
    assert (used.used, used.limit) == (1_000_000, 50_000_000)


def names(exchange: Any) -> set[str]:
    return {name for name, used in paces(exchange).items() if used.used}


def test_each_proxy_has_limits_of_its_own_and_its_password_is_not_shown() -> None:
    install()
    server = Server()
    direct = synchronous(server)
    proxied = synchronous(server)
    proxied.httpsProxy = "http://user:secret@proxy:8080"
    ask(direct)
    ask(proxied)
    assert throttler(direct) is throttler(proxied)
    assert names(direct) == {
        "rateLimit 20 ms in 1000 ms",
        "rateLimit 20 ms in 1000 ms via http://proxy:8080",
    }


def test_each_host_has_a_budget_of_its_own() -> None:
    install()
    server = Server()
    one, other = synchronous(server), synchronous(server)
    other.urls["api"] = dict.fromkeys(other.urls["api"], "https://sandbox.example.com/api")
    ask(one)
    ask(other)
    assert throttler(one) is not throttler(other)
    assert [len(names(exchange)) for exchange in (one, other)] == [1, 1]


def test_what_is_slow_counts_for_what_is_fast_as_well() -> None:
    install()
    server = Server()
    fast, slow = synchronous(server, rateLimit=20), synchronous(server, rateLimit=50)
    ask(slow)
    ask(fast)
    ask(slow)
    used = {name: used.used for name, used in paces(fast).items()}
    assert used == {
        "rateLimit 50 ms in 1000 ms": 2_000_000,
        "rateLimit 20 ms in 1000 ms": 2_000_000,
    }
