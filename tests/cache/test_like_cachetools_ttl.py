"""`TTLCache` behaves as that of cachetools: the same tests for both."""

import copy
import math
import time
from datetime import datetime, timedelta

import cachetools
import cachetools.keys
import pytest

import sluicegate
from tests.cache.cachetools_behaviour import Behaviour, Clock


class TheirTTL(cachetools.TTLCache):
    """With a default timer of its own, as Freqtrade's."""

    def __init__(self, maxsize, ttl=math.inf, timer=time.time, getsizeof=None):
        super().__init__(maxsize=maxsize, ttl=ttl, timer=timer, getsizeof=getsizeof)


class OurTTL(sluicegate.TTLCache):
    def __init__(self, maxsize, ttl=math.inf, timer=time.time, getsizeof=None):
        super().__init__(maxsize=maxsize, ttl=ttl, timer=timer, getsizeof=getsizeof)


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
