"""What our caches do without arguments, and that cachetools takes them for its own."""

import time

import cachetools
import cachetools.keys
import pytest

import sluicegate


def test_our_defaults():
    assert (sluicegate.TTLCache().maxsize, sluicegate.TTLCache().ttl) == (100, 300)
    assert sluicegate.LRUCache().maxsize == 100


def test_the_default_clock_tells_monotonic_time():
    cache = sluicegate.TTLCache()
    before = time.monotonic()
    now = cache.timer()
    assert before - 0.001 <= now <= time.monotonic() + 0.001
    assert cache.timer.__name__ == "monotonic"


def test_on_the_default_clock_too_a_set_takes_out_what_is_over():
    cache = sluicegate.TTLCache(3, 0)
    cache["a"] = 1
    cache["b"] = 1
    assert cache.stats().expirations == 1
    assert cache.get("b") is None
    with pytest.raises(KeyError):
        cache["b"]
    assert cache.stats().misses == 2


def test_our_caches_are_known_to_cachetools():
    assert isinstance(sluicegate.TTLCache(), cachetools.TTLCache)
    assert isinstance(sluicegate.LRUCache(), cachetools.LRUCache)
    assert not isinstance(sluicegate.LRUCache(), cachetools.TTLCache)
