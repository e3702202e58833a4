"""`LRUCache` behaves as that of cachetools: the same tests for both."""

import cachetools
import cachetools.keys
import pytest

import sluicegate
from tests.cache.cachetools_behaviour import Behaviour


@pytest.mark.parametrize("kind", [cachetools.LRUCache, sluicegate.LRUCache])
class TestLRU(Behaviour):
    def test_iteration_is_in_the_order_in_which_the_keys_came(self, kind):
        cache = kind(3)
        cache["a"], cache["b"], cache["c"] = 1, 2, 3
        cache["a"] = 4
        cache["b"]
        assert list(cache) == ["a", "b", "c"]

    def test_keys_must_not_come_or_go_during_iteration(self, kind):
        cache = kind(3)
        cache["a"], cache["b"] = 1, 2
        keys = iter(cache)
        del cache[next(keys)]
        with pytest.raises(RuntimeError, match="changed"):
            next(keys)
        for key in cache:
            cache[key] = 3
