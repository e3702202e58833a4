"""Keys whose load has failed: what is known of them, and when they are loaded again."""

import pytest

from sluicegate import LoadingCache
from tests.cache.loaders import AsyncLoader, Clock, Loader
from tests.helpers.threads import error_of


def failed(*keys, ttl=100, error_ttl=30, **settings):
    """A cache in which the loads of some keys have failed at 0."""
    clock, error = Clock(), OSError("delisted")
    cache = LoadingCache(10, ttl, clock, error_ttl=error_ttl, **settings)
    assert cache.warm(keys, Loader(error).batch) == dict.fromkeys(keys, error)
    return cache, clock, error


# -- the error ------------------------------------------------------------------------------------


def test_the_error_of_a_key_is_known_as_long_as_it_is_remembered():
    cache, clock, error = failed("a")
    clock.now = 29.9
    assert cache.error("a") is error
    clock.now = 30
    assert cache.error("a") is None


def test_a_key_that_was_not_loaded_has_no_error():
    cache, _, _ = failed("a")
    assert cache.error("b") is None


def test_a_key_with_a_value_has_no_error():
    cache, _, _ = failed("a")
    cache["a"] = 1
    assert cache.error("a") is None


@pytest.mark.parametrize("settings", [{}, {"error_ttl": 30, "error_types": KeyError}])
def test_no_error_is_known_where_none_is_remembered(settings):
    cache = LoadingCache(**settings)
    error_of(cache.get_or_load, "a", Loader(OSError()))
    assert cache.error("a") is None


def test_no_error_is_known_once_all_are_forgotten():
    cache, _, _ = failed("a")
    cache.forget_errors()
    assert cache.error("a") is None


def test_asking_for_an_error_counts_as_nothing():
    cache, _, _ = failed("a")
    cache["b"] = 1
    before = cache.stats()
    assert [cache.error(key) is None for key in "abc"] == [False, True, True]
    assert cache.stats() == before


def test_asking_for_the_error_of_an_unhashable_key_is_a_type_error():
    assert type(error_of(LoadingCache(error_ttl=30).error, [])) is TypeError


# -- loading again --------------------------------------------------------------------------------


def test_what_failed_is_not_warmed_again_while_its_error_is_remembered():
    cache, clock, error = failed("a")
    loader = Loader(1)
    clock.now = 29.9
    assert cache.due("a") == []
    assert cache.warm("a", loader.batch) == {"a": error}
    assert loader.calls == []
    clock.now = 30
    assert cache.due("a") == ["a"]
    assert cache.warm("a", loader.batch) == {}
    assert cache["a"] == 1


def test_what_failed_is_warmed_again_ahead_of_the_end_of_its_error():
    cache, clock, error = failed("a", "b")
    loader = Loader(OSError("still"))
    clock.now = 20
    assert cache.due("ab", error_ahead=10) == []
    assert cache.warm("ab", loader.batch, error_ahead=10) == {"a": error, "b": error}
    clock.now = 20.5
    assert cache.due("ab", error_ahead=10) == ["a", "b"]
    assert cache.warm("ab", loader.batch, error_ahead=10) == dict.fromkeys("ab", loader.value)
    assert loader.calls == [["a", "b"]]
    # The new error has its whole time.
    clock.now = 40
    assert cache.warm("ab", loader.batch, error_ahead=10) == dict.fromkeys("ab", loader.value)
    assert cache.error("a") is loader.value
    assert loader.calls == [["a", "b"]]


def test_ahead_is_for_values_and_error_ahead_for_errors():
    cache, clock, _ = failed("a")
    cache["b"] = 1
    clock.now = 5
    assert cache.due("ab", ahead=1_000) == ["b"]
    assert cache.due("ab", error_ahead=1_000) == ["a"]
    assert cache.due("ab", ahead=1_000, error_ahead=1_000) == ["a", "b"]


def test_a_value_is_kept_whose_renewal_has_failed():
    clock, loader = Clock(), Loader(OSError("down"))
    cache = LoadingCache(10, 100, clock, error_ttl=15)
    cache["a"] = "old"
    clock.now = 80
    assert cache.warm("a", loader.batch, ahead=50) == {"a": loader.value}
    # Not again at once; and since there is a value, nothing is amiss.
    clock.now = 94
    assert cache.due("a", ahead=50) == []
    assert cache.warm("a", loader.batch, ahead=50) == {}
    assert cache["a"] == "old"
    assert len(loader.calls) == 1
    clock.now = 95
    assert cache.warm("a", Loader("new").batch, ahead=50) == {}
    assert cache["a"] == "new"


def test_a_value_whose_renewal_has_failed_is_renewed_ahead_of_the_end_of_the_error():
    clock, loader = Clock(), Loader(OSError("down"))
    cache = LoadingCache(10, 100, clock, error_ttl=15)
    cache["a"] = "old"
    clock.now = 80
    cache.warm("a", loader.batch, ahead=50)
    clock.now = 91
    assert cache.due("a", ahead=50, error_ahead=5) == ["a"]
    # It is its own time that a value must be near the end of.
    assert cache.due("a", ahead=5, error_ahead=5) == []
    cache.warm("a", Loader("new").batch, ahead=50, error_ahead=5)
    assert cache["a"] == "new"


def test_a_loaded_value_ends_a_remembered_error():
    cache, clock, _ = failed("a", ttl=5)
    cache.warm("a", Loader(2).batch, error_ahead=31)
    clock.now = 6
    assert cache.error("a") is None
    assert cache.get_or_load("a", Loader(3)) == 3


def test_where_no_error_is_remembered_error_ahead_changes_nothing():
    cache, loader = LoadingCache(), Loader(OSError())
    cache["b"] = 1
    for calls in (1, 2):
        assert cache.warm("ab", loader.batch, error_ahead=10) == {"a": loader.value}
        assert loader.calls == [["a"]] * calls


async def test_warming_in_an_event_loop_knows_errors_ahead_too():
    cache, clock, error = failed("a")
    loader = AsyncLoader(1)
    clock.now = 25
    assert await cache.awarm("a", loader.batch) == {"a": error}
    assert await cache.awarm("a", loader.batch, error_ahead=5) == {"a": error}
    assert await cache.awarm("a", loader.batch, error_ahead=5.5) == {}
    assert loader.calls == [["a"]]


@pytest.mark.parametrize("error_ahead", ["soon", object()])
def test_a_time_that_is_none_is_a_type_error(error_ahead):
    cache, _, _ = failed("a")
    assert type(error_of(cache.due, "a", error_ahead=error_ahead)) is TypeError
