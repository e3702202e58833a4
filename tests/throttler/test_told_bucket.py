"""What the exchange tells of a bucket: one counter, which falls once, whoever has used it."""

from __future__ import annotations

from typing import Literal

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.testing import ManualClock

HOLDS = pytest.mark.parametrize("hold", ["response", "start"])

Hold = Literal["response", "start"]


def kraken(clock: ManualClock, hold: Hold) -> Throttler:
    """Kraken's counter: 15, one less each three seconds."""
    return Throttler([RateLimit("CALLS", 15, 45, kind="bucket")], clock=clock, hold=hold)


@HOLDS
@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("own", [1, 4, 15])
@pytest.mark.parametrize("told", [{"used": 15}, {"remaining": 0}, {"used": 15, "expect": True}])
def test_a_full_counter_lets_one_through_each_time_that_one_has_drained(
    clock: ManualClock, hold: Hold, own: int, inside: bool, told: dict[str, int]
) -> None:
    throttler = kraken(clock, hold)
    with throttler.execute_task("CALLS", units=own):
        if inside:
            throttler.observe("CALLS", **told)  # type: ignore[arg-type]
    if not inside:
        throttler.observe("CALLS", **told)  # type: ignore[arg-type]
    usage = throttler.usage("CALLS")
    # What is in flight may be in the number, or, where others are expected, is not.
    used = 15 + own if inside and hold == "response" and "expect" in told else 15
    assert (usage.used, usage.foreign) == (15, 15 - own)
    for advance in (0, 0.000_001, 0.001, 0.1, 1, 1.898_998):
        clock.advance(advance)
        assert not throttler.charge("CALLS")
    assert throttler.wait_time("CALLS") == pytest.approx(0.000_001 + 3 * (used - 15))
    clock.advance(0.000_001 + 3 * (used - 15))
    for _ in range(5):
        assert throttler.charge("CALLS")
        clock.advance(2.999_999)
        assert not throttler.charge("CALLS")
        clock.advance(0.000_001)


@HOLDS
def test_a_limit_that_is_told_is_the_rate_until_a_larger_one_is(
    clock: ManualClock, hold: Hold
) -> None:
    throttler = kraken(clock, hold)
    throttler.observe("CALLS", used=3, limit=5)
    assert throttler.usage("CALLS").limit == 5
    assert throttler.charge("CALLS", 2)
    assert throttler.wait_time("CALLS") == 9.0
    clock.advance(9)
    assert throttler.charge("CALLS")
    throttler.observe("CALLS", limit=50)
    assert throttler.usage("CALLS").limit == 15
    assert throttler.charge("CALLS", 10)
    assert throttler.wait_time("CALLS") == 3.0


def test_a_smaller_number_and_a_reset_free_nothing_and_corrections_only_own_units(
    clock: ManualClock,
) -> None:
    throttler = kraken(clock, "response")
    assert throttler.charge("CALLS", 3)
    assert throttler.observe("CALLS", used=12, reset=1) == 9
    assert throttler.observe("CALLS", used=2) == 0
    clock.advance(1.5)
    assert throttler.usage("CALLS").used == 12
    assert throttler.correct("CALLS", -5) == -3
    usage = throttler.usage("CALLS")
    assert (usage.used, usage.foreign) == (9, 9)
    clock.advance(45)
    assert throttler.usage("CALLS").used == 0


def test_what_is_kept_for_higher_priorities_is_kept_beside_others(clock: ManualClock) -> None:
    row = RateLimit("CALLS", 15, 45, kind="bucket", reserve={1: 5})
    throttler = Throttler([row], clock=clock)
    throttler.observe("CALLS", used=10)
    usage = throttler.usage("CALLS")
    assert (usage.remaining, usage.reserved) == (5, 5)
    assert not throttler.charge("CALLS")
    assert throttler.charge("CALLS", 5, priority=1)
    # The units of others drain as in the whole counter, however often they are told.
    for _ in range(40):
        clock.advance(3)
        throttler.observe("CALLS", used=14)
    clock.advance(3 * 5)
    assert throttler.charge("CALLS")
