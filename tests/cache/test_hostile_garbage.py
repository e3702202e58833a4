"""Keys and values that use the cache when they die; caches in a circle; references."""

import gc
import sys
import weakref

import sluicegate
from sluicegate import LRUCache, TTLCache


class Undead:
    """A value that uses the cache when it dies."""

    def __init__(self, cache, died):
        self.cache, self.died = cache, died

    def __del__(self):
        self.died.append(len(self.cache))
        self.cache["from the grave"] = 1


def test_a_dying_value_may_use_the_cache(cache):
    died = []
    remove = [
        lambda: cache.__setitem__("a", 1),
        lambda: cache.__delitem__("a"),
        lambda: cache.pop("a") and None,
        lambda: cache.popitem() and None,
        lambda: cache.clear(),
        lambda: [cache.__setitem__(n, n) for n in range(3)],
    ]
    for action in remove:
        cache.clear()
        cache["a"] = Undead(cache, died)
        action()
    assert len(died) == len(remove)


def test_a_dying_key_may_use_the_cache(cache):
    died = []

    class UndeadKey(Undead):
        def __eq__(self, other):
            return isinstance(other, UndeadKey)

        def __hash__(self):
            return 1

    cache[UndeadKey(cache, died)] = 1
    cache[UndeadKey(cache, died)] = 2  # the new key is not needed
    assert len(died) == 1
    cache.clear()
    assert len(died) == 2


def test_an_expiring_value_may_use_the_cache():
    now, died = [0], []
    cache = TTLCache(3, 1, lambda: now[0])
    cache["a"] = Undead(cache, died)
    now[0] = 5
    cache["b"] = 1
    assert len(died) == 1
    assert "from the grave" in cache


def test_a_cache_in_a_circle_is_collected(cache):
    class Node:
        pass

    for attach in (
        lambda c, n: c.__setitem__("a", n),
        lambda c, n: setattr(c, "node", n),
        lambda c, n: setattr(c, "getsizeof", lambda _: n),
    ):
        own = type(cache)(3)
        node = Node()
        node.cache = own
        attach(own, node)
        dead = weakref.ref(own)
        del own, node
        gc.collect()
        assert dead() is None


def test_garbage_may_be_collected_while_a_cache_is_made():
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for kind in (TTLCache, LRUCache, sluicegate.LoadingCache):
            caches = [kind(2) for _ in range(200)]
            for cache in caches:
                cache["a"] = cache
                cache.other = caches
                list(cache), repr(cache), cache.stats()
    finally:
        gc.set_threshold(*threshold)


def test_references_are_neither_lost_nor_kept(cache):
    key, value = object(), object()
    before = sys.getrefcount(key), sys.getrefcount(value)
    for _ in range(50):
        cache[key] = value
        cache[key] = value
        cache.get(key), cache[key], key in cache, cache.setdefault(key, value)
        list(cache), list(cache.items()), repr(cache), cache.pop(key)
        cache[key] = value
        cache.popitem()
        cache[key] = value
        del cache[key]
    assert (sys.getrefcount(key), sys.getrefcount(value)) == before
