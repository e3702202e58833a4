"""A cache whose maximum size grows while it is used."""

import copy
import pickle

import pytest

from sluicegate import LoadingCache, LRUCache, TTLCache
from tests.cache.loaders import Clock

ALL = pytest.mark.parametrize("make", [TTLCache, LRUCache, LoadingCache])


@ALL
def test_a_cache_that_has_grown_keeps_what_it_has_and_takes_more(make):
    cache = make(2)
    cache[1] = cache[2] = "before"
    cache._grow(4)
    cache[3] = cache[4] = "after"
    assert list(cache) == [1, 2, 3, 4]
    assert (cache.maxsize, cache.currsize) == (4, 4)
    cache[5] = "after"
    assert list(cache) == [2, 3, 4, 5]


@ALL
@pytest.mark.parametrize("room", [-1, 0, 2, 3, 3.0])
def test_room_is_never_taken_away(make, room):
    cache = make(3)
    cache.update(dict.fromkeys(range(3)))
    cache._grow(room)
    assert (cache.maxsize, type(cache.maxsize)) == (3, int)
    assert list(cache) == [0, 1, 2]


@ALL
def test_room_is_for_sizes(make):
    cache = make(2, getsizeof=len)
    with pytest.raises(ValueError, match="too large"):
        cache["a"] = "long"
    cache._grow(4.5)
    cache["a"] = "long"
    assert (cache.maxsize, cache.currsize) == (4.5, 4)


@ALL
@pytest.mark.parametrize("room", [None, "4", [4]])
def test_room_that_is_no_number_is_refused(make, room):
    cache = make(3)
    with pytest.raises(TypeError, match="maxsize"):
        cache._grow(room)
    assert cache.maxsize == 3


@ALL
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))]
)
def test_a_copy_has_room_for_as_much_and_grows_alone(make, duplicate):
    cache = make(1)
    cache._grow(3)
    copied = duplicate(cache)
    copied._grow(5)
    copied.update(dict.fromkeys(range(5)))
    assert (copied.maxsize, len(copied)) == (5, 5)
    assert (cache.maxsize, len(cache)) == (3, 0)


def test_growing_makes_nothing_young_again():
    clock = Clock()
    cache = TTLCache(1, 10, clock)
    cache["a"] = 1
    clock.now = 6
    cache._grow(2)
    clock.now = 10
    assert cache.get("a") is None
