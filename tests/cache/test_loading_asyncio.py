"""One load for each key, whichever tasks, event loops and threads ask."""

import asyncio
import threading

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import AsyncLoader, Loader
from tests.helpers.threads import PATIENCE, Thread, until


async def test_many_tasks_share_one_load():
    cache, loader = LoadingCache(), AsyncLoader(object())
    values = await asyncio.gather(*(cache.aget_or_load("a", loader) for _ in range(50)))
    assert set(map(id, values)) == {id(loader.value)}
    assert loader.calls == ["a"]
    assert cache.stats().joined == 49
    assert await cache.aget_or_load("a", loader) is loader.value
    assert cache["a"] is loader.value


async def test_an_error_reaches_all_tasks_that_waited():
    cache, loader = LoadingCache(), AsyncLoader(OSError("down"))
    errors = await asyncio.gather(
        *(cache.aget_or_load("a", loader) for _ in range(5)), return_exceptions=True
    )
    assert set(errors) == {loader.value}
    assert loader.calls == ["a"]


async def test_many_keys_are_loaded_in_one_await():
    cache, loader = LoadingCache(), AsyncLoader(1)
    cache["b"] = 2
    assert await cache.aget_many_or_load("abc", loader.batch) == {"a": 1, "b": 2, "c": 1}
    assert loader.calls == [["a", "c"]]
    result = await cache.aget_many_or_load(
        "de", AsyncLoader(OSError()).batch, return_exceptions=True
    )
    assert [type(value) for value in result.values()] == [OSError, OSError]


async def test_a_cancelled_leader_does_not_lose_the_load_for_the_others():
    cache, loader = LoadingCache(), AsyncLoader(1, held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    other = asyncio.create_task(cache.aget_or_load("a", loader))
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    loader.go_on.set()
    assert await other == 1
    assert loader.calls == ["a"]


async def test_a_cancelled_follower_cancels_nobody_else():
    cache, loader = LoadingCache(), AsyncLoader(1, held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    follower = asyncio.create_task(cache.aget_or_load("a", loader))
    await asyncio.sleep(0)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    loader.go_on.set()
    assert await leader == 1


async def test_a_load_with_nobody_left_to_wait_still_fills_the_cache():
    cache, loader = LoadingCache(), AsyncLoader(1, held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    loader.go_on.set()
    assert await cache.aget_or_load("a", loader) == 1
    assert loader.calls == ["a"]


async def test_a_loader_that_cancels_itself_is_cancelled():
    cache = LoadingCache()
    with pytest.raises(asyncio.CancelledError):
        await cache.aget_or_load("a", AsyncLoader(asyncio.CancelledError()))
    assert await cache.aget_or_load("a", AsyncLoader(1)) == 1


async def test_a_thread_that_would_stop_its_own_loop_gets_an_error():
    cache, loader = LoadingCache(), AsyncLoader(1, held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    with pytest.raises(RuntimeError, match="event loop"):
        cache.get_or_load("a", Loader(2))
    loader.go_on.set()
    assert await leader == 1


async def test_a_thread_and_a_task_share_one_load():
    cache, loader = LoadingCache(), AsyncLoader(1, held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    thread = Thread(cache.get_or_load, "a", Loader(2))
    await asyncio.to_thread(until, lambda: cache.stats().joined == 1)
    loader.go_on.set()
    assert await leader == 1
    assert await asyncio.to_thread(thread.outcome) == 1

    sync = Loader(3, held=True)
    thread = Thread(cache.get_or_load, "b", sync)
    await asyncio.to_thread(sync.entered.wait, PATIENCE)
    follower = asyncio.create_task(cache.aget_or_load("b", loader))
    await asyncio.sleep(0)
    sync.go_on.set()
    assert await follower == 3
    await asyncio.to_thread(thread.outcome)


def test_several_event_loops_share_one_load():
    cache, release = LoadingCache(), threading.Event()
    calls = []

    async def load(key):
        calls.append(key)
        await asyncio.to_thread(release.wait, PATIENCE)
        return 1

    threads = [Thread(asyncio.run, cache.aget_or_load("a", load)) for _ in range(4)]
    until(lambda: cache.stats().joined == 3)
    release.set()
    assert [thread.outcome() for thread in threads] == [1, 1, 1, 1]
    assert calls == ["a"]


def test_a_waiter_whose_loading_loop_ends_loads_by_itself():
    cache, entered, end = LoadingCache(), threading.Event(), threading.Event()

    async def never(_):
        entered.set()
        await asyncio.Event().wait()

    async def leader():
        task = asyncio.create_task(cache.aget_or_load("a", never))
        await asyncio.to_thread(end.wait, PATIENCE)
        task.cancel()  # and the loop ends with the load under way

    loop = Thread(asyncio.run, leader())
    assert entered.wait(PATIENCE)
    follower = Thread(cache.get_or_load, "a", Loader(2))
    until(lambda: cache.stats().joined == 1)
    end.set()
    loop.outcome()
    assert follower.outcome() == 2


def test_the_load_of_a_loop_that_was_stopped_is_given_up():
    cache = LoadingCache()
    loop = asyncio.new_event_loop()

    async def begin():
        loader = AsyncLoader("late", held=True)
        task = asyncio.ensure_future(cache.aget_or_load("a", loader))
        await loader.entered.wait()
        return loader, task, asyncio.all_tasks() - {asyncio.current_task(), task}

    loader, task, loads = loop.run_until_complete(begin())
    assert cache.get_or_load("a", Loader(2)) == 2
    # The loop goes on after all: its load is not wanted any more.
    loader.go_on.set()
    assert loop.run_until_complete(task) == 2
    for load in loads:
        loop.run_until_complete(load)
    assert cache["a"] == 2
    loop.close()
