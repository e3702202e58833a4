"""`get_or_load` by one caller: what is kept, what is not, and what the statistics count."""

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import Clock, Loader
from tests.helpers.threads import error_of


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
