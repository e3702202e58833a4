"""`with cache.timer`: time that is held still, for whom and for how long."""

import asyncio
import gc
import weakref

import pytest

from sluicegate import TTLCache
from tests.cache.loaders import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    cache = TTLCache(9, 10, clock)
    cache.update(dict.fromkeys("ab", 1))
    return cache


def hold_with_iterator(cache):
    keys = iter(cache)
    next(keys)
    return keys


def hold_with_timer(cache):
    class Held:
        def __init__(self):
            cache.timer.__enter__()

        def __del__(self):
            cache.timer.__exit__(None, None, None)

    return Held()


@pytest.mark.parametrize("hold", [hold_with_iterator, hold_with_timer])
def test_it_is_held_for_the_task_and_not_for_the_others_of_the_loop(cache, clock, hold):
    async def other():
        return cache.get("a"), "a" in cache, cache.timer()

    async def main():
        held = hold(cache)
        clock.now = 20.0
        assert (cache.get("a"), "a" in cache, cache.timer()) == (1, True, 0.0)
        assert await asyncio.create_task(other()) == (None, False, 20.0)
        assert await other() == (1, True, 0.0)  # the same task
        del held
        assert cache.get("a") is None

    asyncio.run(main())


def test_two_tasks_hold_it_each_at_its_own_instant(cache, clock):
    async def hold(instant, others):
        clock.now = instant
        with cache.timer as time:
            await others.wait()
            assert time == cache.timer() == instant
        assert cache.timer() == 2.0

    async def main():
        others = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else asyncio.Event()
        if isinstance(others, asyncio.Event):
            asyncio.get_running_loop().call_later(0.01, others.set)
        await asyncio.gather(hold(1.0, others), hold(2.0, others))

    asyncio.run(main())


def test_what_a_thread_holds_is_its_own_outside_of_its_tasks(cache, clock):
    async def read():
        return cache.timer()

    keys = hold_with_iterator(cache)
    clock.now = 20.0
    assert asyncio.run(read()) == 20.0
    assert cache.timer() == 0.0
    del keys


def test_a_task_that_holds_it_can_be_collected(cache):
    async def main():
        async def iterate():
            for _ in cache:
                await asyncio.Event().wait()

        task = asyncio.create_task(iterate())
        await asyncio.sleep(0)
        return weakref.ref(task)

    task = asyncio.run(main())
    gc.collect()
    assert task() is None
    assert cache.timer() == 0.0


def test_an_end_in_another_task_is_refused(cache):
    async def main():
        with cache.timer:

            async def end():
                cache.timer.__exit__(None, None, None)

            with pytest.raises(RuntimeError, match="in the asyncio task, in which it began"):
                await asyncio.create_task(end())

    asyncio.run(main())
