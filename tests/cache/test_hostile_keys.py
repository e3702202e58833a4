"""Keys whose comparisons and hashes fail, collide, or use the cache themselves."""

from contextlib import suppress

import pytest

from tests.cache.comparing import Key

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
