"""What each kind of limit counts, against servers that look at every earlier arrival anew."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.testing import AlignedWindow, Bucket, Concurrency, Counter, FirstWindow
from sluicegate.testing.counter import counter

# Small steps and intervals, so that many arrivals share an instant or meet an edge exactly.
STEPS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), max_size=60)
INTERVALS = st.integers(1, 12)
LIMITS = st.integers(5, 12)
OFFSETS = st.integers(-30, 30)

Arrivals = list[tuple[int, int]]
Model = Callable[[Arrivals, int], Fraction]
"""The count at an instant, of all arrivals until then."""


def arrivals(steps: Arrivals) -> Arrivals:
    now = 0
    return [(now := now + gap, units) for gap, units in steps]


def aligned(interval: int, offset: int) -> Model:
    def count(seen: Arrivals, now: int) -> Fraction:
        window = (now + offset) // interval
        return Fraction(sum(n for at, n in seen if (at + offset) // interval == window))

    return count


def opened(interval: int) -> Model:
    def count(seen: Arrivals, now: int) -> Fraction:
        begin, used = None, 0
        for at, units in seen:
            if begin is None or at >= begin + interval:
                begin, used = at, 0
            used += units
        return Fraction(0 if begin is None or now >= begin + interval else used)

    return count


def falling(limit: int, interval: int) -> Model:
    def count(seen: Arrivals, now: int) -> Fraction:
        level, last = Fraction(0), 0
        for at, units in [*seen, (now, 0)]:
            level = max(Fraction(0), level - Fraction(limit * (at - last), interval)) + units
            last = at
        return level

    return count


def kinds(interval: int, limit: int, offset: int) -> list[tuple[Callable[[], Counter], Model]]:
    return [
        (
            lambda: AlignedWindow(interval, lambda at: at + offset),
            aligned(interval, offset),
        ),
        (lambda: FirstWindow(interval), opened(interval)),
        (lambda: Bucket(limit, interval), falling(limit, interval)),
    ]


@given(STEPS, INTERVALS, LIMITS, OFFSETS)
def test_each_kind_counts_what_a_recount_finds(
    steps: Arrivals, interval: int, limit: int, offset: int
) -> None:
    seen = arrivals(steps)
    for make, model in kinds(interval, limit, offset):
        count, worst = make(), Fraction(0)
        for i, (now, units) in enumerate(seen):
            before = model(seen[:i], now)
            count.advance(now)
            assert count.used == -(-before // 1)
            assert count.has_room(units, limit) == (before + units <= limit)
            exact = model(seen[: i + 1], now)
            worst = max(worst, exact)
            assert count.add(now, units) == -(-exact // 1)
        assert count.worst == -(-worst // 1)


@given(STEPS, INTERVALS, LIMITS, OFFSETS, st.integers(1, 5))
def test_room_comes_at_the_first_instant_at_which_a_recount_finds_it(
    steps: Arrivals, interval: int, limit: int, offset: int, units: int
) -> None:
    seen = arrivals(steps)
    now = seen[-1][0] if seen else 0
    for make, model in kinds(interval, limit, offset):
        count = make()
        for at, used in seen:
            count.add(at, used)
        # A bucket may be far above its limit, and then takes long to fall.
        later = range(now, now + 100 * interval)
        assert count.room_at(now, units, limit) == next(
            at for at in later if model(seen, at) + units <= limit
        )
        empty = next(at for at in later if model(seen, at) == 0)
        if not isinstance(count, AlignedWindow):
            assert count.empty_at(now) == empty


@given(STEPS, INTERVALS, LIMITS, OFFSETS)
def test_count_stands_still_until_the_next_change(
    steps: Arrivals, interval: int, limit: int, offset: int
) -> None:
    seen = arrivals(steps)
    for make, model in kinds(interval, limit, offset):
        count = make()
        for at, used in seen:
            count.add(at, used)
        while (change := count.next_change) is not None:
            before = count.used
            if change - 1 >= seen[-1][0]:
                assert -(-model(seen, change - 1) // 1) == before
            assert count.advance(change) == -(-model(seen, change) // 1)
            assert count.used < before


def test_kraken_counter_lets_a_burst_pass_and_then_one_each_second() -> None:
    second = 1_000_000_000
    count = Bucket(20, 20 * second)
    count.add(0, 20)
    assert not count.has_room(1, 20)
    assert count.room_at(0, 1, 20) == second
    count.add(second, 1)
    assert count.room_at(second, 1, 20) == 2 * second


def test_aligned_window_begins_anew_when_the_clock_is_set() -> None:
    offset = 0
    count = AlignedWindow(60, lambda at: at + offset)
    count.add(10, 5)
    offset = 30
    count.realign(11)
    assert count.advance(11) == 0
    assert count.empty_at(11) == 30


def test_units_under_way_are_released_by_answers_and_not_by_time() -> None:
    count = Concurrency()
    count.add(0, 1)
    count.add(0, 1)
    assert count.advance(10**18) == 2
    assert not count.has_room(1, 2)
    assert count.room_at(0, 1, 2) is None
    assert count.release(1) == 1
    assert count.room_at(5, 1, 2) == 5
    assert count.worst == 2


def test_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="must be rolling, fixed, first, bucket or concurrent"):
        counter("sliding", 1, 1, lambda at: at)


@pytest.mark.parametrize("kind", ["rolling", "fixed", "first", "bucket"])
def test_more_than_the_limit_never_has_room(kind: str) -> None:
    with pytest.raises(ValueError, match="11 units can never stay within a limit of 10"):
        counter(kind, 10, 5, lambda at: at).room_at(0, 11, 10)
    with pytest.raises(ValueError, match="at least 1 nanosecond, got 0"):
        counter(kind, 10, 0, lambda at: at)
