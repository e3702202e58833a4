"""`@throttler.limit(id)`: each call of a function is one request."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler, UnknownLimitError
from sluicegate.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def throttler(clock: ManualClock) -> Throttler:
    return Throttler([RateLimit("/depth", 2, 1.0), RateLimit("/order", 10, 1.0)], clock=clock)


def used(throttler: Throttler, limit_id: str = "/depth") -> tuple[int, int]:
    usage = throttler.usage(limit_id)
    return usage.used, usage.in_flight


def test_a_function_is_the_block_of_its_request(throttler: Throttler) -> None:
    @throttler.limit("/depth")
    def depth(symbol: str, *, limit: int = 5) -> tuple[str, int, tuple[int, int]]:
        """The book."""
        return symbol, limit, used(throttler)

    assert depth("BTC", limit=7) == ("BTC", 7, (1, 1))
    assert used(throttler) == (1, 0)
    assert depth.__name__ == "depth"
    assert depth.__doc__ == "The book."
    assert str(inspect.signature(depth)).startswith("(symbol: 'str', *, limit: 'int' = 5)")


async def test_a_coroutine_function_waits_in_its_event_loop(
    throttler: Throttler, clock: ManualClock
) -> None:
    @throttler.limit("/depth")
    async def depth() -> tuple[int, int]:
        return used(throttler)

    assert inspect.iscoroutinefunction(depth)
    assert [await depth(), await depth()] == [(1, 1), (2, 1)]
    waiting = asyncio.create_task(depth())
    await asyncio.sleep(0)
    assert throttler.usage("/depth").waiting == 1
    clock.advance(1)
    assert (await waiting)[1] == 1


async def test_a_cancelled_call_leaves_no_charge(throttler: Throttler) -> None:
    called: list[int] = []

    @throttler.limit("/depth", units=2)
    async def depth() -> None:
        called.append(1)

    await depth()
    waiting = asyncio.create_task(depth())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (called, used(throttler), throttler.usage("/depth").waiting) == ([1], (2, 0), 0)


def test_a_thread_blocks_until_the_request_may_leave(
    throttler: Throttler, clock: ManualClock
) -> None:
    done = threading.Event()

    @throttler.limit("/depth", units=2)
    def depth() -> None:
        pass

    depth()
    thread = threading.Thread(target=lambda: (depth(), done.set()))
    thread.start()
    while not throttler.usage("/depth").waiting:
        pass
    assert not done.is_set()
    clock.advance(1)
    assert done.wait(10)
    thread.join()


def test_units_and_timeout_are_those_of_each_call(throttler: Throttler) -> None:
    @throttler.limit("/depth", units=2, timeout=0)
    def depth() -> None:
        pass

    depth()
    assert used(throttler) == (2, 0)
    with pytest.raises(RateLimitTimeout):
        depth()


def test_an_error_passes_and_its_request_counts(throttler: Throttler) -> None:
    @throttler.limit("/depth")
    def depth() -> None:
        raise ConnectionError("lost")

    with pytest.raises(ConnectionError, match="lost"):
        depth()
    assert used(throttler) == (1, 0)


async def test_methods_of_every_kind_can_be_decorated(throttler: Throttler) -> None:
    class Client:
        @throttler.limit("/order")
        def order(self, side: str) -> tuple[object, str]:
            return self, side

        @throttler.limit("/order")
        async def cancel(self, number: int) -> tuple[object, int]:
            return self, number

        @throttler.limit("/order")
        @staticmethod
        def below(a: int) -> int:
            return a

        @staticmethod
        @throttler.limit("/order")
        def above(a: int) -> int:
            return a

        @throttler.limit("/order")
        @classmethod
        def of(cls, a: int) -> tuple[type, int]:
            return cls, a

    client = Client()
    assert client.order("buy") == (client, "buy")
    assert await client.cancel(7) == (client, 7)
    assert (client.below(1), Client.below(2), client.above(3)) == (1, 2, 3)
    assert client.of(4) == (Client, 4)
    assert used(throttler, "/order") == (6, 0)


async def test_what_only_calls_a_coroutine_function_is_one_too(throttler: Throttler) -> None:
    class Ask:
        async def __call__(self, a: int) -> tuple[int, tuple[int, int]]:
            return a, used(throttler, "/order")

    async def ask(a: int) -> tuple[int, tuple[int, int]]:
        return a, used(throttler, "/order")

    limit = throttler.limit("/order")
    assert await limit(Ask())(1) == (1, (1, 1))
    assert await limit(functools.partial(ask, 2))() == (2, (2, 1))


def test_without_parentheses_it_says_what_to_write(throttler: Throttler) -> None:
    def depth() -> None: ...

    limit: Any = throttler.limit
    with pytest.raises(TypeError, match=r"write @throttler\.limit\('/depth'\) above .*depth"):
        limit(depth)
    with pytest.raises(TypeError, match="limit_id must be a str, not "):
        limit(3)


def test_what_runs_after_its_call_is_refused(throttler: Throttler) -> None:
    def rows() -> Iterator[int]:
        yield 1

    async def rows_async() -> AsyncIterator[int]:
        yield 1

    limit: Any = throttler.limit("/depth")
    for function in (rows, rows_async, functools.partial(rows)):
        with pytest.raises(TypeError, match=r"is a generator: .*execute_task"):
            limit(function)
    with pytest.raises(TypeError, match="for functions and coroutine functions, got <class"):
        limit(Throttler)
    with pytest.raises(TypeError, match="for functions and coroutine functions, got 5"):
        limit(5)


def test_a_plain_function_that_returns_a_coroutine_is_found_out(throttler: Throttler) -> None:
    async def ask() -> None: ...

    @throttler.limit("/depth")
    def wrapped() -> Any:
        return ask()

    with pytest.raises(TypeError, match="directly above the function itself"):
        wrapped()


def test_an_unknown_id_is_an_error_of_the_call(throttler: Throttler) -> None:
    @throttler.limit("/later")
    def later() -> int:
        return 1

    with pytest.raises(UnknownLimitError, match="/later"):
        later()
    throttler.add_rate_limits([RateLimit("/later", 1, 1.0)])
    assert later() == 1


def test_a_subclass_decides_what_a_call_takes() -> None:
    class Mine(Throttler):
        def execute_task(self, limit_id: str) -> Any:  # type: ignore[override]
            return super().execute_task(limit_id.upper())

    mine = Mine([RateLimit("/DEPTH", 2, 1.0)])
    assert mine.limit("/depth")(lambda: 1)() == 1
    assert used(mine, "/DEPTH") == (1, 0)


def test_a_function_may_call_itself(throttler: Throttler) -> None:
    @throttler.limit("/order")
    def down(n: int) -> int:
        return down(n - 1) + 1 if n else used(throttler, "/order")[1]

    assert down(2) == 3 + 2
