"""Timers and sizes that fail, use the cache, or are no such thing; time that is held still."""

import threading
from datetime import datetime, timedelta

import pytest

from sluicegate import TTLCache


def test_entries_of_a_clock_of_ones_own_all_expire_at_once():
    start, now = datetime(2030, 1, 1), [timedelta(0)]
    cache = TTLCache(50_000, timedelta(seconds=9), lambda: start + now[0])
    for key in range(30_000):
        cache[key] = key
    now[0] = timedelta(seconds=9)
    assert len(cache) == 0


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
