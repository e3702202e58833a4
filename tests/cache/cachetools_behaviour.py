"""What a user of cachetools relies on in every cache: tests for cachetools' caches and for ours."""

import copy
import math
import pickle
import threading
from collections.abc import ItemsView, KeysView, Mapping, MutableMapping, ValuesView

import cachetools
import cachetools.keys
import pytest


class Clock:
    def __init__(self, now=0):
        self.now = now

    def __call__(self):
        return self.now

    def tick(self, by=1):
        self.now += by


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
