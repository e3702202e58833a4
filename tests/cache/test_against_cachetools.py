"""The same operations on cachetools' caches and on ours must have the same results."""

import copy
import pickle
from datetime import datetime, timedelta

import cachetools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sluicegate


class Clock:
    """A clock that is moved by hand, and counts how often it is read."""

    def __init__(self, now=0):
        self.now = now
        self.reads = 0

    def __call__(self):
        self.reads += 1
        return self.now


class Ticking(Clock):
    """A clock that goes on each time it is read."""

    def __call__(self):
        self.now += 1
        return super().__call__()


class Key:
    """A key that only Python can compare; some hashes collide."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return isinstance(other, Key) and self.number == other.number

    def __hash__(self):
        return self.number % 3

    def __repr__(self):
        return f"Key({self.number})"


def recorded(base):
    """A subclass that notes what is routed through its methods."""

    class Recorded(base):
        def __init__(self, *args, **kwargs):
            self.log = []
            super().__init__(*args, **kwargs)

        def __contains__(self, key):
            self.log.append(("contains", key))
            return super().__contains__(key)

        def __getitem__(self, key):
            self.log.append(("getitem", key))
            return super().__getitem__(key)

        def __setitem__(self, key, value):
            self.log.append(("setitem", key, value))
            super().__setitem__(key, value)

        def __delitem__(self, key):
            self.log.append(("delitem", key))
            super().__delitem__(key)

        def __missing__(self, key):
            self.log.append(("missing", key))
            return super().__missing__(key)

        def popitem(self):
            item = super().popitem()
            self.log.append(("popitem", item))
            return item

    if hasattr(base, "expire"):

        def expire(self, time=None):
            items = super(Recorded, self).expire(time)
            self.log.append(("expire", time, items))
            return items

        Recorded.expire = expire
    Recorded.__name__ = base.__name__
    return Recorded


def overriding(base, *names):
    """A subclass that notes the use of only some of its methods."""
    full = recorded(base)
    methods = {name: vars(full)[name] for name in ("__init__", *names) if name in vars(full)}

    # Their `super()` is bound to the full class: so derive from it, and put the others back.
    rest = {
        name: getattr(base, name)
        for name, value in vars(full).items()
        if callable(value)
        and name not in methods
        and hasattr(base, name)
        and name not in ("__class__", "__init_subclass__", "__new__")
    }
    return type(base.__name__, (full,), rest)


def outcome(operation, cache):
    try:
        return "returned", operation(cache)
    except Exception as error:
        # Of other errors the words may differ.
        exact = isinstance(error, KeyError | ValueError)
        return "raised", type(error), error.args if exact else None


KEYS = st.one_of(
    st.integers(0, 5),
    st.sampled_from(["a", "b", "c", "\u00e4", "\ud800", "".join(["a", "a"])]),
    st.builds(Key, st.integers(0, 4)),
    st.tuples(st.integers(0, 1), st.sampled_from("ab")),
    st.sampled_from([1.0, True, None, 2**70, -1]),
)
VALUES = st.integers(0, 6)

OPERATIONS = st.one_of(
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.just("get default"), KEYS, VALUES),
    st.tuples(st.just("getitem"), KEYS),
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("del"), KEYS),
    st.tuples(st.just("pop"), KEYS),
    st.tuples(st.just("pop default"), KEYS, VALUES),
    st.tuples(st.just("setdefault"), KEYS, VALUES),
    st.tuples(st.just("setdefault none"), KEYS),
    st.tuples(st.just("in"), KEYS),
    st.tuples(st.just("popitem")),
    st.tuples(st.just("len")),
    st.tuples(st.just("currsize")),
    st.tuples(st.just("list")),
    st.tuples(st.just("items")),
    st.tuples(st.just("values")),
    st.tuples(st.just("repr")),
    st.tuples(st.just("clear")),
    st.tuples(st.just("expire")),
    st.tuples(st.just("expire at"), st.integers(-2, 4)),
    st.tuples(st.just("update"), st.dictionaries(KEYS, VALUES, max_size=4)),
    st.tuples(st.just("copy")),
    st.tuples(st.just("deepcopy")),
    st.tuples(st.just("pickle")),
    st.tuples(st.just("tick"), st.sampled_from([0, 1, 1, 2, 5, 0.5])),
    st.tuples(st.just("freeze"), KEYS, st.sampled_from([1, 3])),
    st.tuples(st.just("iterate and delete"), st.integers(0, 3)),
    st.tuples(st.just("iterate and set"), KEYS, VALUES),
    st.tuples(st.just("iterate and tick"), st.sampled_from([1, 2])),
    st.tuples(st.just("equal"), st.dictionaries(KEYS, VALUES, max_size=2)),
)


def without(*names):
    return st.lists(OPERATIONS.filter(lambda operation: operation[0] not in names))


# What happens to a dict's iterator when one key replaces another is left to chance.
LRU_OPERATIONS = without("iterate and set")


def iterate(cache, at, change):
    seen = []
    for key in cache:
        seen.append(key)
        if len(seen) > 20:
            break
        if at is None or len(seen) == at:
            change(key)
    return seen


def apply(cache, clock, operation):
    """The cache to go on with, and what the operation did."""
    name, *arguments = operation
    operations = {
        "get": lambda c, key: c.get(key),
        "get default": lambda c, key, default: c.get(key, default),
        "getitem": lambda c, key: c[key],
        "set": lambda c, key, value: c.__setitem__(key, value),
        "del": lambda c, key: c.__delitem__(key),
        "pop": lambda c, key: c.pop(key),
        "pop default": lambda c, key, default: c.pop(key, default),
        "setdefault": lambda c, key, default: c.setdefault(key, default),
        "setdefault none": lambda c, key: c.setdefault(key),
        "in": lambda c, key: key in c,
        "popitem": lambda c: c.popitem(),
        "len": len,
        "currsize": lambda c: (c.currsize, type(c.currsize)),
        "list": list,
        "items": lambda c: list(c.items()),
        "values": lambda c: list(c.values()),
        "repr": repr,
        "clear": lambda c: c.clear(),
        "update": lambda c, items: c.update(items),
        "iterate and delete": lambda c, at: iterate(c, at, lambda key: c.pop(key, None)),
        "iterate and set": lambda c, key, value: iterate(c, 1, lambda _: c.__setitem__(key, value)),
        "equal": lambda c, items: c == items,
    }
    if name == "tick":
        clock.now += arguments[0]
        return cache, None
    if name in ("copy", "deepcopy", "pickle"):
        # All share the clock: what is copied is the cache.
        copies = {
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "pickle": lambda c: pickle.loads(pickle.dumps(c)),
        }
        copied = copies[name](cache)
        return copied, (type(copied).__name__, copied.maxsize)
    if name == "expire" and hasattr(cache, "expire"):
        return cache, outcome(lambda c: c.expire(), cache)
    if name == "expire at" and hasattr(cache, "expire"):
        return cache, outcome(lambda c: c.expire(clock.now + arguments[0]), cache)
    if name == "freeze" and hasattr(cache, "timer"):
        key, ticks = arguments
        with cache.timer as time:
            clock.now += ticks
            inside = (time, cache.timer(), outcome(lambda c: c.get(key), cache), key in cache)
        return cache, (inside, cache.timer())
    if name == "iterate and tick":

        def tick(_):
            clock.now += arguments[0]

        return cache, outcome(lambda c: iterate(c, None, tick), cache)
    if name in operations:
        return cache, outcome(lambda c: operations[name](c, *arguments), cache)
    return cache, None


class SharedClock(Clock):
    """A clock of which a copy is the same clock."""

    instances = {}

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.instances[name] = self

    def __reduce__(self):
        return find_clock, (self.name,)


def find_clock(name):
    return SharedClock.instances[name]


def size_of(value):
    return value


def same_history(theirs, ours, their_clock, our_clock, operations, tick=0):
    for operation in operations:
        if operation[0] == "iterate and set" and ours.getsizeof is size_of:
            continue  # one set may evict several: cachetools' iterator then yields what is gone
        their_clock.now += tick
        our_clock.now += tick
        theirs, expected = apply(theirs, their_clock, operation)
        ours, result = apply(ours, our_clock, operation)
        assert result == expected, operation
        # Looked at without a change of the order.
        assert list(ours) == list(theirs)
        assert our_clock.reads == their_clock.reads, operation


@given(
    st.integers(0, 4),
    st.sampled_from([0, 1, 2, 3.5, 100]),
    st.booleans(),
    without("deepcopy", "pickle"),
)
@settings(max_examples=300)
def test_any_history_of_a_ttl_cache_is_that_of_cachetools(maxsize, ttl, sized, operations):
    clocks = SharedClock("theirs"), SharedClock("ours")
    getsizeof = size_of if sized else None
    theirs = cachetools.TTLCache(maxsize, ttl, clocks[0], getsizeof)
    ours = sluicegate.TTLCache(maxsize, ttl, clocks[1], getsizeof)
    same_history(theirs, ours, *clocks, operations)


@given(
    st.integers(1, 4), st.sampled_from([1, 3, 100]), st.booleans(), st.lists(OPERATIONS, min_size=3)
)
@settings(max_examples=300)
def test_any_history_with_pickling_is_that_of_cachetools(maxsize, ttl, sized, operations):
    clocks = SharedClock("theirs"), SharedClock("ours")
    getsizeof = size_of if sized else None
    theirs = cachetools.TTLCache(maxsize, ttl, clocks[0], getsizeof)
    ours = sluicegate.TTLCache(maxsize, ttl, clocks[1], getsizeof)
    # No two entries of the same age: cachetools forgets which of them is older.
    same_history(theirs, ours, *clocks, operations, tick=0.125)


@given(st.integers(0, 4), st.booleans(), LRU_OPERATIONS)
@settings(max_examples=200)
def test_any_history_of_an_lru_cache_is_that_of_cachetools(maxsize, sized, operations):
    getsizeof = size_of if sized else None
    clock = Clock()
    theirs = cachetools.LRUCache(maxsize, getsizeof)
    ours = sluicegate.LRUCache(maxsize, getsizeof)
    same_history(theirs, ours, clock, clock, operations)


class Datetimes(SharedClock):
    """Tells the time as a datetime."""

    def __call__(self):
        self.reads += 1
        return datetime(2020, 1, 1) + timedelta(days=self.now)


@given(st.integers(1, 3), without("expire at", "freeze", "deepcopy", "pickle"))
@settings(max_examples=150)
def test_any_history_with_datetimes_is_that_of_cachetools(maxsize, operations):
    clocks = Datetimes("theirs"), Datetimes("ours")
    theirs = cachetools.TTLCache(maxsize, timedelta(days=2), clocks[0])
    ours = sluicegate.TTLCache(maxsize, timedelta(days=2), clocks[1])
    same_history(theirs, ours, *clocks, operations)


METHODS = [
    "__contains__",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__missing__",
    "popitem",
    "expire",
]


@given(
    st.sampled_from(["TTLCache", "LRUCache"]),
    st.sets(st.sampled_from(METHODS)),
    st.integers(0, 3),
    st.booleans(),
    without("copy", "deepcopy", "pickle", "iterate and set"),
)
@settings(max_examples=300)
def test_any_subclass_is_called_as_cachetools_calls_it(name, methods, maxsize, sized, operations):
    clocks = Clock(), Clock()
    getsizeof = size_of if sized else None
    caches = []
    for module, clock in zip((cachetools, sluicegate), clocks, strict=True):
        base = overriding(getattr(module, name), *methods)
        timed = {"ttl": 2, "timer": clock} if name == "TTLCache" else {}
        caches.append(base(maxsize, getsizeof=getsizeof, **timed))
    same_history(*caches, *clocks, operations)
    theirs, ours = caches
    assert ours.log == theirs.log


@given(without("copy", "deepcopy", "pickle", "tick"))
@settings(max_examples=150)
def test_the_clock_is_read_as_often_as_by_cachetools(operations):
    clocks = Ticking(), Ticking()
    theirs = cachetools.TTLCache(3, 20, clocks[0])
    ours = sluicegate.TTLCache(3, 20, clocks[1])
    same_history(theirs, ours, *clocks, operations)


@pytest.mark.parametrize("module", [cachetools, sluicegate])
def test_the_recording_subclass_does_record(module):
    """Or the property above would compare nothing with nothing."""
    cache = overriding(module.TTLCache, "popitem", "expire")(1, 5, Clock())
    cache["a"] = 1
    cache["b"] = 2
    assert cache.log == [
        ("expire", 0, []),
        ("expire", 0, []),
        ("expire", 0, []),
        ("popitem", ("a", 1)),
    ]
