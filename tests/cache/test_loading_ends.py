"""Loads whose task, event loop or process ends before they do; waiters with no other reference."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings
import weakref

import pytest

from sluicegate import LoadingCache
from sluicegate.cache import flights
from tests.cache.loaders import AsyncLoader, Loader
from tests.helpers.loops import NEW_LOOPS, RUNNERS, settle
from tests.helpers.threads import Thread, auntil, until


class Failure(BaseException):
    """Neither an `Exception` nor one that ends an event loop."""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(flights, "CHECK_INTERVAL", 0.005)


@pytest.fixture(params=NEW_LOOPS.values(), ids=NEW_LOOPS)
def loop(request):
    loop = request.param()
    yield loop
    loop.close()


def begin(loop, cache, loader):
    """Let the loop begin a load, and stop it."""

    async def leader():
        task = asyncio.create_task(cache.aget_or_load("a", loader))
        await loader.entered.wait()
        return task

    return loop.run_until_complete(leader())


async def own_value(_):
    return "own"


async def load_own(cache):
    return await cache.aget_or_load("a", own_value)


@pytest.mark.parametrize("end", ["close", "stop"])
@pytest.mark.parametrize("follow", ["thread", *RUNNERS])
def test_a_waiter_whose_loading_loop_ends_without_a_word_loads_by_itself(loop, follow, end):
    cache = LoadingCache()

    async def leader():
        loader = AsyncLoader(held=True)
        task = asyncio.create_task(cache.aget_or_load("a", loader))
        await loader.entered.wait()
        if follow == "thread":
            follower = Thread(cache.get_or_load, "a", Loader("own"))
        else:
            follower = Thread(RUNNERS[follow], load_own(cache))
        await asyncio.to_thread(until, lambda: cache.stats().joined == 1)
        return follower, task

    follower, task = loop.run_until_complete(leader())
    if end == "close":
        loop.close()
    assert follower.outcome() == "own"
    assert cache.stats().loads == 1
    del task


async def test_a_load_that_is_cancelled_before_it_begins_is_given_up():
    cache, before = LoadingCache(), asyncio.all_tasks()
    leader = asyncio.create_task(cache.aget_or_load("a", AsyncLoader("never")))
    await asyncio.sleep(0)
    (load,) = asyncio.all_tasks() - before - {leader}
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert await cache.aget_or_load("a", AsyncLoader(1)) == 1


async def test_what_ends_a_load_and_reaches_its_caller_is_not_logged_as_well():
    logged = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: logged.append(what))
    cache = LoadingCache()
    with pytest.raises(Failure):
        await cache.aget_or_load("a", AsyncLoader(Failure()))
    gc.collect()
    assert logged == []


async def test_what_ends_a_load_and_reaches_nobody_is_logged():
    logged = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: logged.append(what))
    cache, loader = LoadingCache(), AsyncLoader(Failure(), held=True)
    leader = asyncio.create_task(cache.aget_or_load("a", loader))
    await loader.entered.wait()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    del leader  # In Python 3.10 its exception keeps the frames in which it waited for the load.
    loader.go_on.set()
    await settle()
    gc.collect()
    assert isinstance(logged[0]["exception"], Failure)


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_loop_is_not_logged_as_well(caplog, ends):
    cache = LoadingCache()
    with pytest.raises(ends):
        asyncio.run(cache.aget_or_load("a", AsyncLoader(ends())))
    gc.collect()
    assert caplog.text == ""
    assert cache.get_or_load("a", Loader(1)) == 1


def test_tasks_that_nobody_keeps_wait_on(loop):
    """As with `ensure_future(…)` and no variable for what it returns."""
    done = []

    async def main():
        pending = []

        async def load(key):
            # Reached by nothing but the load itself, as a request that waits in a weak set.
            future = asyncio.get_running_loop().create_future()
            pending.append(weakref.ref(future))
            return await future

        async def order(cache):
            done.append(await cache.aget_or_load("a", load))

        cache = LoadingCache()
        for _ in range(20):
            asyncio.ensure_future(order(cache))  # noqa: RUF006
        del cache
        await asyncio.sleep(0.01)
        for _ in range(3):
            gc.collect()
        (waiting,) = pending
        waiting().set_result("loaded")
        await auntil(lambda: len(done) == 20)

    loop.run_until_complete(main())
    assert done == ["loaded"] * 20


def test_a_task_that_waits_for_another_loop_is_kept_by_its_own():
    cache, loader = LoadingCache(), Loader("loaded", held=True)
    thread = Thread(cache.get_or_load, "a", loader)
    assert loader.entered.wait(30)
    done = []

    async def order():
        done.append(await cache.aget_or_load("a", AsyncLoader("late")))

    async def main():
        for _ in range(20):
            asyncio.ensure_future(order())  # noqa: RUF006
        await asyncio.to_thread(until, lambda: cache.stats().joined == 20)
        gc.collect()
        loader.go_on.set()
        await auntil(lambda: len(done) == 20)

    asyncio.run(main())
    assert done == ["loaded"] * 20
    assert thread.outcome() == "loaded"


@pytest.mark.parametrize(
    ("make", "closed"),
    # One of uvloop that was not closed is never collected, whatever it ran.
    [(asyncio.new_event_loop, False), *((make, True) for make in NEW_LOOPS.values())],
)
def test_a_loop_that_was_abandoned_is_collected_with_all_who_wait_in_it(make, closed):
    cache, entered, go_on = LoadingCache(), threading.Event(), threading.Event()

    def slow(_):
        entered.set()
        assert go_on.wait(30)
        return 3

    # One of its tasks waits for the loop's own load, and one for that of a thread.
    thread = Thread(cache.get_or_load, "b", slow)
    assert entered.wait(30)

    def abandon():
        loop = make()
        begin(loop, cache, AsyncLoader(held=True))

        async def wait():
            asyncio.ensure_future(cache.aget_or_load("b", own_value))  # noqa: RUF006
            await asyncio.sleep(0)

        loop.run_until_complete(wait())
        if closed:
            loop.close()
        return weakref.ref(loop)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop = abandon()
        gc.collect()
    assert loop() is None
    assert cache.get_or_load("a", Loader(2)) == 2
    go_on.set()
    assert thread.outcome() == 3


FORK = """
    import os, threading, asyncio, warnings
    from sluicegate import LoadingCache

    warnings.simplefilter("ignore", DeprecationWarning)
    now = 0
    cache = LoadingCache(9, 10, lambda: now, refresh_ahead=5)
    entered, go_on = threading.Event(), threading.Event()

    def slow(key):
        entered.set()
        go_on.wait()
        return "parent"

    def run():
        async def load(key):
            return slow(key)

        asyncio.run(cache.aget_or_load("loop", load))

    cache["renewed"] = 1
    threading.Thread(target=cache.get_or_load, args=("thread", slow)).start()
    entered.wait()
    entered.clear()
    threading.Thread(target=run).start()
    entered.wait()
    entered.clear()
    now = 6
    assert cache.get_or_load("renewed", slow) == 1  # under way in the cache's own thread
    entered.wait()
    child = os.fork()
    if child == 0:
        for key in ("thread", "loop"):
            assert cache.get_or_load(key, lambda key: "child") == "child"
        assert cache.get_or_load("renewed", lambda key: "child") == 1
        while cache["renewed"] != "child":
            pass
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    assert cache.get_or_load("thread", slow) == "parent"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_loads_what_its_parent_was_loading():
    code = textwrap.dedent(FORK)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
