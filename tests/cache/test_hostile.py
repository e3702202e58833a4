"""Keys, values, clocks and threads that do what nobody expects of them."""

import gc
import sys
import threading
import weakref
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

import sluicegate
from sluicegate import LRUCache, TTLCache


@pytest.fixture(params=[TTLCache, LRUCache])
def cache(request):
    return request.param(3)


class Key:
    """A key whose comparisons run a function."""

    def __init__(self, name, on_eq=lambda: None, hash_=1):
        self.name, self.on_eq, self.hash = name, on_eq, hash_

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        self.on_eq()
        return isinstance(other, Key) and self.name == other.name


OPERATIONS = {
    "get": lambda cache, key: cache.get(key),
    "getitem": lambda cache, key: cache[key],
    "set": lambda cache, key: cache.__setitem__(key, 0),
    "del": lambda cache, key: cache.__delitem__(key),
    "pop": lambda cache, key: cache.pop(key, None),
    "setdefault": lambda cache, key: cache.setdefault(key, 0),
    "contains": lambda cache, key: key in cache,
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@every_operation
def test_an_error_of_eq_comes_through_and_changes_nothing(cache, operation):
    def fail():
        raise ZeroDivisionError

    cache[Key("a", fail)] = 1
    with pytest.raises(ZeroDivisionError):
        operation(cache, Key("a"))
    assert list(cache.values()) == [1]


@every_operation
def test_an_error_of_hash_comes_through(cache, operation):
    class Unhashable(Key):
        def __hash__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        operation(cache, Unhashable("a"))
    with pytest.raises(TypeError, match="unhashable"):
        operation(cache, [])


@every_operation
def test_eq_may_use_the_cache(cache, operation):
    def use():
        assert cache.get("other") == 2
        cache["other"] = 2
        len(cache), list(cache), repr(cache)

    cache["other"] = 2
    stored = Key("a", use)
    cache[stored] = 1
    operation(cache, Key("a"))
    assert cache["other"] == 2


@every_operation
def test_eq_may_clear_the_cache(cache, operation):
    cache[Key("a", cache.clear)] = 1
    cache["b"] = 2
    with suppress(KeyError):
        operation(cache, Key("a"))
    assert "b" not in cache
    assert len(cache) <= 1


@every_operation
def test_eq_may_take_its_own_key_away(cache, operation):
    def take():
        stored.on_eq = lambda: None
        del cache[stored]

    stored = Key("a", take)
    cache[stored] = 1
    with suppress(KeyError):
        operation(cache, Key("a"))
    assert len(cache) <= 1


def test_eq_that_always_brings_new_keys_gets_an_error(cache):
    def bring():
        cache.clear()
        cache[Key("b", bring)] = 1

    bring()
    with pytest.raises(RuntimeError, match="keep changing"):
        cache.get(Key("a"))


def test_the_same_object_is_found_without_being_compared(cache):
    key = Key("a", lambda: pytest.fail("compared"))
    cache[key] = 1
    assert cache[key] == 1


def test_keys_that_are_equal_but_of_other_types_are_one_key(cache):
    cache[1] = "int"
    assert cache[1.0] == cache[True] == "int"
    cache["a"] = "str"

    class Text(str):
        __slots__ = ()

        def __eq__(self, other):
            return False

        __hash__ = str.__hash__

    # As in a dict, whatever that is.
    assert (Text("a") in cache) == (Text("a") in {"a": 1})


@pytest.mark.parametrize("key", ["", "a", "\u00e4", "\U0001f600", "\ud800", "a\ud800", "\x00"])
def test_any_text_is_found_by_an_equal_one(cache, key):
    cache[key] = 1
    assert cache["".join(list(key))] == 1
    assert cache.get(key + "x") is None


@pytest.mark.parametrize("key", [0, -1, -2, 2**61 - 1, 2**61, 2**63 - 1, 2**63, -(2**63), 2**64])
def test_any_whole_number_is_found_by_an_equal_one(cache, key):
    cache[key] = 1
    assert cache[int(str(key))] == 1
    assert cache.get(key + 2**61 - 1) is None  # the same hash


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


class Colliding:
    """A key of its own, but with the hash of all the others."""

    compared = 0

    def __eq__(self, other):
        Colliding.compared += 1
        return self is other

    def __hash__(self):
        return 7


def test_keys_of_one_hash_are_each_compared_once(cache):
    """A map that began again after each comparison would take minutes."""
    count = 1500
    many = type(cache)(count)
    Colliding.compared = 0
    for _ in range(count):
        many[Colliding()] = 1
    assert len(many) == count
    assert Colliding.compared == count * (count - 1) // 2
    Colliding.compared = 0
    assert many.get(Colliding()) is None
    assert Colliding.compared == count


def test_a_comparison_may_take_the_other_keys_out(cache):
    class Taking(Colliding):
        def __eq__(self, other):
            own.clear()
            return False

        __hash__ = Colliding.__hash__

    own = type(cache)(9)
    for _ in range(5):
        own[Colliding()] = 1
    own[Taking()] = 2
    own[key := Colliding()] = 3
    assert list(own) == [key]


def test_entries_of_a_clock_of_ones_own_all_expire_at_once():
    start, now = datetime(2030, 1, 1), [timedelta(0)]
    cache = TTLCache(50_000, timedelta(seconds=9), lambda: start + now[0])
    for key in range(30_000):
        cache[key] = key
    now[0] = timedelta(seconds=9)
    assert len(cache) == 0


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


def test_a_timer_may_use_the_cache():
    def timer():
        if not busy:
            busy.append(1)
            cache.get("a")
            len(cache)
            busy.pop()
        return 0

    busy = [1]
    cache = TTLCache(3, 1, timer)
    busy.pop()
    cache["a"] = 1
    assert cache["a"] == 1
    assert list(cache) == ["a"]


def test_a_timer_that_fails_changes_nothing():
    fail = []

    def timer():
        if fail:
            raise ZeroDivisionError
        return 0

    cache = TTLCache(3, 1, timer)
    cache["a"] = 1
    fail.append(1)
    for use in (
        lambda: cache["a"],
        lambda: cache.get("b"),
        lambda: cache.__setitem__("b", 1),
        lambda: len(cache),
        lambda: list(cache),
        lambda: cache.popitem(),
        lambda: cache.timer.__enter__(),
    ):
        with pytest.raises(ZeroDivisionError):
            use()
    fail.clear()
    assert dict(cache.items()) == {"a": 1}


@pytest.mark.parametrize("timer", [5, "now"])
def test_a_timer_that_cannot_be_called_is_refused(timer):
    with pytest.raises(TypeError, match=r"timer must be callable, not (int|str)"):
        TTLCache(1, 1, timer)


def test_a_size_that_is_no_number_is_refused(cache):
    with pytest.raises(TypeError, match="maxsize must be a number, not str"):
        type(cache)("many")
    odd = type(cache)(5, getsizeof=lambda _: None)
    with pytest.raises(TypeError, match="the size of a value must be a number, not NoneType"):
        odd["a"] = 1
    assert len(odd) == 0


def test_a_subclass_that_forgets_to_initialise_is_told_so():
    class Forgetful(TTLCache):
        def __init__(self):
            pass

    for use in (len, repr, list, lambda cache: cache.get(1), lambda cache: cache.maxsize):
        with pytest.raises(RuntimeError, match=r"TTLCache.__init__\(\) was not called"):
            use(Forgetful())


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


def test_an_iterator_dropped_halfway_lets_time_go_on():
    now = [0]
    cache = TTLCache(3, 10, lambda: now[0])
    cache["a"] = cache["b"] = 1
    iterator = iter(cache)
    next(iterator)
    now[0] = 5
    assert cache.timer() == 0
    del iterator
    assert cache.timer() == 5


def test_time_held_still_by_one_thread_goes_on_for_another():
    now = [0]
    cache = TTLCache(3, 10, lambda: now[0])
    cache["a"] = 1
    with cache.timer:
        now[0] = 20
        assert "a" in cache
        seen = []
        thread = threading.Thread(target=lambda: seen.append("a" in cache))
        thread.start()
        thread.join()
        assert seen == [False]
    assert "a" not in cache


def test_time_must_be_let_go_by_the_thread_that_holds_it():
    cache = TTLCache(3, 10)
    with pytest.raises(RuntimeError, match="does not hold"):
        cache.timer.__exit__(None, None, None)


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
