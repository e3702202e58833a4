"""Waits in event loops that end without passing: cancellation and time-outs."""

from __future__ import annotations

import asyncio

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle
from tests.waiting.asyncio_requests import in_use, pass_through


def test_cancelled_waiter_leaves_no_charge_and_no_place(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x", 2)
        first, second = (
            asyncio.create_task(pass_through(throttler, log, name)) for name in ("first", "second")
        )
        await settle()
        assert in_use(throttler) == (2, 0, 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert in_use(throttler) == (2, 0, 1)
        clock.advance(10)
        await second
        assert log == ["second"]
        assert in_use(throttler) == (1, 0, 0)

    run(main())


def test_waiter_cancelled_in_the_moment_of_its_grant_gives_it_to_the_next(
    run: Runner, clock: ManualClock
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x")
        first, second = (
            asyncio.create_task(pass_through(throttler, log, name)) for name in ("first", "second")
        )
        await settle()
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 1), "granted, and not awake yet"
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert log == ["second"]

    run(main())


def test_cancelling_many_waiters_at_once_lets_the_others_go(
    run: Runner, clock: ManualClock
) -> None:
    """Each cancellation wakes others while its exception passes by, which once crashed."""
    table = [
        RateLimit("POOL", 10, 10),
        RateLimit("/heavy", 10, 10, linked_limits=[LinkedLimitWeightPair("POOL", 10)]),
        RateLimit("/x", 10, 10, linked_limits=[LinkedLimitWeightPair("POOL", 1)]),
    ]
    throttler = Throttler(table, clock=clock)

    async def main() -> None:
        log: list[object] = []

        async def heavy() -> None:
            async with throttler.execute_task("/heavy"):
                pass

        assert throttler.try_acquire("POOL")
        heavies = [asyncio.create_task(heavy()) for _ in range(20)]
        await settle()
        lights = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(9)]
        await settle()
        assert log == [], "nobody passes the heavy ones that came before"
        for task in heavies:
            task.cancel()
        ended = await asyncio.gather(*heavies, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        await asyncio.gather(*lights)
        assert log == list(range(9))

    run(main())


def test_timeout_zero_never_waits(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x", timeout=0):
            pass
        assert throttler.try_acquire("/x")
        with pytest.raises(RateLimitTimeout, match='"/x" could not pass within 0 s'):
            async with throttler.execute_task("/x", timeout=0):
                pytest.fail("it entered")
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_timeout_ends_the_wait_and_charges_nothing(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def wait() -> None:
        async with throttler.execute_task("/x", timeout=4):
            pytest.fail("it entered")

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(wait())
        await settle()
        clock.advance(3.999)
        await settle()
        assert not task.done()
        clock.advance(0.001)
        with pytest.raises(TimeoutError) as caught:
            await task
        assert isinstance(caught.value, RateLimitTimeout)
        assert (caught.value.limit_id, caught.value.timeout) == ("/x", 4.0)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_grant_at_the_very_end_of_the_timeout_counts(
    run: Runner, clock: ManualClock, throttler: Throttler
) -> None:
    async def wait() -> str:
        async with throttler.execute_task("/x", timeout=10):
            return "inside"

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(wait())
        await settle()
        clock.advance(10)
        assert await task == "inside"

    run(main())


def test_timers_of_the_loop_end_a_wait(run: Runner) -> None:
    throttler = Throttler([RateLimit("/x", 1, 0.02), RateLimit("/y", 1, 60)])

    async def main() -> None:
        log: list[object] = []
        await asyncio.gather(*(pass_through(throttler, log, n) for n in range(5)))
        assert log == [0, 1, 2, 3, 4]
        assert throttler.charge("/y")
        with pytest.raises(RateLimitTimeout):
            async with throttler.execute_task("/y", timeout=0.001):
                pytest.fail("it entered")

    run(main())


def test_wait_for_gives_up_like_a_cancellation(run: Runner, throttler: Throttler) -> None:
    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(pass_through(throttler, [], 0), 0.01)
        assert in_use(throttler) == (2, 0, 0)

    run(main())


def test_a_cancelled_wait_gives_its_place_back_while_its_traceback_lives(
    run: Runner, throttler: Throttler
) -> None:
    async def keep_awaitable() -> None:
        entering = throttler.execute_task("/x").__aenter__()
        await entering

    async def main() -> None:
        assert throttler.try_acquire("/x", 2)
        task = asyncio.create_task(keep_awaitable())
        await settle()
        task.cancel()
        (kept,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(kept, asyncio.CancelledError)
        assert in_use(throttler) == (2, 0, 0)

    run(main())
