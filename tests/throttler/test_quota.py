"""Quotas through `Throttler`: boundaries, days of 23 and 25 hours, clocks that step."""

from __future__ import annotations

import asyncio
import datetime
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler, parse_period
from sluicegate._core import ManualClock, check_timezone
from tests.helpers.loops import settle

HOUR = 3600.0


def wall(text: str, zone: str = "UTC") -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def at(clock: ManualClock, text: str, zone: str = "UTC") -> None:
    clock.set_wall(wall(text, zone))


def throttler(
    clock: ManualClock, interval: float | str, zone: str = "UTC", **more: Any
) -> Throttler:
    limit = RateLimit("/x", 2, interval, kind="quota", timezone=zone)
    return Throttler([limit], clock=clock, **{"hold": "start", **more})


def acquired(throttler: Throttler) -> int:
    return sum(throttler.try_acquire("/x") for _ in range(5))


def test_a_quota_starts_anew_at_the_boundary(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, 60)
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == 30
    usage = gate.usage("/x")
    assert (usage.used, usage.time_interval, usage.resets_in) == (2, 60, 30)
    clock.advance(29.999999999)
    assert acquired(gate) == 0
    clock.advance(0.000000001)
    assert acquired(gate) == 2


def test_a_quota_and_a_rolling_limit_in_one_route(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:55")
    table = [
        RateLimit("daily", 3, "1m", kind="quota", timezone="UTC"),
        RateLimit("/x", 2, 10, linked_limits=[LinkedLimitWeightPair("daily", 1)]),
    ]
    gate = Throttler(table, clock=clock, hold="start")
    assert acquired(gate) == 2
    clock.advance(5)
    # The quota is new, and what rolls is not.
    assert acquired(gate) == 0
    clock.advance(5)
    assert acquired(gate) == 2
    clock.advance(10)
    assert acquired(gate) == 1


def test_requests_in_flight_over_a_boundary_count_on_both_sides(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, "1m", hold="response")
    with gate.execute_task("/x"):
        assert acquired(gate) == 1
        clock.advance(31)
        assert acquired(gate) == 1
    assert acquired(gate) == 0
    clock.advance(59)
    assert acquired(gate) == 2


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)]
)
def test_a_day_lasts_as_long_as_it_does_on_the_wall(
    clock: ManualClock, day: str, hours: int
) -> None:
    at(clock, f"{day}T00:00:00", "Europe/Berlin")
    gate = throttler(clock, "1d", "Europe/Berlin")
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == hours * HOUR


def test_a_reset_that_does_not_exist_comes_when_the_clock_skips_it(clock: ManualClock) -> None:
    at(clock, "2026-03-08T00:00:00", "America/New_York")
    gate = throttler(clock, "@0230", "America/New_York")
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == 2 * HOUR


def test_a_reset_that_comes_twice_counts_once(clock: ManualClock) -> None:
    at(clock, "2026-11-01T00:00:00", "America/New_York")
    gate = throttler(clock, "@0130", "America/New_York")
    assert acquired(gate) == 2
    clock.advance(1.5 * HOUR)
    assert acquired(gate) == 2
    clock.advance(HOUR)
    assert acquired(gate) == 0
    assert gate.wait_time("/x") == 24 * HOUR


def test_seconds_keep_running_while_the_clocks_change(clock: ManualClock) -> None:
    clock.set_wall(wall("2026-11-01T06:00:00") - 0.5)
    gate = throttler(clock, "1s", "America/New_York")
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == 0.5


def test_a_period_that_does_not_divide_a_day_is_aligned_to_the_epoch(clock: ManualClock) -> None:
    clock.set_wall(6 * HOUR)
    gate = throttler(clock, "7h", "Asia/Shanghai")
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == HOUR


def test_the_machines_zone_is_the_default() -> None:
    code = """
from sluicegate import RateLimit, Throttler
from sluicegate._core import ManualClock
clock = ManualClock()
throttler = Throttler([RateLimit("/x", 1, "@0815", kind="quota")], clock=clock, hold="start")
throttler.try_acquire("/x")
print(throttler.wait_time("/x") / 3600)
"""
    hours = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
        for zone in ("UTC", "UTC-8", "UTC+5")
    ]
    # POSIX counts westward: UTC-8 is Shanghai's.
    assert hours == ["8.25", "0.25", "13.25"]


# ---- clocks that step


def test_a_step_back_never_opens_a_used_quota(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, 60)
    assert acquired(gate) == 2
    for back in ("12:00:05", "11:59:59", "12:00:30", "11:00:00"):
        at(clock, f"2026-06-01T{back}")
        assert acquired(gate) == 0
    clock.advance(59)
    assert acquired(gate) == 0
    clock.advance(1)
    assert acquired(gate) == 2


def test_a_step_forward_opens_at_most_one(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, 60)
    assert acquired(gate) == 2
    at(clock, "2027-06-01T12:00:30")
    assert acquired(gate) == 2
    assert gate.wait_time("/x") == 30


async def test_a_step_forward_wakes_who_waits(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, "1d")
    passed: list[int] = []

    async def ask(number: int) -> None:
        async with gate.execute_task("/x"):
            passed.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(5)]
    await settle()
    assert passed == [0, 1]
    at(clock, "2026-06-02T00:00:00")
    await settle()
    assert passed == [0, 1, 2, 3]
    clock.advance(24 * HOUR)
    await asyncio.gather(*tasks)


async def test_a_step_back_holds_who_waits_for_one_period(clock: ManualClock) -> None:
    at(clock, "2026-06-01T12:00:30")
    gate = throttler(clock, 60)
    assert acquired(gate) == 2
    passed: list[float] = []

    async def ask() -> None:
        async with gate.execute_task("/x"):
            passed.append(clock.now)

    task = asyncio.create_task(ask())
    await settle()
    at(clock, "2020-06-01T12:00:30")
    clock.advance(59.999)
    await settle()
    assert passed == []
    clock.advance(0.001)
    await task
    assert passed == [60.0]


# ---- tables


def test_limits_come_back_as_they_were_given(clock: ManualClock) -> None:
    table = [
        RateLimit("a", 1, "@0815", kind="quota", timezone="Asia/Shanghai"),
        RateLimit("b", 1, "100ms", kind="quota"),
        RateLimit("c", 1, "5m"),
    ]
    gate = Throttler(table, clock=clock)
    assert gate.rate_limits == [
        RateLimit("a", 1, "@081500", 1, [], kind="quota", timezone="Asia/Shanghai"),
        RateLimit("b", 1, 0.1, 1, [], kind="quota"),
        RateLimit("c", 1, 300.0, 1, []),
    ]
    gate.set_rate_limits(gate.rate_limits)
    assert gate.usage("c").time_interval == 300


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: RateLimit("a", 1, 1, kind="rate"),
            ValueError,
            "kind of \"a\" must be one of 'rolling', 'q",
        ),  # type: ignore[arg-type]
        (lambda: RateLimit("a", 1, 1, timezone="UTC"), ValueError, 'timezone of "a".*kind="quota"'),
        (lambda: RateLimit("a", 1, 1, kind="quota", timezone="UTX"), ValueError, '"UTX"'),
        (
            lambda: RateLimit("a", 1, 1, kind="quota", timezone=8),
            TypeError,
            "must be a str such as .*, not 8",
        ),  # type: ignore[arg-type]
        (lambda: RateLimit("a", 1, "@0815"), ValueError, "quotas only"),
        (lambda: RateLimit("a", 1, "1 day"), ValueError, '"1 day"'),
        (lambda: RateLimit("a", 1, 0, kind="quota"), ValueError, "over 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(
    make: Callable[[], RateLimit], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1ns", 1e-9),
        ("5us", 5e-6),
        ("5\u00b5s", 5e-6),
        ("5\u03bcs", 5e-6),
        ("100ms", 0.1),
        ("1s", 1.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
    ],
)
def test_periods_are_read_in_every_unit(text: str, seconds: float) -> None:
    assert parse_period(text) == seconds
    assert parse_period(text, quota=True) == seconds


def test_a_time_of_day_is_a_period_of_a_quota_only() -> None:
    assert parse_period("@0815", quota=True) == 86400.0
    with pytest.raises(ValueError, match="quotas only"):
        parse_period("@0815")
    with pytest.raises(TypeError, match=r"a period must be a str such as .*, not 5"):
        parse_period(5)  # type: ignore[arg-type]


def test_a_time_zone_is_checked_by_its_name() -> None:
    check_timezone("Asia/Shanghai")
    with pytest.raises(ValueError, match='mean "Asia/Shanghai"'):
        check_timezone("Asia/Shangai")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e10])
def test_a_wall_time_that_no_clock_shows_is_refused(clock: ManualClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="from -9e9 to 9e9"):
        clock.set_wall(seconds)
    assert clock.wall == 0.0
