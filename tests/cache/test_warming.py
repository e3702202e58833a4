"""`warm` and `due`: loading before a key is read."""

from datetime import datetime, timedelta

from sluicegate import LoadingCache
from tests.cache.loaders import AsyncLoader, Clock, Loader


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


def test_what_is_due_is_what_warming_would_load():
    clock, loader = Clock(), Loader("new")
    cache = LoadingCache(10, 100, clock)
    cache["a"] = cache["b"] = "old"
    clock.now = 50
    cache["c"] = "old"
    clock.now = 80
    assert cache.due("dcbad") == ["d"]
    assert cache.due("dcbad", ahead=20) == ["d"]
    assert cache.due("dcbad", ahead=20.5) == ["d", "b", "a"]
    assert cache.due([]) == []
    cache.warm("dcbad", loader.batch, ahead=20.5)
    assert loader.calls == [["d", "b", "a"]]
    assert cache.due("dcba", ahead=20.5) == []


def test_what_is_due_is_told_without_a_trace():
    cache = LoadingCache(2)
    cache["a"] = cache["b"] = 1
    before = cache.stats()
    assert cache.due("abc") == ["c"]
    assert cache.stats() == before
    cache["c"] = 1
    # "a" has not become recently used.
    assert list(cache) == ["b", "c"]


def test_times_may_be_of_any_kind_that_the_timer_tells():
    now = datetime(2026, 1, 1)
    cache = LoadingCache(10, timedelta(minutes=5), lambda: now, error_ttl=timedelta(minutes=1))
    cache.warm("a", lambda _: {"a": OSError()})
    cache["b"] = 1
    now += timedelta(seconds=50)
    assert cache.due("ab", ahead=timedelta(minutes=4)) == []
    assert cache.due("ab", ahead=timedelta(minutes=4.5)) == ["b"]
    assert cache.due("ab", error_ahead=timedelta(seconds=11)) == ["a"]
