"""The stand-in exchange's rolling window: exact, half-open, and never lenient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.testing import RollingWindow
from sluicegate.testing.timeline import CAPACITY, Timeline

# Small steps and intervals, so that many arrivals share an instant or meet an edge exactly.
ARRIVALS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=60)
INTERVALS = st.integers(1, 12)


def instants(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    now = 0
    return [(now := now + gap, units) for gap, units in steps]


def recount(arrivals: list[tuple[int, int]], interval: int, now: int) -> int:
    """Every arrival looked at anew: those of (now - interval, now]."""
    return sum(units for at, units in arrivals if now - interval < at <= now)


def test_arrival_counts_until_just_before_one_interval() -> None:
    window = RollingWindow(10)
    window.add(5, 3)
    assert window.advance(14) == 3


def test_arrival_exactly_one_interval_later_is_a_new_window() -> None:
    window = RollingWindow(10)
    window.add(5, 3)
    assert window.add(15, 2) == 2
    assert window.worst == 3


def test_instant_before_an_earlier_one_is_refused() -> None:
    window = RollingWindow(10)
    window.add(5, 3)
    with pytest.raises(ValueError, match="got 4 after 5"):
        window.add(4, 1)
    assert window.used == 3


def test_room_for_more_than_the_limit_never_comes() -> None:
    with pytest.raises(ValueError, match="11 units can never stay within a limit of 10"):
        RollingWindow(10).room_at(0, 11, 10)


def test_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0"):
        RollingWindow(0)


@given(ARRIVALS, INTERVALS)
def test_window_holds_what_a_recount_finds(steps: list[tuple[int, int]], interval: int) -> None:
    arrivals = instants(steps)
    window = RollingWindow(interval)
    for i, (now, units) in enumerate(arrivals):
        assert window.add(now, units) == recount(arrivals[: i + 1], interval, now)


@given(ARRIVALS, INTERVALS)
def test_worst_window_is_the_worst_of_all_instants(
    steps: list[tuple[int, int]], interval: int
) -> None:
    arrivals = instants(steps)
    window = RollingWindow(interval)
    for now, units in arrivals:
        window.add(now, units)
    end = arrivals[-1][0] if arrivals else 0
    assert window.worst == max(recount(arrivals, interval, now) for now in range(end + 1))


@given(ARRIVALS, INTERVALS, st.integers(1, 20), st.integers(20, 25))
def test_room_comes_at_the_first_instant_a_recount_finds(
    steps: list[tuple[int, int]], interval: int, units: int, limit: int
) -> None:
    arrivals = instants(steps)
    window = RollingWindow(interval)
    for now, used in arrivals:
        window.add(now, used)
    now = arrivals[-1][0] if arrivals else 0
    expected = next(
        at for at in range(now, now + 100) if recount(arrivals, interval, at) + units <= limit
    )
    assert window.room_at(now, units, limit) == expected


def test_timeline_keeps_the_peak_of_each_slice() -> None:
    timeline = Timeline(width=1_000_000_000, settle=0)
    for instant, level in ((0, 1), (300_000_000, 7), (600_000_000, 2), (2_000_000_000, 4)):
        timeline.step(instant, level)
    assert timeline.points(0) == [(0.0, 7), (2.0, 4)]


def test_timeline_of_a_long_run_stays_small_and_keeps_its_peak() -> None:
    timeline = Timeline(width=1, settle=0)
    for instant in range(50 * CAPACITY):
        timeline.step(instant, 999 if instant == 31_337 else instant % 7)
    points = timeline.points(0)
    assert len(points) <= CAPACITY
    assert max(level for _, level in points) == 999


def test_mean_weighs_each_level_by_its_time_and_leaves_out_the_filling_up() -> None:
    timeline = Timeline(width=1, settle=10)
    timeline.step(0, 1)
    timeline.step(5, 4)
    assert timeline.mean(10) is None
    timeline.step(20, 8)
    # From 10 to 20 at 4, from 20 to 25 at 8.
    assert timeline.mean(25) == (10 * 4 + 5 * 8) / 15
