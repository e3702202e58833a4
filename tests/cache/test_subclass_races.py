"""Subclasses whose entries another thread takes away between two steps of one operation."""

import sys
import threading

import pytest

from sluicegate import LRUCache, TTLCache


@pytest.fixture(params=[TTLCache, LRUCache])
def kind(request):
    return request.param


def robbed(kind, *methods):
    """A cache that loses the key in question as one of the methods begins, as if to a thread."""

    class Robbed(kind):
        def __init__(self, maxsize):
            super().__init__(maxsize)
            self.robberies = 0

        def rob(self, key):
            if self.robberies:
                self.robberies -= 1
                kind.__delitem__(self, key)

    def own(name):
        def method(self, key):
            self.rob(key)
            return getattr(kind, name)(self, key)

        return method

    for name in methods:
        setattr(Robbed, name, own(name))
    return Robbed


def test_an_eviction_goes_on_with_the_next_entry(kind):
    cache = robbed(kind, "__delitem__")(3)
    cache.update(dict.fromkeys("abc", 1))
    cache.robberies = 1
    assert cache.popitem() == ("b", 1)
    cache.update(dict.fromkeys("abc", 1))
    cache.robberies = 1
    cache["d"] = 1
    assert list(cache) == ["c", "d"]


def test_an_eviction_from_a_cache_that_was_emptied_meanwhile_is_none(kind):
    class Emptied(kind):
        def popitem(self):
            self.clear()  # as if by another thread
            return super().popitem()

    cache = Emptied(2)
    cache.update(dict.fromkeys("abc", 1))
    assert list(cache) == ["c"]
    with pytest.raises(KeyError, match="Emptied is empty"):
        cache.popitem()


@pytest.mark.parametrize("method", ["__getitem__", "__delitem__"])
def test_a_key_that_goes_while_it_is_popped_is_missing(kind, method):
    cache = robbed(kind, method)(3)
    for default in (None, 5):
        cache["a"], cache.robberies = 1, 1
        assert cache.pop("a", default) is default
    cache["a"], cache.robberies = 1, 1
    with pytest.raises(KeyError):
        cache.pop("a")
    cache["a"] = 1
    assert cache.pop("a") == 1


def test_a_key_that_goes_while_it_is_read_is_missing(kind):
    cache = robbed(kind, "__getitem__")(3)
    cache["a"], cache.robberies = 1, 1
    assert cache.get("a", "default") == "default"
    cache["a"], cache.robberies = 1, 1
    assert cache.setdefault("a", 7) == 7
    assert cache["a"] == 7


def test_an_error_that_the_subclass_made_of_ours_is_understood(kind):
    class Renaming(robbed(kind)):
        def __delitem__(self, key):
            try:
                self.rob(key)
                super().__delitem__(key)
            except KeyError:
                raise KeyError(f"no {key}") from None

    cache = Renaming(3)
    cache["a"], cache.robberies = 1, 1
    assert cache.pop("a", None) is None


@pytest.mark.parametrize("operation", ["pop", "popitem", "set"])
def test_a_key_error_of_the_subclass_itself_comes_through(kind, operation):
    class Guarded(kind):
        def __delitem__(self, key):
            raise KeyError(f"{key} must stay")

    cache = Guarded(1)
    cache["a"] = 1
    use = {
        "pop": lambda: cache.pop("a", None),
        "popitem": cache.popitem,
        "set": lambda: cache.__setitem__("b", 1),
    }
    with pytest.raises(KeyError, match="a must stay"):
        use[operation]()
    assert list(cache) == ["a"]


def test_one_that_deletes_another_key_than_it_is_told_is_told_so(kind):
    class Astray(kind):
        def __delitem__(self, key):
            super().__delitem__(key.upper())

    cache = Astray(1)
    cache["a"] = 1
    with pytest.raises(KeyError, match="A"):
        cache["b"] = 1


def test_threads_may_share_a_subclass(kind):
    class Own(kind):
        def __delitem__(self, key):
            super().__delitem__(key)

        def popitem(self):
            return super().popitem()

    cache, errors = Own(3), []

    def work(seed):
        try:
            for n in range(3000):
                cache[(n * seed) % 7] = n
                cache.pop((n + seed) % 7, None)
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in (2, 3, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
