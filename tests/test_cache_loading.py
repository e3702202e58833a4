"""Loading through the cache: one load per key, whoever asks."""

import asyncio
import contextvars
import copy
import pickle
import signal
import threading
from concurrent.futures import Executor, Future

import pytest

from sluicegate import LoadingCache, NotLoadedError

PATIENCE = 30  # seconds until a test that hangs fails; never waited for otherwise


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Loader:
    """Counts its calls; holds each of them until it is let go."""

    def __init__(self, value="loaded", held=False):
        self.value = value
        self.calls = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    def __call__(self, key):
        self.calls.append(key)
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    def batch(self, keys):
        self(list(keys))
        return dict.fromkeys(keys, self.value)


class Later(Executor):
    """An executor that runs what it was given when it is told to."""

    def __init__(self):
        self.jobs = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.jobs.append((future, fn, args, kwargs))
        return future

    def run(self):
        jobs, self.jobs = self.jobs, []
        for future, fn, args, kwargs in jobs:
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args, **kwargs))


class Thread(threading.Thread):
    """A thread that keeps what its function returned or raised."""

    def __init__(self, target, *args):
        super().__init__(daemon=True)
        self.function, self.arguments = target, args
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.function(*self.arguments)
        except BaseException as error:
            self.error = error

    def outcome(self):
        self.join(PATIENCE)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def until(condition):
    """Wait until other threads have come as far as that."""
    for _ in range(PATIENCE * 1000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never happened")


def error_of(call, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(*args, **kwargs)
    return caught.value


# -- one thread -----------------------------------------------------------------------------------


def test_a_missing_value_is_loaded_and_kept():
    cache, loader = LoadingCache(), Loader(7)
    assert cache.get_or_load("a", loader) == 7
    assert cache.get_or_load("a", loader) == 7
    assert loader.calls == ["a"]
    assert cache["a"] == 7


def test_none_is_a_value():
    cache, loader = LoadingCache(), Loader(None)
    assert cache.get_or_load("a", loader) is None
    assert cache.get_or_load("a", loader) is None
    assert loader.calls == ["a"]


def test_an_exception_that_a_loader_returns_is_a_value():
    cache, value = LoadingCache(), ValueError()
    assert cache.get_or_load("b", lambda _: value) is value


def test_an_expired_value_is_loaded_again():
    clock, loader = Clock(), Loader()
    cache = LoadingCache(10, 300, clock)
    cache.get_or_load("a", loader)
    clock.now = 299.9
    cache.get_or_load("a", loader)
    assert len(loader.calls) == 1
    clock.now = 300
    cache.get_or_load("a", loader)
    assert len(loader.calls) == 2


def test_a_value_too_large_to_keep_is_returned():
    cache = LoadingCache(3, getsizeof=len)
    assert cache.get_or_load("a", lambda _: "long enough") == "long enough"
    assert "a" not in cache


def test_a_cache_with_no_room_and_no_time_still_loads():
    for cache in (LoadingCache(0), LoadingCache(10, 0)):
        assert cache.get_or_load("a", lambda _: 1) == 1
        assert cache.get_many_or_load("ab", lambda keys: dict.fromkeys(keys, 2)) == {"a": 2, "b": 2}


def test_an_error_reaches_the_caller_and_is_not_kept():
    cache, error = LoadingCache(), OSError("no")
    assert error_of(cache.get_or_load, "a", Loader(error)) is error
    assert cache.get_or_load("a", Loader(1)) == 1


def test_an_error_is_remembered_for_its_time_where_asked():
    clock = Clock()
    cache = LoadingCache(10, 300, clock, error_ttl=30)
    loader = Loader(OSError("no"))
    for clock.now in (0, 10, 29.9):
        assert error_of(cache.get_or_load, "a", loader) is loader.value
    assert len(loader.calls) == 1
    clock.now = 30
    assert cache.get_or_load("a", Loader(1)) == 1
    assert cache.stats().error_hits == 2


def test_a_remembered_error_does_not_grow_each_time_it_is_raised():
    cache = LoadingCache(error_ttl=30)
    loader = Loader(OSError("no"))
    error_of(cache.get_or_load, "a", loader)

    def depth():
        traceback, frames = error_of(cache.get_or_load, "a", loader).__traceback__, 0
        while traceback is not None:
            traceback, frames = traceback.tb_next, frames + 1
        return frames

    assert depth() == depth() == depth()


def test_only_the_errors_asked_for_are_remembered():
    cache = LoadingCache(error_ttl=30, error_types=(LookupError,))
    for error, calls in ((OSError(), 2), (KeyError(), 1)):
        loader = Loader(error)
        error_of(cache.get_or_load, repr(error), loader)
        error_of(cache.get_or_load, repr(error), loader)
        assert len(loader.calls) == calls


def test_a_stored_value_counts_more_than_a_remembered_error():
    cache = LoadingCache(error_ttl=30)
    error_of(cache.get_or_load, "a", Loader(OSError()))
    cache["a"] = 1
    assert cache.get_or_load("a", Loader(2)) == 1


def test_forgetting_errors_lets_the_next_read_load():
    cache = LoadingCache(error_ttl=30)
    error_of(cache.get_or_load, "a", Loader(OSError()))
    cache.forget_errors()
    assert cache.get_or_load("a", Loader(2)) == 2


def test_an_unhashable_key_is_a_type_error():
    cache = LoadingCache()
    assert type(error_of(cache.get_or_load, [], Loader())) is TypeError
    assert type(error_of(cache.get_many_or_load, [[]], Loader().batch)) is TypeError


def test_an_interrupted_load_leaves_the_key_free():
    cache = LoadingCache()
    with pytest.raises(KeyboardInterrupt):
        cache.get_or_load("a", Loader(KeyboardInterrupt()))
    assert cache.get_or_load("a", Loader(1)) == 1


# -- many keys ------------------------------------------------------------------------------------


def test_all_missing_keys_are_loaded_in_one_call():
    cache, loader = LoadingCache(), Loader(1)
    cache["b"] = 2
    assert list(cache.get_many_or_load("abcab", loader.batch).items()) == [
        ("a", 1),
        ("b", 2),
        ("c", 1),
    ]
    assert loader.calls == [["a", "c"]]
    assert cache.get_many_or_load("abc", loader.batch) == {"a": 1, "b": 2, "c": 1}
    assert len(loader.calls) == 1


def test_more_keys_than_there_is_room_for_are_all_returned():
    cache, loader = LoadingCache(100), Loader(1)
    assert cache.get_many_or_load(range(120), loader.batch) == dict.fromkeys(range(120), 1)
    assert len(loader.calls) == 1
    assert len(cache) == 100


def test_no_keys_make_no_call():
    loader = Loader()
    assert LoadingCache().get_many_or_load([], loader.batch) == {}
    assert loader.calls == []


def test_a_key_that_the_batch_lacks_has_failed():
    cache = LoadingCache()
    error = error_of(cache.get_many_or_load, "ab", lambda _: {"a": 1})
    assert type(error) is NotLoadedError
    assert isinstance(error, KeyError)
    assert str(error) == "the batch loader returned nothing for 'b'"
    assert cache["a"] == 1


def test_a_key_with_an_exception_in_the_batch_has_failed():
    cache, error = LoadingCache(error_ttl=30), OSError("delisted")
    loads = []

    def batch(keys):
        loads.append(keys)
        return {key: error if key == "b" else 1 for key in keys}

    for _ in range(2):
        result = cache.get_many_or_load("abc", batch, return_exceptions=True)
        assert result == {"a": 1, "b": error, "c": 1}
    assert loads == [["a", "b", "c"]]
    assert error_of(cache.get_or_load, "b", Loader()) is error


def test_a_batch_loader_that_fails_has_failed_for_all_its_keys():
    cache, loader = LoadingCache(error_ttl=30), Loader(OSError("down"))
    cache["a"] = 1
    assert error_of(cache.get_many_or_load, "abc", loader.batch) is loader.value
    result = cache.get_many_or_load("abc", loader.batch, return_exceptions=True)
    assert result == {"a": 1, "b": loader.value, "c": loader.value}
    assert len(loader.calls) == 1


def test_a_batch_loader_must_return_a_mapping():
    error = error_of(LoadingCache().get_many_or_load, "ab", lambda keys: [1, 2])
    assert type(error) is TypeError
    assert "mapping" in str(error)
    assert "list" in str(error)


# -- several threads ------------------------------------------------------------------------------


def test_many_threads_share_one_load():
    cache, loader = LoadingCache(), Loader(object(), held=True)
    threads = [Thread(cache.get_or_load, "a", loader) for _ in range(8)]
    until(lambda: cache.stats().joined == 7)
    loader.go_on.set()
    assert {id(thread.outcome()) for thread in threads} == {id(loader.value)}
    assert loader.calls == ["a"]


def test_an_error_reaches_all_who_waited():
    cache, loader = LoadingCache(), Loader(OSError("down"), held=True)
    threads = [Thread(cache.get_or_load, "a", loader) for _ in range(4)]
    until(lambda: cache.stats().joined == 3)
    loader.go_on.set()
    assert {error_of(thread.outcome) for thread in threads} == {loader.value}
    assert loader.calls == ["a"]


def test_different_keys_are_loaded_at_the_same_time():
    cache, slow = LoadingCache(), Loader(held=True)
    thread = Thread(cache.get_or_load, "a", slow)
    assert slow.entered.wait(PATIENCE)
    assert cache.get_or_load("b", Loader(2)) == 2
    slow.go_on.set()
    assert thread.outcome() == "loaded"


def test_a_batch_loads_only_what_nobody_else_is_loading():
    cache, single, batch = LoadingCache(), Loader("single", held=True), Loader("batch")
    first = Thread(cache.get_or_load, "b", single)
    assert single.entered.wait(PATIENCE)
    second = Thread(cache.get_many_or_load, "abc", batch.batch)
    until(lambda: batch.calls)
    single.go_on.set()
    assert second.outcome() == {"a": "batch", "b": "single", "c": "batch"}
    assert batch.calls == [["a", "c"]]
    first.outcome()


def test_two_batches_that_overlap_do_not_wait_for_each_other_for_ever():
    cache = LoadingCache()
    meet = threading.Barrier(2)

    def batch(keys):
        meet.wait(PATIENCE)
        return dict.fromkeys(keys, 1)

    threads = [
        Thread(cache.get_many_or_load, ["x", "a"], batch),
        Thread(cache.get_many_or_load, ["y", "a"], batch),
    ]
    assert threads[0].outcome() == {"x": 1, "a": 1}
    assert threads[1].outcome() == {"y": 1, "a": 1}
    assert cache.stats().loads == 3


def test_whoever_waited_for_an_interrupted_load_loads_himself():
    cache = LoadingCache()
    interrupted, other = Loader(KeyboardInterrupt(), held=True), Loader(1)
    first = Thread(cache.get_or_load, "a", interrupted)
    assert interrupted.entered.wait(PATIENCE)
    second = Thread(cache.get_or_load, "a", other)
    until(lambda: cache.stats().joined == 1)
    interrupted.go_on.set()
    assert second.outcome() == 1
    with pytest.raises(KeyboardInterrupt):
        first.outcome()


def test_a_waiting_thread_can_be_interrupted():
    cache, loader = LoadingCache(), Loader(held=True)
    thread = Thread(cache.get_or_load, "a", loader)
    assert loader.entered.wait(PATIENCE)
    main = threading.get_ident()

    def interrupt():
        until(lambda: cache.stats().joined == 1)
        signal.pthread_kill(main, signal.SIGINT)

    interrupter = Thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.get_or_load("a", loader)
    interrupter.outcome()
    loader.go_on.set()
    assert thread.outcome() == "loaded"


def test_a_value_stored_while_a_load_is_under_way_stays():
    cache, loader = LoadingCache(), Loader("old", held=True)
    thread = Thread(cache.get_or_load, "a", loader)
    assert loader.entered.wait(PATIENCE)
    cache["a"] = "new"
    loader.go_on.set()
    thread.outcome()
    assert cache["a"] == "new"


# -- loads within loads ---------------------------------------------------------------------------


def test_a_loader_that_asks_for_its_own_key_gets_an_error():
    cache = LoadingCache()
    with pytest.raises(RuntimeError, match="'a'"):
        cache.get_or_load("a", lambda key: cache.get_or_load(key, lambda _: 1))
    assert cache.get_or_load("a", Loader(1)) == 1


def test_a_loader_that_asks_from_a_context_of_its_own_gets_an_error_too():
    cache = LoadingCache()
    aside = contextvars.Context()
    with pytest.raises(RuntimeError, match="asks for 'a' itself"):
        cache.get_or_load("a", lambda key: aside.run(cache.get_or_load, key, Loader()))


def test_a_loader_may_load_another_key():
    cache = LoadingCache()
    assert cache.get_or_load("a", lambda _: cache.get_or_load("b", Loader(2)) + 1) == 3
    assert dict(cache.items()) == {"b": 2, "a": 3}


def test_a_circle_of_loaders_in_one_thread_gets_an_error():
    cache = LoadingCache()

    def load(key):
        return cache.get_or_load({"a": "b", "b": "c", "c": "a"}[key], load)

    with pytest.raises(RuntimeError, match="asks for"):
        cache.get_or_load("a", load)


def test_a_circle_of_loaders_in_two_threads_gets_an_error():
    cache, meet = LoadingCache(), threading.Barrier(2)

    def load(key):
        meet.wait(PATIENCE)
        return cache.get_or_load({"a": "b", "b": "a"}[key], Loader(1))

    threads = [Thread(cache.get_or_load, key, load) for key in "ab"]
    errors = [error_of(thread.outcome) for thread in threads]
    assert all(type(error) is RuntimeError for error in errors)


# -- asyncio --------------------------------------------------------------------------------------


class AsyncLoader:
    def __init__(self, value="loaded", held=False):
        self.value = value
        self.calls = []
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, key):
        self.calls.append(key)
        self.entered.set()
        await asyncio.wait_for(self.go_on.wait(), PATIENCE)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    async def batch(self, keys):
        await self(list(keys))
        return dict.fromkeys(keys, self.value)


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


async def test_an_async_loader_that_asks_for_its_own_key_gets_an_error():
    cache = LoadingCache()

    async def load(key):
        return await cache.aget_or_load(key, load)

    with pytest.raises(RuntimeError, match="'a'"):
        await cache.aget_or_load("a", load)


async def test_a_task_of_the_loader_that_asks_for_its_key_gets_an_error():
    cache = LoadingCache()

    async def load(key):
        return await asyncio.gather(cache.aget_or_load(key, load), asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="'a'"):
        await cache.aget_or_load("a", load)


async def test_a_circle_of_async_loaders_gets_an_error():
    cache, both = LoadingCache(), asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None
    if both is None:
        pytest.skip("needs asyncio.Barrier")

    async def load(key):
        await both.wait()
        return await cache.aget_or_load({"a": "b", "b": "a"}[key], load)

    results = await asyncio.gather(
        *(cache.aget_or_load(key, load) for key in "ab"), return_exceptions=True
    )
    assert {type(result) for result in results} == {RuntimeError}


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


def test_whoever_waits_for_a_loop_that_ends_loads_himself():
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


# -- ahead of time --------------------------------------------------------------------------------


def ahead(**settings):
    clock, later = Clock(), Later()
    cache = LoadingCache(10, 100, clock, refresh_ahead=0.2, executor=later, **settings)
    cache["a"] = "old"
    return cache, clock, later


def test_a_value_near_its_end_is_renewed_while_the_reader_goes_on():
    cache, clock, later = ahead()
    loader = Loader("new")
    clock.now = 80
    assert cache.get_or_load("a", loader) == "old"
    assert later.jobs == []
    clock.now = 80.5
    assert cache.get_or_load("a", loader) == "old"
    assert loader.calls == []
    later.run()
    assert cache.get_or_load("a", loader) == "new"
    clock.now = 160
    assert cache.get_or_load("a", loader) == "new"
    assert loader.calls == ["a"]
    assert cache.stats().refreshes == 1


def test_a_value_is_renewed_once_however_many_read_it():
    cache, clock, later = ahead()
    clock.now = 90
    for _ in range(5):
        cache.get_or_load("a", Loader("new"))
    assert len(later.jobs) == 1


def test_a_value_older_than_its_time_is_never_read():
    cache, clock, _later = ahead()
    clock.now = 90
    assert cache.get_or_load("a", Loader("new")) == "old"
    clock.now = 100
    # The renewal has not begun: who needs the value does not wait for its turn.
    assert cache.get_or_load("a", Loader("newer")) == "new"


def test_a_renewal_that_somebody_else_has_run_is_not_run_again():
    cache, clock, later = ahead()
    loader = Loader("new")
    clock.now = 90
    cache.get_or_load("a", loader)
    clock.now = 100
    cache.get_or_load("a", loader)
    later.run()
    assert loader.calls == ["a"]


def test_a_renewal_that_failed_leaves_the_value_and_is_not_tried_at_once():
    cache, clock, later = ahead()
    loader = Loader(OSError("down"))
    clock.now = 90
    assert cache.get_or_load("a", loader) == "old"
    later.run()
    assert cache.get_or_load("a", loader) == "old"
    assert later.jobs == []
    clock.now = 95
    assert cache.get_or_load("a", loader) == "old"
    later.run()
    assert len(loader.calls) == 2
    assert cache.stats().errors == 2


def test_many_values_near_their_end_are_renewed_in_one_call():
    cache, clock, later = ahead()
    cache["b"] = "old"
    loader = Loader("new")
    clock.now = 90
    cache["c"] = "young"
    assert cache.get_many_or_load("abc", loader.batch) == {"a": "old", "b": "old", "c": "young"}
    later.run()
    assert loader.calls == [["a", "b"]]
    assert cache.get_many_or_load("ab", loader.batch) == {"a": "new", "b": "new"}


def test_a_cancelled_renewal_lets_the_next_reader_load():
    cache, clock, later = ahead()
    clock.now = 90
    cache.get_or_load("a", Loader("new"))
    later.jobs[0][0].cancel()
    clock.now = 100
    assert cache.get_or_load("a", Loader("newer")) == "newer"


def test_an_interrupted_renewal_lets_the_next_reader_load():
    cache, clock, later = ahead()
    clock.now = 90
    cache.get_or_load("a", Loader(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        later.run()
    clock.now = 100
    assert cache.get_or_load("a", Loader("newer")) == "newer"


def test_a_loaded_value_ends_a_remembered_error():
    clock = Clock()
    cache = LoadingCache(10, 5, clock, error_ttl=30)
    error_of(cache.get_or_load, "a", Loader(OSError()))
    cache.warm("a", Loader(2).batch, error_ahead=31)
    clock.now = 6
    assert cache.get_or_load("a", Loader(3)) == 3


def test_an_executor_that_is_gone_does_not_fail_the_reader():
    class Gone(Later):
        def submit(self, *_args, **_kwargs):
            raise RuntimeError("cannot schedule new futures after shutdown")

    clock = Clock()
    cache = LoadingCache(10, 100, clock, refresh_ahead=20, executor=Gone())
    cache["a"] = "old"
    clock.now = 90
    assert cache.get_or_load("a", Loader()) == "old"
    clock.now = 100
    assert cache.get_or_load("a", Loader("new")) == "new"


def test_the_cache_has_a_thread_of_its_own_to_renew_in():
    clock = Clock()
    cache = LoadingCache(10, 100, clock, refresh_ahead=20)
    names = []
    cache["a"] = "old"
    clock.now = 90

    def load(_):
        names.append(threading.current_thread().name)
        return "new"

    assert cache.get_or_load("a", load) == "old"
    until(lambda: cache["a"] == "new")
    cache.close()
    assert names[0].startswith("sluicegate-refresh")


async def test_a_task_renews_in_the_background_of_its_loop():
    clock = Clock()
    cache = LoadingCache(10, 100, clock, refresh_ahead=0.2)
    loader = AsyncLoader("new")
    cache["a"] = "old"
    clock.now = 90
    assert await cache.aget_or_load("a", loader) == "old"
    assert await cache.aget_many_or_load("a", loader.batch) == {"a": "old"}
    for _ in range(10):
        await asyncio.sleep(0)
    assert loader.calls == ["a"]
    assert await cache.aget_or_load("a", loader) == "new"


@pytest.mark.parametrize("value", [100, 101, -1, -0.1])
def test_a_refresh_that_would_never_or_always_happen_is_refused(value):
    with pytest.raises(ValueError, match="refresh_ahead"):
        LoadingCache(10, 100, refresh_ahead=value)


# -- warming --------------------------------------------------------------------------------------


def test_warming_loads_what_is_missing_and_counts_no_reads():
    cache, loader = LoadingCache(), Loader(1)
    cache["a"] = 0
    assert cache.warm("abc", loader.batch) == {}
    assert loader.calls == [["b", "c"]]
    assert (cache.stats().hits, cache.stats().misses) == (0, 0)
    assert dict(cache.items()) == {"a": 0, "b": 1, "c": 1}


def test_warming_returns_the_errors():
    cache, error = LoadingCache(error_ttl=30), OSError("delisted")
    calls = []

    def batch(keys):
        calls.append(keys)
        return {"a": 1, "b": error}

    assert cache.warm("ab", batch) == {"b": error}
    assert cache.warm("ab", batch) == {"b": error}
    assert calls == [["a", "b"]]


def test_warming_ahead_renews_what_is_near_its_end():
    clock, loader = Clock(), Loader("new")
    cache = LoadingCache(10, 100, clock)
    cache["a"] = "old"
    clock.now = 50
    cache["b"] = "old"
    clock.now = 90
    cache.warm("ab", loader.batch, ahead=20)
    assert loader.calls == [["a"]]
    clock.now = 110
    assert cache["a"] == "new"


async def test_warming_in_an_event_loop():
    cache, loader = LoadingCache(), AsyncLoader(1)
    assert await cache.awarm("ab", loader.batch) == {}
    assert dict(cache.items()) == {"a": 1, "b": 1}


# -- statistics, copies ---------------------------------------------------------------------------


def test_statistics_tell_what_happened():
    clock = Clock()
    cache = LoadingCache(2, 100, clock)
    cache.get_or_load("a", Loader())
    cache.get_or_load("a", Loader())
    cache.get_many_or_load("abc", Loader().batch)
    error_of(cache.get_or_load, "d", Loader(OSError()))
    clock.now = 200
    len(cache)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.hit_rate) == (2, 4, 2 / 6)
    assert (stats.loads, stats.calls, stats.errors) == (4, 3, 1)
    assert (stats.evictions, stats.expirations) == (1, 2)
    assert stats.load_time >= stats.longest_load > 0
    assert repr(stats).startswith("CacheStats(hits=2, misses=4, hit_rate=0.333,")


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]
)
def test_a_copy_loads_for_itself(duplicate):
    cache = LoadingCache(10, 100, error_ttl=30, refresh_ahead=10)
    cache["a"] = 1
    error_of(cache.get_or_load, "b", Loader(ZeroDivisionError()))
    copied = duplicate(cache)
    assert type(copied) is LoadingCache
    assert copied.get_or_load("a", Loader(2)) == 1
    assert copied.get_or_load("b", Loader(2)) == 2
    error_of(copied.get_or_load, "c", Loader(OSError()))
    assert cache.get_or_load("c", Loader(3)) == 3


def test_an_error_that_cannot_be_pickled_does_not_matter():
    class LocalError(Exception):
        pass

    cache = LoadingCache(error_ttl=30)
    error_of(cache.get_or_load, "b", Loader(LocalError()))
    assert pickle.loads(pickle.dumps(cache)).get_or_load("b", Loader(2)) == 2
