"""Many threads on one cache, and entries that another thread takes away."""

import sys
import threading
from contextlib import suppress

from sluicegate import TTLCache
from tests.cache.comparing import Key


def test_an_item_taken_away_while_it_is_looked_at_is_passed_over():
    """As another thread may do between the iterator's step and the reading of the value."""

    class Thief(TTLCache):
        def __getitem__(self, key):
            if key == "b":
                self.pop(key, None)
            return super().__getitem__(key)

        def pop(self, key, default):
            with suppress(KeyError):
                del self[key]

    for look, expected in ((TTLCache.items, [("a", 1), ("c", 1)]), (TTLCache.values, [1, 1])):
        cache = Thief(3)
        cache.update(dict.fromkeys("abc", 1))
        assert list(look(cache)) == expected


def test_many_threads_may_use_one_cache(cache):
    """Without a lock of their own: no error, no lost room, no crash."""
    kind = type(cache)
    shared = kind(50)
    errors = []
    begin = threading.Barrier(4)

    def work(seed):
        begin.wait()
        try:
            for n in range(3000):
                key = (n * 7 + seed) % 90
                name = Key(key % 7, hash_=key % 5)
                shared[key] = n
                shared[name] = n
                shared.get(key), shared.get(name), key in shared
                shared.pop(key + 1, None)
                shared.setdefault(key + 2, n)
                if n % 50 == 0:
                    len(shared), repr(shared), shared.stats()
                if n % 500 == 0 and kind is TTLCache:
                    list(shared), list(shared.items()), shared.expire()
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(shared) <= 50
    assert shared.currsize == len(shared)
