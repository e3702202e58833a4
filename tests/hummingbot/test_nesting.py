"""Requests within the block of another: connectors ask for the server's time there."""

from __future__ import annotations

import asyncio
import gc
import warnings
import weakref

import pytest

from sluicegate._core import ManualClock
from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from tests.helpers.loops import settle

TABLE = [
    RateLimit("POOL", limit=1, time_interval=10),
    RateLimit("/order", limit=9, time_interval=10, linked_limits=[LinkedLimitWeightPair("POOL")]),
    RateLimit("/time", limit=9, time_interval=10, linked_limits=[LinkedLimitWeightPair("POOL")]),
]


@pytest.fixture
def kind(clock: ManualClock) -> type[AsyncThrottler]:
    class Timed(AsyncThrottler):
        _clock = clock

    return Timed


@pytest.fixture
def throttler(kind: type[AsyncThrottler]) -> AsyncThrottler:
    return kind(TABLE, safety_margin_pct=0)


async def ask_time(throttler: AsyncThrottler) -> None:
    async with throttler.execute_task("/time"):
        pass


async def order(throttler: AsyncThrottler) -> None:
    async with throttler.execute_task("/order"):
        await ask_time(throttler)


async def test_a_request_within_another_waits_for_its_window_and_not_for_its_answer(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    nested = asyncio.ensure_future(order(throttler))
    await settle()
    clock.advance(9.9)
    await settle()
    assert not nested.done()
    clock.advance(0.1)
    await settle()
    nested.result()
    assert throttler.usage("POOL").in_flight == 0


async def test_a_request_does_not_wait_for_a_block_under_which_its_limit_has_shrunk(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    throttler = kind([RateLimit("/order", limit=10_000, time_interval=10)], safety_margin_pct=0)
    async with throttler.execute_task("/order"):
        throttler.set_rate_limits([RateLimit("/order", limit=1, time_interval=10)])

        async def within() -> None:
            async with throttler.execute_task("/order"):
                pass

        nested = asyncio.ensure_future(within())
        await settle()
        assert not nested.done()
        clock.advance(10)
        await settle()
        nested.result()
    assert throttler.usage("/order").in_flight == 0


async def test_many_that_hold_a_pool_while_one_of_them_asks_get_on(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    """As when a bot starts: all wait for the one that asks for the time first."""
    pool = RateLimit("POOL", limit=5, time_interval=10)
    throttler = kind([pool, *TABLE[1:]], safety_margin_pct=0)
    lock = asyncio.Lock()
    known = []

    async def synchronized() -> None:
        async with throttler.execute_task("/order"), lock:
            if not known:
                await settle()  # The others fill the pool.
                await ask_time(throttler)
                known.append(True)

    tasks = [asyncio.ensure_future(synchronized()) for _ in range(8)]
    for _ in range(3):
        await settle()
        clock.advance(10)
    await settle()
    for task in tasks:
        task.result()


async def test_a_task_started_within_a_block_that_is_over_is_within_nothing(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    begin = asyncio.Event()

    async def later() -> None:
        await begin.wait()
        await ask_time(throttler)

    async with throttler.execute_task("/order"):
        child = asyncio.ensure_future(later())
    clock.advance(10)
    async with throttler.execute_task("/order"):
        begin.set()
        await settle()
        clock.advance(60)
        await settle()
        assert not child.done()
    clock.advance(10)
    await settle()
    child.result()


async def test_other_requests_wait_for_the_answer(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    entered, answer = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with throttler.execute_task("/order"):
            entered.set()
            await answer.wait()

    first = asyncio.ensure_future(slow())
    await entered.wait()
    second = asyncio.ensure_future(ask_time(throttler))
    await settle()
    clock.advance(60)
    await settle()
    assert not second.done()
    answer.set()
    await settle()
    clock.advance(10)
    await settle()
    first.result()
    second.result()


async def test_a_wait_that_was_given_up_leaves_the_outer_block_known(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    async with throttler.execute_task("/order"):
        waiting = throttler.execute_task("/time").__aenter__()
        del waiting
        inner = asyncio.ensure_future(ask_time(throttler))
        await settle()
        clock.advance(10)
        await settle()
        inner.result()


async def test_a_nested_wait_leaves_what_others_have_in_flight(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    """Four are on a slow network: they arrive after 11 s, and no window may see more than five."""
    pool = RateLimit("POOL", limit=5, time_interval=10)
    throttler = kind([pool, *TABLE[1:]], safety_margin_pct=0)
    arrivals: list[float] = []
    arrives = asyncio.Event()

    async def slow() -> None:
        async with throttler.execute_task("/order"):
            await arrives.wait()
            arrivals.append(clock.now)

    async def nested() -> None:
        async with throttler.execute_task("/order"):
            arrivals.append(clock.now)
            async with throttler.execute_task("/time"):
                arrivals.append(clock.now)

    async def quick() -> None:
        async with throttler.execute_task("/order"):
            arrivals.append(clock.now)

    starts = [*[slow] * 4, nested, *[quick] * 3]
    tasks = [asyncio.ensure_future(start()) for start in starts]
    for second in range(60):
        if second == 11:
            arrives.set()
        await settle()
        clock.advance(1)
    for task in tasks:
        task.result()
    assert len(arrivals) == 9
    assert max(sum(begin <= at < begin + 10 for at in arrivals) for begin in arrivals) == 5


def test_a_throttler_that_keeps_one_of_its_contexts_is_collected() -> None:
    def made() -> weakref.ref[AsyncThrottler]:
        throttler = AsyncThrottler(TABLE)
        throttler.context = throttler.execute_task("/time")  # type: ignore[attr-defined]
        assert throttler.context.within_capacity()  # type: ignore[attr-defined]
        return weakref.ref(throttler)

    throttler = made()
    gc.collect()
    assert throttler() is None


def test_a_context_that_is_never_entered_is_told_of_unless_it_was_read() -> None:
    throttler = AsyncThrottler(TABLE)
    with pytest.warns(RuntimeWarning, match=r'execute_task\("/time"\) was never entered'):
        throttler.execute_task("/time")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert throttler.execute_task("/time").within_capacity()
        assert throttler.execute_task("/nothing").within_capacity()
