"""`async with` in event loops: order, units in flight, and blocks that end badly."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable
from typing import Any

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate._core import Ready
from sluicegate._waiting import READY
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle
from tests.waiting.asyncio_requests import in_use, pass_through


def test_a_request_that_fits_enters_without_suspending(throttler: Throttler) -> None:
    async def enter() -> str:
        async with throttler.execute_task("/x"):
            return "inside"

    with pytest.raises(StopIteration) as finished:
        enter().send(None)
    assert finished.value.value == "inside"
    assert in_use(throttler) == (1, 0, 0)


def test_waiters_pass_in_order_at_the_instants_at_which_they_fit(run: Runner) -> None:
    async def main() -> None:
        clock = ManualClock()
        throttler = Throttler([RateLimit("/x", 2, 10)], clock=clock)
        log: list[object] = []
        tasks = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(6)]
        await settle()
        assert log == [0, 1]
        assert throttler.usage("/x").waiting == 4
        clock.advance(9.999)
        await settle()
        assert log == [0, 1]
        clock.advance(0.001)
        await settle()
        assert log == [0, 1, 2, 3]
        clock.advance(10)
        await asyncio.gather(*tasks)
        assert log == [0, 1, 2, 3, 4, 5]

    run(main())


def test_units_stay_in_flight_until_the_block_ends_and_then_one_interval(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x", units=2):
            clock.advance(1000)
            assert in_use(throttler) == (2, 2, 0)
            assert not throttler.try_acquire("/x")
        assert in_use(throttler) == (2, 0, 0)
        clock.advance(9.999)
        assert not throttler.try_acquire("/x")
        clock.advance(0.001)
        assert throttler.try_acquire("/x")

    run(main())


def test_hold_start_counts_from_the_instant_of_entering(run: Runner, clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)

    async def main() -> None:
        async with throttler.execute_task("/x"):
            clock.advance(10)
            assert throttler.try_acquire("/x")

    run(main())


def test_a_block_that_raises_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with throttler.execute_task("/x"):
                _ = 1 / 0
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_block_that_is_cancelled_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def stay() -> None:
        async with throttler.execute_task("/x"):
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(stay())
        await settle()
        assert in_use(throttler) == (1, 1, 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_task_that_is_dropped_inside_gives_its_units_to_the_window(
    run: Runner, throttler: Throttler
) -> None:
    async def main() -> None:
        task = throttler.execute_task("/x")
        await task.__aenter__()
        assert in_use(throttler) == (1, 1, 0)
        del task
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_grant_whose_task_has_waited_is_given_to_the_window_too_when_dropped(
    run: Runner, clock: ManualClock
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        assert throttler.try_acquire("/x")
        task = throttler.execute_task("/x")
        entering = asyncio.ensure_future(task.__aenter__())
        await settle()
        clock.advance(10)
        await entering
        assert in_use(throttler) == (1, 1, 0)
        del task, entering
        gc.collect()
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_a_task_may_be_entered_again_once_it_was_left(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        task = throttler.execute_task("/x")
        for _ in range(2):
            async with task:
                with pytest.raises(RuntimeError, match="entered already"):
                    await task.__aenter__()
        with pytest.raises(RuntimeError, match="was not entered"):
            await task.__aexit__(None, None, None)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_task_that_waits_cannot_be_entered_twice(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = throttler.execute_task("/x")
        waiting: Awaitable[None] = task.__aenter__()
        with pytest.raises(RuntimeError, match="entered already"):
            await task.__aenter__()
        assert throttler.usage("/x").waiting == 1
        del waiting
        assert throttler.usage("/x").waiting == 0
        assert repr(task) == '<Task of "/x", not entered>'

    run(main())


def test_waiting_outside_of_an_event_loop_is_an_error(throttler: Throttler) -> None:
    assert throttler.try_acquire("/x", 2)
    task = throttler.execute_task("/x")
    with pytest.raises(RuntimeError, match="no running event loop"):
        task.__aenter__()  # type: ignore[unused-coroutine] # it raises at once
    assert in_use(throttler) == (2, 0, 0)
    assert repr(task) == '<Task of "/x", not entered>'


def test_entering_can_be_wrapped_whether_it_waits_or_not(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        first, second, third = (throttler.execute_task("/x") for _ in range(3))
        await asyncio.wait_for(first.__aenter__(), 1)
        await asyncio.gather(second.__aenter__(), return_exceptions=False)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(third.__aenter__(), 0.01)
        usage = throttler.usage("/x")
        assert (usage.in_flight, usage.waiting) == (2, 0)
        for task in (first, second):
            await task.__aexit__(None, None, None)

    run(main())


@pytest.mark.parametrize("room", [True, False])
def test_a_task_can_be_made_of_entering_whether_there_is_room_or_not(
    run: Runner, clock: ManualClock, throttler: Throttler, room: bool
) -> None:
    async def main() -> None:
        if not room:
            assert throttler.try_acquire("/x", 2)
        task = throttler.execute_task("/x")
        entering = asyncio.create_task(task.__aenter__())
        await settle()
        if not room:
            clock.advance(10)
        await entering
        assert throttler.usage("/x").in_flight == 1
        await asyncio.create_task(task.__aexit__(None, None, None))
        assert throttler.usage("/x").in_flight == 0

    run(main())


@pytest.mark.parametrize("awaitable", [READY, Ready()], ids=["of this Python", "ours"])
def test_what_is_ready_can_be_awaited_in_every_way_again_and_again(
    run: Runner, awaitable: Any
) -> None:
    async def main() -> None:
        for _ in range(2):
            await awaitable
            await asyncio.wait_for(awaitable, 1)
            await asyncio.gather(awaitable)
            await asyncio.ensure_future(awaitable)
            await asyncio.create_task(awaitable)
        with pytest.raises(ZeroDivisionError):
            awaitable.throw(ZeroDivisionError())
        awaitable.close()
        await awaitable

    run(main())
