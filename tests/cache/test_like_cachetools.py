"""What a user of cachetools relies on: the same tests against cachetools' caches and ours."""

import copy
import math
import pickle
import threading
import time
from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView
from datetime import datetime, timedelta

import cachetools
import cachetools.keys
import pytest

import sluicegate


class Clock:
    def __init__(self, now=0):
        self.now = now

    def __call__(self):
        return self.now

    def tick(self, by=1):
        self.now += by


class TheirTTL(cachetools.TTLCache):
    """With a default timer of its own, as Freqtrade's."""

    def __init__(self, maxsize, ttl=math.inf, timer=time.time, getsizeof=None):
        super().__init__(maxsize=maxsize, ttl=ttl, timer=timer, getsizeof=getsizeof)


class OurTTL(sluicegate.TTLCache):
    def __init__(self, maxsize, ttl=math.inf, timer=time.time, getsizeof=None):
        super().__init__(maxsize=maxsize, ttl=ttl, timer=timer, getsizeof=getsizeof)


class Sum:
    """A size that can be pickled."""

    def __call__(self, value):
        return value


class Behaviour:
    """What holds of every cache."""

    def test_it_is_a_mutable_mapping(self, kind):
        cache = kind(2)
        assert isinstance(cache, MutableMapping)
        assert isinstance(cache, Mapping)
        cache["a"] = 1
        views = cache.keys(), cache.values(), cache.items()
        for view, base in zip(views, (KeysView, ValuesView, ItemsView), strict=True):
            assert isinstance(view, base)
        assert [list(view) for view in views] == [["a"], [1], [("a", 1)]]
        assert cache == {"a": 1}
        assert cache == {"a": 1}
        assert cache != {"a": 2}
        assert cache != 1
        match cache:
            case {"a": value}:
                assert value == 1
            case _:
                pytest.fail("no match")

    def test_it_cannot_be_hashed_or_reversed(self, kind):
        with pytest.raises(TypeError):
            hash(kind(1))
        with pytest.raises(TypeError):
            reversed(kind(1))

    def test_a_negative_size_is_refused(self, kind):
        for size in (-1, -math.inf, -0.5):
            with pytest.raises(ValueError, match="maxsize must be non-negative"):
                kind(size)

    def test_nothing_fits_into_no_room(self, kind):
        for size in (0, 0.5):
            cache = kind(size)
            with pytest.raises(ValueError, match="value too large"):
                cache["a"] = 1
            assert (len(cache), cache.currsize, cache.maxsize) == (0, 0, size)

    def test_infinite_room_never_ends(self, kind):
        cache = kind(math.inf)
        cache.update((n, n) for n in range(500))
        assert (len(cache), cache.currsize, cache.maxsize) == (500, 500, math.inf)

    def test_the_entry_used_longest_ago_goes(self, kind):
        cache = kind(2)
        cache["a"], cache["b"] = 1, 2
        assert cache["a"] == 1
        cache["c"] = 3
        assert set(cache) == {"a", "c"}
        assert cache.get("a") == 1
        cache["d"] = 4
        assert set(cache) == {"a", "d"}
        cache["a"] = 5
        cache["e"] = 6
        assert set(cache) == {"a", "e"}

    def test_looking_whether_a_key_is_there_is_no_use(self, kind):
        cache = kind(2)
        cache["a"], cache["b"] = 1, 2
        assert "a" in cache
        cache["c"] = 3
        assert set(cache) == {"b", "c"}

    def test_missing_keys(self, kind):
        cache = kind(2)
        for key in ("a", ("a", 1), None, ()):
            for use in (cache.__getitem__, cache.__delitem__, cache.pop):
                with pytest.raises(KeyError) as caught:
                    use(key)
                assert caught.value.args == (key,)
            assert cache.get(key) is None
            assert cache.get(key, default=1) == 1
            assert cache.pop(key, default=None) is None

    def test_an_empty_cache_has_no_item_to_pop(self, kind):
        with pytest.raises(KeyError, match="is empty") as caught:
            kind(2).popitem()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_missing_is_called_for_brackets_only(self, kind):
        class Default(kind):
            def __missing__(self, key):
                self[key] = value = f"default {key}"
                return value

        cache = Default(2)
        assert cache.get("a") is None
        assert cache.pop("a", 1) == 1
        assert "a" not in cache
        assert cache.setdefault("b", 2) == 2
        assert cache["a"] == "default a"
        assert dict(cache.items()) == {"b": 2, "a": "default a"}

    def test_missing_need_not_store(self, kind):
        class Default(kind):
            def __missing__(self, key):
                return key

        cache = Default(2)
        assert cache["a"] == "a"
        assert len(cache) == 0

    def test_popitem_tells_a_subclass_what_is_evicted(self, kind):
        class Noting(kind):
            def popitem(self):
                item = super().popitem()
                evicted.append(item)
                return item

        evicted = []
        cache = Noting(2)
        cache.update({"a": 1, "b": 2, "c": 3})
        assert evicted == [("a", 1)]

    def test_sizes_from_a_function_or_a_subclass(self, kind):
        class Sized(kind):
            @staticmethod
            def getsizeof(value):
                return value

        for cache in (kind(3, getsizeof=lambda value: value), Sized(3)):
            assert cache.getsizeof(2) == 2
            cache["a"], cache["b"] = 1, 2
            assert cache.currsize == 3
            cache["a"] = 2
            assert dict(cache.items()) == {"a": 2}
            assert cache.currsize == 2
            for key in ("a", "z"):
                with pytest.raises(ValueError, match="value too large"):
                    cache[key] = 4
            with pytest.raises(ValueError, match="value size must be non-negative"):
                cache["z"] = -1
            assert dict(cache.items()) == {"a": 2}
            del cache["a"]
            assert cache.currsize == 0
        assert kind(3).getsizeof("anything") == 1

    def test_a_growing_value_takes_only_what_it_lacks(self, kind):
        cache = kind(10, getsizeof=Sum())
        cache["a"], cache["b"] = 3, 4
        cache["b"] = 7
        assert (dict(cache.items()), cache.currsize) == ({"a": 3, "b": 7}, 10)
        cache["b"] = 8
        assert (dict(cache.items()), cache.currsize) == ({"b": 8}, 8)

    def test_clearing(self, kind):
        cache = kind(2)
        cache["a"], cache["b"] = 1, 2
        cache.clear()
        assert (len(cache), cache.currsize, list(cache)) == (0, 0, [])
        cache["c"], cache["d"], cache["e"] = 3, 4, 5
        assert set(cache) == {"d", "e"}

    def test_repr(self, kind):
        cache = kind(2)
        assert repr(cache) == f"{kind.__name__}({{}}, maxsize=2, currsize=0)"
        cache["a"], cache[1] = "x", cache
        inner = f"{kind.__name__}({{...}}, maxsize=2, currsize=2)"
        assert repr(cache) == f"{kind.__name__}({{'a': 'x', 1: {inner}}}, maxsize=2, currsize=2)"

    def test_attributes_belong_to_the_instance(self, kind):
        cache = kind(2)
        cache.lock = lock = threading.Lock()
        assert cache.lock is lock

    def test_a_copy_has_the_same_entries_and_its_own_future(self, kind):
        source = kind(2)
        source.tag = ["shared"]
        source["a"], source["b"] = [1], [2]
        source["a"]
        copied = copy.copy(source)
        assert type(copied) is kind
        assert copied == source
        assert copied.tag is source.tag
        assert copied["a"] is source["a"]
        copied["c"] = [3]
        assert set(copied) == {"a", "c"}
        assert set(source) == {"a", "b"}

    def test_a_subclass_is_copied_without_calling_its_init(self, kind):
        class Odd(kind):
            def __init__(self, a, b, *, c):
                super().__init__(2)
                self.made = (a, b, c)

        source = Odd(1, 2, c=3)
        source["a"] = 1
        assert copy.copy(source).made == copy.deepcopy(source).made == (1, 2, 3)
        assert copy.deepcopy(source) == source

    def test_a_deep_copy_shares_nothing(self, kind):
        source = kind(2)
        source["a"] = [1]
        copied = copy.deepcopy(source)
        assert copied == source
        assert copied["a"] is not source["a"]

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickling(self, kind, protocol):
        source = kind(3, getsizeof=Sum())
        source.tag = "kept"
        source["a"], source["b"] = 1, 2
        loaded = pickle.loads(pickle.dumps(source, protocol))
        assert type(loaded) is kind
        assert loaded == source
        assert (loaded.tag, loaded.maxsize, loaded.currsize) == ("kept", 3, 3)
        assert loaded["a"] == 1
        loaded["c"] = 2
        assert dict(loaded.items()) == {"a": 1, "c": 2}

    def test_many_entries_are_copied_without_recursion(self, kind):
        source = kind(5000)
        source.update((n, n) for n in range(5000))
        for copied in (copy.deepcopy(source), pickle.loads(pickle.dumps(source))):
            assert list(copied) == list(source)

    def test_type_arguments(self, kind):
        assert kind[str, int].__origin__ is kind

    @pytest.mark.parametrize(
        "guard", [{}, {"lock": 1}, {"condition": 1}, {"lock": 1, "condition": 1}]
    )
    def test_it_serves_cachetools_cached(self, kind, guard):
        lock = threading.Lock()
        guards = {"lock": lock, "condition": threading.Condition(lock)}
        calls = []

        @cachetools.cached(kind(2), info=True, **{name: guards[name] for name in guard})
        def double(n, unit=""):
            calls.append(n)
            return n * 2

        assert [double(1), double(1), double(2, unit="s"), double(3), double(1)] == [2, 2, 4, 6, 2]
        assert calls == [1, 2, 3, 1]
        assert double.cache_info() == (1, 4, 2, 2)
        double.cache_clear()
        assert double.cache_info() == (0, 0, 2, 0)

    def test_it_serves_cachetools_cachedmethod(self, kind):
        class Doubler:
            def __init__(self):
                self.cache = kind(2)
                self.calls = 0

            @cachetools.cachedmethod(lambda self: self.cache)
            def double(self, n):
                self.calls += 1
                return n * 2

        doubler = Doubler()
        assert [doubler.double(1), doubler.double(1)] == [2, 2]
        assert doubler.calls == 1


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


@pytest.mark.parametrize("kind", [cachetools.TTLCache, sluicegate.TTLCache, TheirTTL, OurTTL])
class TestTTL(Behaviour):
    @pytest.fixture(autouse=True)
    def with_a_ttl(self, kind, monkeypatch):
        """The plain classes need a TTL."""
        if kind is cachetools.TTLCache:
            monkeypatch.setattr(
                kind, "__init__", lambda s, m=100, ttl=300, *a, **k: their_init(s, m, ttl, *a, **k)
            )

    def test_an_entry_lasts_for_its_time(self, kind):
        clock = Clock()
        cache = kind(3, 2, clock)
        cache["a"] = 1
        clock.tick()
        cache["b"] = 2
        assert (cache["a"], len(cache), list(cache)) == (1, 2, ["a", "b"])
        clock.tick()
        assert "a" not in cache
        assert cache.get("a") is None
        assert (len(cache), cache.currsize, list(cache)) == (1, 1, ["b"])
        for use in (cache.__getitem__, cache.__delitem__, cache.pop):
            with pytest.raises(KeyError):
                use("a")

    def test_storing_again_makes_an_entry_young(self, kind):
        clock = Clock()
        cache = kind(3, 2, clock)
        cache["a"] = 1
        clock.tick()
        cache["a"] = 1
        clock.tick()
        assert "a" in cache

    def test_reading_does_not_make_an_entry_young(self, kind):
        clock = Clock()
        cache = kind(3, 2, clock)
        cache["a"] = 1
        clock.tick()
        assert cache["a"] == 1
        clock.tick()
        assert "a" not in cache

    def test_expiring_returns_what_has_expired(self, kind):
        clock = Clock()
        cache = kind(3, 3, clock)
        for key in "abc":
            cache[key] = key.upper()
            clock.tick()
        assert list(cache.expire()) == [("a", "A")]
        assert list(cache.expire(4)) == [("b", "B")]
        assert list(cache.expire(time=5)) == [("c", "C")]
        assert list(cache.expire()) == []

    def test_expire_tells_a_subclass_what_expires(self, kind):
        class Noting(kind):
            def expire(self, time=None):
                items = super().expire(time)
                expired.extend(items)
                return items

        clock, expired = Clock(), []
        cache = Noting(3, 1, clock)
        cache["a"] = 1
        clock.tick()
        cache["b"] = 2
        assert expired == [("a", 1)]

    def test_time_is_held_still_for_as_long_as_asked(self, kind):
        clock = Clock()
        cache = kind(3, 2, clock)
        cache["a"] = 1
        with cache.timer as outer:
            clock.tick(10)
            with cache.timer as inner:
                assert outer == inner == cache.timer() == 0
                assert cache["a"] == 1
            assert "a" in cache
        assert cache.timer() == 10
        assert "a" not in cache

    def test_time_is_held_still_for_the_body_of_a_loop(self, kind):
        clock = Clock()
        cache = kind(3, 2, clock)
        cache["a"] = cache["b"] = 1
        for key in cache:
            clock.tick(5)
            assert cache[key] == 1
        assert list(cache) == []

    def test_keys_may_come_and_go_during_iteration(self, kind):
        cache = kind(9, 10, Clock())
        cache.update(dict.fromkeys("abc"))
        assert [cache.pop(key) and key for key in cache] == [None, None, None]
        cache.update(dict.fromkeys("abc"))
        seen = []
        for key in cache:
            seen.append(key)
            if key == "a":
                cache["d"] = 1
        assert seen == ["a", "b", "c"]  # those that were there at the first step

    def test_a_key_that_went_and_came_again_is_met_during_iteration(self, kind):
        cache = kind(9, 10, Clock())
        cache.update(dict.fromkeys("abcd"))
        keys = iter(cache)
        assert next(keys) == "a"
        del cache["b"], cache["c"]
        cache["x"] = cache["b"] = 1
        assert list(keys) == ["b", "d"]

    def test_the_timer_has_the_attributes_of_the_function(self, kind):
        clock = Clock()
        timer = kind(3, 2, clock).timer
        assert timer.now == 0
        timer.tick()
        assert (timer.now, timer()) == (1, 1)
        with pytest.raises(AttributeError):
            timer.nothing  # noqa: B018

    def test_a_copy_shares_the_clock_but_not_its_standing_still(self, kind):
        clock = Clock()
        source = kind(3, 2, clock)
        copied = copy.copy(source)
        assert copied.timer is not source.timer
        with source.timer:
            clock.tick()
            assert (source.timer(), copied.timer()) == (0, 1)

    def test_datetimes(self, kind):
        clock = Clock(datetime(2020, 1, 1))
        cache = kind(1, timedelta(days=1), clock)
        cache["a"] = 1
        clock.tick(timedelta(hours=23))
        assert (cache["a"], len(cache), list(cache)) == (1, 1, ["a"])
        assert list(cache.expire(datetime(2020, 1, 2))) == [("a", 1)]
        clock.now = datetime.max
        with pytest.raises(OverflowError):
            cache["a"] = 1
        assert len(cache) == 0

    def test_nanoseconds_are_not_rounded(self, kind):
        clock = Clock(1_700_000_000_000_000_001)
        cache = kind(1, 1, clock)
        cache["a"] = 1
        assert "a" in cache
        clock.tick()
        assert "a" not in cache

    @pytest.mark.parametrize("ttl", [0, -1, -0.5, math.nan])
    def test_no_time_at_all(self, kind, ttl):
        for timer in ({}, {"timer": Clock()}):
            cache = kind(2, ttl, **timer)
            cache["a"] = 1
            assert "a" not in cache
            assert len(cache) == 0

    def test_endless_time(self, kind):
        cache = kind(2, math.inf)
        cache["a"] = 1
        assert cache["a"] == 1
        assert list(cache.expire(time.monotonic() + 1e6)) == []
        assert cache.ttl == math.inf


their_init = cachetools.TTLCache.__init__


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
