"""`refresh_ahead`: values that are read near their end are loaded again in the background."""

import asyncio
import threading

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import AsyncLoader, Clock, Later, Loader
from tests.helpers.threads import until


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


def test_who_needs_several_keys_of_a_renewal_that_has_not_begun_runs_it_once():
    cache, clock, later = ahead()
    cache["b"] = "old"
    clock.now = 90
    cache.get_many_or_load(["a", "b"], lambda keys: dict.fromkeys(keys, "new"))
    assert len(later.jobs) == 1
    clock.now = 100
    assert cache.get_many_or_load(["a", "b"], Loader("newer")) == {"a": "new", "b": "new"}


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
