"""A grant that its event loop does not claim goes to others after a second."""

from __future__ import annotations

import asyncio
import threading
from typing import Literal

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle
from tests.waiting.asyncio_requests import in_use, pass_through


class Stopped:
    """A loop that is stopped while a request waits in it, and is then granted its turn."""

    def __init__(self, throttler: Throttler, clock: ManualClock) -> None:
        self.throttler = throttler
        self.log: list[object] = []
        assert throttler.try_acquire("/x")
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(pass_through(throttler, self.log, "late"))
        self.loop.run_until_complete(settle())
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 0), "granted, and it does not come"

    def resume(self) -> None:
        self.loop.run_until_complete(settle())

    def close(self) -> None:
        self.task.cancel()
        self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.close()


@pytest.mark.parametrize("hold", ["response", "start"])
def test_a_grant_that_nobody_comes_for_goes_to_others_after_a_second(
    clock: ManualClock, hold: Literal["response", "start"]
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold=hold, clock=clock)
    stopped = Stopped(throttler, clock)
    clock.advance(0.999)
    assert not throttler.try_acquire("/x")
    clock.advance(0.001)
    assert throttler.try_acquire("/x")
    stopped.resume()
    assert stopped.log == [], "its turn went to somebody else"
    assert throttler.usage("/x").waiting == 1
    clock.advance(10)
    stopped.resume()
    assert stopped.log == ["late"]
    assert in_use(throttler)[1:] == (0, 0)
    stopped.close()


def test_a_waiter_that_comes_late_for_its_grant_finds_its_old_place(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)
    stopped = Stopped(throttler, clock)

    async def main() -> None:
        order: list[object] = []
        waiting = [asyncio.create_task(pass_through(throttler, order, n)) for n in range(2)]
        await settle()
        clock.advance(1)
        await settle()
        assert order == [0], "the first of those who came after it"
        thread = threading.Thread(target=stopped.resume)
        thread.start()
        thread.join()
        assert throttler.usage("/x").waiting == 2
        clock.advance(10)
        assert in_use(throttler) == (1, 1, 1)
        thread = threading.Thread(target=stopped.resume)
        thread.start()
        thread.join()
        assert (order, stopped.log) == ([0], ["late"])
        clock.advance(10)
        await asyncio.gather(*waiting)
        assert order == [0, 1]

    asyncio.run(main())
    stopped.close()


def test_what_a_loop_was_granted_does_not_go_to_others_of_the_same_loop(
    run: Runner, clock: ManualClock
) -> None:
    """They run when it does: it would be of no use to them. Time moves on here while none runs."""
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)

    async def main() -> None:
        log: list[object] = []
        assert throttler.try_acquire("/x")
        tasks = [asyncio.create_task(pass_through(throttler, log, n)) for n in range(3)]
        await settle()
        for _ in range(100):
            clock.advance(1)
        await settle()
        assert log == [0]
        for _ in range(2):
            clock.advance(10)
            await settle()
        await asyncio.gather(*tasks)
        assert log == [0, 1, 2]

    run(main())


def test_a_grant_does_not_lapse_while_the_clock_moves_in_one_step(clock: ManualClock) -> None:
    """Nobody can come for a grant meanwhile: its second begins when the clock stands."""
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    assert throttler.try_acquire("/x")

    async def main() -> None:
        log: list[object] = []
        task = asyncio.create_task(pass_through(throttler, log, 0))
        await settle()
        clock.advance(1000)
        assert not throttler.try_acquire("/x")
        await task

    asyncio.run(main())


def test_a_wait_that_is_cancelled_after_its_grant_went_back_leaves_nothing(
    clock: ManualClock,
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], clock=clock)
    stopped = Stopped(throttler, clock)
    clock.advance(1)
    assert throttler.try_acquire("/x")
    stopped.close()
    assert stopped.log == []
    assert in_use(throttler) == (1, 0, 0)


def test_a_wait_that_times_out_while_its_loop_is_away_raises_when_that_is_back(
    clock: ManualClock,
) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], hold="start", clock=clock)
    assert throttler.try_acquire("/x")
    loop = asyncio.new_event_loop()

    async def wait() -> None:
        async with throttler.execute_task("/x", timeout=12):
            pytest.fail("it entered")

    task = loop.create_task(wait())
    loop.run_until_complete(settle())
    clock.advance(10)
    clock.advance(1)
    assert throttler.try_acquire("/x")
    clock.advance(5)
    with pytest.raises(RateLimitTimeout):
        loop.run_until_complete(task)
    loop.close()
    assert in_use(throttler) == (1, 0, 0)
