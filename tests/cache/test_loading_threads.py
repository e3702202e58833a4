"""One load for each key, however many threads ask."""

import signal
import threading

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import Loader
from tests.helpers.platforms import needs_unix
from tests.helpers.threads import PATIENCE, Thread, error_of, until


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


def test_a_waiter_of_an_interrupted_load_loads_by_itself():
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


@needs_unix
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
