"""Blocks within blocks of the plain throttler, and `with` in the thread of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Iterator

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import Runner, settle
from tests.helpers.threads import until

POOL = [LinkedLimitWeightPair("POOL")]


@pytest.fixture
def pool(clock: ManualClock) -> Throttler:
    """Two in 10 s, for "/a" and "/b" together."""
    table = [RateLimit("POOL", 2, 10), RateLimit("/a", 9, 10, linked_limits=POOL)]
    return Throttler([*table, RateLimit("/b", 9, 10, linked_limits=POOL)], clock=clock)


def test_blocks_within_blocks_that_fill_a_pool_get_on(
    run: Runner, clock: ManualClock, pool: Throttler
) -> None:
    passed = []

    async def nested() -> None:
        async with pool.execute_task("/a"):
            await settle()
            async with pool.execute_task("/b"):
                passed.append(clock.now)

    async def main() -> None:
        tasks = [asyncio.ensure_future(nested()) for _ in range(4)]
        for _ in range(9):
            await settle()
            await settle()
            clock.advance(10)
        for task in tasks:
            task.result()

    run(main())
    assert len(passed) == 4
    assert all(usage.used == 0 for usage in pool.usage().values())


def test_blocks_of_context_managers_and_stacks_are_known(
    run: Runner, clock: ManualClock, pool: Throttler
) -> None:
    @contextlib.asynccontextmanager
    async def request() -> AsyncIterator[None]:
        async with pool.execute_task("/a", units=2):
            yield

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(request())
            inner = asyncio.ensure_future(pool.execute_task("/b").__aenter__())
            await settle()
            clock.advance(10)
            await settle()
            inner.result()

    run(main())


def test_threads_with_blocks_within_blocks_get_on(clock: ManualClock, pool: Throttler) -> None:
    entered = threading.Barrier(2)

    def nested() -> None:
        with pool.execute_task("/a"):
            entered.wait()
            with pool.execute_task("/b"):
                pass

    threads = [threading.Thread(target=nested, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: pool.usage("POOL").waiting == 2)
    for thread in threads * 1_000:
        clock.advance(10)
        thread.join(0.001)
    assert not any(thread.is_alive() for thread in threads)
    assert pool.usage("POOL").in_flight == 0


def test_a_generator_that_holds_a_block_does_not_block_its_user(
    clock: ManualClock, pool: Throttler
) -> None:
    def pages() -> Iterator[int]:
        with pool.execute_task("/a", units=2):
            yield 1

    done = []

    def use() -> None:
        for page in pages():
            with pool.execute_task("/b"):
                done.append(page)

    thread = threading.Thread(target=use)
    thread.start()
    until(lambda: pool.usage("POOL").waiting == 1)
    clock.advance(10)
    thread.join()
    assert done == [1]


def test_what_others_have_in_flight_stays_so(clock: ManualClock, pool: Throttler) -> None:
    """A block of somebody else's is waited for, however long it takes."""

    async def main() -> None:
        answer = asyncio.Event()

        async def slow() -> None:
            async with pool.execute_task("/a"):
                await answer.wait()

        async def nested() -> None:
            async with pool.execute_task("/a"), pool.execute_task("/b", units=2):
                pass

        others, task = asyncio.ensure_future(slow()), asyncio.ensure_future(nested())
        await settle()
        assert pool.usage("POOL").in_flight == 1
        clock.advance(60)
        await settle()
        assert not task.done()
        answer.set()
        await settle()
        clock.advance(10)
        await settle()
        task.result()
        others.result()

    asyncio.run(main())


def test_a_wait_that_is_over_leaves_nothing_to_be_within(
    clock: ManualClock, throttler: Throttler
) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x"):
            pass
        assert throttler.try_acquire("/x")
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(throttler.execute_task("/x").__aenter__(), 0)
        async with contextlib.AsyncExitStack() as stack:
            clock.advance(10)
            for _ in range(2):
                await stack.enter_async_context(throttler.execute_task("/x"))
        inner = asyncio.ensure_future(throttler.execute_task("/x").__aenter__())
        await settle()
        clock.advance(10)
        await settle()
        inner.result()

    asyncio.run(main())


# ---- `with` in the thread of an event loop


def test_with_in_a_loop_that_holds_what_it_needs_fails_at_once(
    run: Runner, pool: Throttler
) -> None:
    async def hold(entered: asyncio.Event) -> None:
        async with pool.execute_task("/a", units=2):
            entered.set()
            await asyncio.sleep(3600)

    async def main() -> None:
        entered = asyncio.Event()
        task = asyncio.ensure_future(hold(entered))
        await entered.wait()
        with pytest.raises(RuntimeError) as error:
            pool.execute_task("/b").__enter__()
        assert str(error.value) == (
            '`with` for "/b" would wait for ever: blocks of this event loop (of "/a") hold 2 of '
            'the 2 units of "POOL", and none of them can end while `with` blocks the loop: use '
            "`async with`"
        )
        usage = pool.usage("POOL")
        assert (usage.in_flight, usage.waiting) == (2, 0)
        task.cancel()

    run(main())


def test_with_in_a_loop_waits_for_the_clock(clock: ManualClock, pool: Throttler) -> None:
    """As in the cells of a notebook, which run inside a loop."""
    assert pool.try_acquire("POOL", 2)

    def advance() -> None:
        until(lambda: pool.usage("POOL").waiting == 1)
        clock.advance(10)

    async def cell() -> None:
        with pool.execute_task("/a"):
            pass

    thread = threading.Thread(target=advance)
    thread.start()
    asyncio.run(cell())
    thread.join()


def test_with_in_a_loop_within_its_own_block_waits_for_the_clock(
    clock: ManualClock, pool: Throttler
) -> None:
    def advance() -> None:
        until(lambda: pool.usage("POOL").waiting == 1)
        clock.advance(10)

    async def cell() -> None:
        async with pool.execute_task("/a", units=2):
            with pool.execute_task("/b"):
                pass

    thread = threading.Thread(target=advance)
    thread.start()
    asyncio.run(cell())
    thread.join()


def test_with_in_a_loop_waits_for_another_thread(clock: ManualClock, pool: Throttler) -> None:
    entered = threading.Event()

    def hold() -> None:
        with pool.execute_task("/a", units=2):
            entered.set()
            until(lambda: pool.usage("POOL").waiting == 1)
        clock.advance(10)

    async def cell() -> None:
        with pool.execute_task("/b"):
            pass

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    asyncio.run(cell())
    thread.join()


# ---- never entered


def test_the_end_of_a_program_is_told_of_nothing() -> None:
    program = """
from sluicegate import RateLimit, Throttler
class Keeps: pass
throttler = Throttler([RateLimit("/x", 1, 1)])
task, keeps = throttler.execute_task("/x"), Keeps()
keeps.itself, keeps.task = keeps, throttler.execute_task("/x")
"""
    end = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert (end.returncode, end.stderr) == (0, "")


def test_a_task_that_is_never_entered_is_told_of_where_it_is_dropped(throttler: Throttler) -> None:
    with pytest.warns(RuntimeWarning, match=r'execute_task\("/x"\) was never entered') as caught:
        throttler.execute_task("/x")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_that_is_an_error_harms_nobody(throttler: Throttler) -> None:
    unraisable = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("sys.unraisablehook", unraisable.append)
        warnings.simplefilter("error")
        task = throttler.execute_task("/x")
        try:
            raise KeyError("/x")
        except KeyError:
            del task
    assert [type(one.exc_value) for one in unraisable] == [RuntimeWarning]


def test_a_task_that_was_entered_or_given_up_is_not_told_of(throttler: Throttler) -> None:
    async def main() -> None:
        async with throttler.execute_task("/x", units=2):
            pass
        for task in (throttler.execute_task("/x"), throttler.execute_task("/x")):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(task.__aenter__(), 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())


def _shrunk(clock: ManualClock) -> Throttler:
    return Throttler([RateLimit("/a", 10_000, 10)], clock=clock)


def test_a_task_does_not_wait_for_a_block_under_which_its_limit_has_shrunk(
    run: Runner, clock: ManualClock
) -> None:
    throttler, passed = _shrunk(clock), []

    async def inner() -> None:
        async with throttler.execute_task("/a"):
            passed.append(clock.now)

    async def main() -> None:
        async with throttler.execute_task("/a"):
            throttler.set_rate_limits([RateLimit("/a", 1, 10)])
            task = asyncio.ensure_future(inner())
            await settle()
            assert not passed
            clock.advance(10)
            await settle()
            assert passed == [10]
            await task
        clock.advance(10)

    run(main())
    assert throttler.usage("/a").used == 0


def test_a_thread_does_not_wait_for_a_block_under_which_its_limit_has_shrunk(
    clock: ManualClock,
) -> None:
    throttler, passed = _shrunk(clock), []

    def nested() -> None:
        with throttler.execute_task("/a"):
            throttler.observe("/a", limit=1, used=1)
            with throttler.execute_task("/a"):
                passed.append(clock.now)

    thread = threading.Thread(target=nested, daemon=True)
    thread.start()
    until(lambda: throttler.usage("/a").waiting == 1)
    clock.advance(10)
    thread.join(10)
    assert passed == [10]
    clock.advance(10)
    assert throttler.usage("/a").used == 0
