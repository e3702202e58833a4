"""A plain `with` in a coroutine blocks its loop: it waits for no task of that loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Literal, get_args

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock

Hold = Literal["response", "start"]


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """A thread that acts as soon as something is so."""

    def run() -> None:
        while not condition():
            pass
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("hold", get_args(Hold))
def test_a_with_passes_before_the_waiters_of_the_loop_that_it_blocks(hold: Hold) -> None:
    clock = ManualClock()
    throttler = Throttler([RateLimit("/x", limit=1, time_interval=10)], hold=hold, clock=clock)
    passed: list[str] = []

    async def request(name: str) -> None:
        async with throttler.execute_task("/x"):
            passed.append(name)

    async def main() -> None:
        assert throttler.charge("/x")
        waiting = [asyncio.ensure_future(request(name)) for name in ["first", "second", "third"]]
        await asyncio.sleep(0)
        advancing = when(lambda: throttler.usage("/x").waiting in (1, 4), lambda: clock.advance(10))
        # The time of the limit, and no time for grants that nobody can come for.
        with throttler.execute_task("/x", timeout=10):
            passed.append("with")
        advancing.join()
        for _ in waiting:
            await asyncio.sleep(0)
            clock.advance(10)
            for _ in range(10):
                await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(main(), 60))
    assert passed == ["with", "first", "second", "third"], "each of them at its old place"


def test_a_grant_that_the_blocked_loop_has_not_come_for_goes_to_the_with() -> None:
    clock = ManualClock()
    throttler = Throttler([RateLimit("/x", limit=1, time_interval=10)], clock=clock)

    async def request() -> None:
        async with throttler.execute_task("/x"):
            pass

    async def main() -> None:
        assert throttler.charge("/x")
        waiting = asyncio.ensure_future(request())
        await asyncio.sleep(0)
        clock.advance(10)
        assert throttler.usage("/x").in_flight == 1, "it was granted"
        with throttler.execute_task("/x", timeout=0.1):
            pass
        clock.advance(10)
        await waiting

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_with_does_not_wait_behind_who_waits_for_an_answer_of_the_loop_that_it_blocks() -> None:
    one, two = [LinkedLimitWeightPair("POOL", 1)], [LinkedLimitWeightPair("POOL", 2)]
    table = [
        RateLimit("POOL", limit=2, time_interval=10),
        RateLimit("/light", limit=9, time_interval=10, linked_limits=one),
        RateLimit("/heavy", limit=9, time_interval=10, linked_limits=two),
    ]
    clock = ManualClock()
    throttler = Throttler(table, clock=clock)
    passed: list[str] = []

    end = asyncio.Event()

    async def hold() -> None:
        async with throttler.execute_task("/light"):
            await end.wait()

    async def heavy() -> None:
        async with throttler.execute_task("/heavy"):
            passed.append("heavy")

    async def main() -> None:
        holding = asyncio.ensure_future(hold())
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(heavy())
        await asyncio.sleep(0)
        assert throttler.usage("POOL").waiting == 1

        def is_over() -> bool:
            return throttler.usage("POOL").waiting > 1 or bool(passed)

        stuck = when(is_over, lambda: clock.advance(0.1))
        with throttler.execute_task("/light", timeout=0.1):
            passed.append("with")
        stuck.join()
        end.set()
        await holding
        assert passed == ["with"]
        waiting.cancel()

    asyncio.run(main())
    assert throttler.usage("POOL").in_flight == 0


def test_a_with_that_may_not_wait_leaves_the_others_in_the_queue() -> None:
    throttler = Throttler([RateLimit("/x", limit=1, time_interval=10)], clock=ManualClock())

    async def request() -> None:
        async with throttler.execute_task("/x"):
            pass

    async def main() -> None:
        assert throttler.charge("/x")
        waiting = asyncio.ensure_future(request())
        await asyncio.sleep(0)
        with pytest.raises(RateLimitTimeout), throttler.execute_task("/x", timeout=0):
            pass
        assert throttler.usage("/x").waiting == 1
        waiting.cancel()

    asyncio.run(main())
