"""Loading before anybody asks."""

from loaders import AsyncLoader, Clock, Loader, error_of
from sluicegate import LoadingCache


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


def test_a_loaded_value_ends_a_remembered_error():
    clock = Clock()
    cache = LoadingCache(10, 5, clock, error_ttl=30)
    error_of(cache.get_or_load, "a", Loader(OSError()))
    cache.warm("a", Loader(2).batch, error_ahead=31)
    clock.now = 6
    assert cache.get_or_load("a", Loader(3)) == 3
