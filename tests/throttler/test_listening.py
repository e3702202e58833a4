"""What the exchange says: units of others, limits that changed, pauses, costs known afterwards."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
from functools import partial
from typing import Any

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    RateLimitTimeout,
    Throttler,
    UnknownLimitError,
)
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle

HOLDS = pytest.mark.parametrize("hold", ["response", "start"])


def throttler(clock: ManualClock, hold: str = "response", limit: int = 10) -> Throttler:
    pool = [LinkedLimitWeightPair("POOL")]
    table = [
        RateLimit("POOL", limit, 60),
        RateLimit("/a", limit, 60, linked_limits=pool),
        RateLimit("/b", limit, 60, weight=0, linked_limits=pool),
        RateLimit("/free", limit, 60, weight=0),
    ]
    return Throttler(table, clock=clock, hold=hold)  # type: ignore[arg-type]


@HOLDS
def test_units_of_others_count_until_the_window_ends(clock: ManualClock, hold: str) -> None:
    gate = throttler(clock, hold)
    assert gate.charge("POOL", 2)
    assert gate.observe("POOL", used=6, reset=20) == 4
    usage = gate.usage("POOL")
    assert (usage.used, usage.foreign, usage.remaining) == (6, 4, 4)
    assert not gate.charge("POOL", 5)
    assert gate.wait_time("POOL", 5) == 20.0
    clock.advance(20)
    assert (gate.usage("POOL").used, gate.usage("POOL").foreign) == (2, 0)


def test_requests_in_flight_may_be_in_the_number(clock: ManualClock) -> None:
    gate = throttler(clock)
    with gate.execute_task("POOL", units=3):
        assert gate.observe("POOL", used=3) == 0
        assert gate.observe("POOL", remaining=5) == 2
    assert gate.observe("POOL", used=5) == 0


def test_a_smaller_number_frees_nothing(clock: ManualClock) -> None:
    gate = throttler(clock)
    assert gate.observe("POOL", used=9) == 9
    assert gate.observe("POOL", used=1) == 0
    assert gate.usage("POOL").used == 9


def test_own_units_that_left_since_the_request_may_be_in_the_number(clock: ManualClock) -> None:
    gate = throttler(clock)
    gate.observe("POOL", used=0)
    assert gate.charge("POOL", 10)
    clock.advance(60)
    assert gate.usage("POOL").used == 0
    assert gate.observe("POOL", used=10, age=0.5) == 0
    clock.advance(1)
    assert gate.observe("POOL", used=10, age=0.5) == 10


def test_a_limit_that_changed_is_learned_and_the_tables_is_never_exceeded(
    clock: ManualClock,
) -> None:
    gate = throttler(clock)
    gate.observe("POOL", limit=6)
    assert gate.usage("POOL").limit == 6
    # What is left is told of the limit of the same answer.
    assert gate.observe("POOL", remaining=1, limit=8) == 7
    assert (gate.usage("POOL").limit, gate.usage("POOL").remaining) == (8, 1)
    gate.observe("POOL", limit=50)
    assert gate.usage("POOL").limit == 10
    gate.set_rate_limits([RateLimit("POOL", 20, 60)])
    assert gate.usage("POOL").limit == 20


def test_a_share_leaves_the_rest_to_others(clock: ManualClock) -> None:
    table = [RateLimit("POOL", 100, 60)]
    gate = Throttler(table, clock=clock, limits_share_percentage=40)
    assert gate.charge("POOL", 10)
    assert gate.observe("POOL", used=65) == 0, "others use 55 of their 60"
    assert gate.observe("POOL", used=85) == 15
    assert gate.usage("POOL").remaining == 15


@HOLDS
@pytest.mark.parametrize("paused", ["POOL", "/a", "/b", None])
def test_nothing_that_takes_from_a_paused_limit_leaves(
    clock: ManualClock, hold: str, paused: str | None
) -> None:
    gate = throttler(clock, hold)
    assert gate.pause(paused, 30, "HTTP 429")
    stopped = {"POOL": {"POOL", "/a", "/b"}, None: {"POOL", "/a", "/b", "/free"}}
    for limit_id in ("POOL", "/a", "/b", "/free"):
        is_stopped = limit_id in stopped.get(paused, {paused})
        assert gate.charge(limit_id) is not is_stopped, limit_id
        assert gate.wait_time(limit_id) == (30.0 if is_stopped else 0.0)
    usage = gate.usage(paused or "/free")
    assert (usage.paused, usage.pause_reason) == (30.0, "HTTP 429")
    clock.advance(30)
    assert all(gate.charge(limit_id) for limit_id in ("POOL", "/a", "/b", "/free"))
    usage = gate.usage(paused or "POOL")
    assert (usage.paused, usage.pause_reason) == (0.0, "")


def test_of_two_pauses_the_later_end_holds(clock: ManualClock) -> None:
    gate = throttler(clock)
    assert gate.pause("POOL", 30, "first")
    assert not gate.pause("POOL", 20, "second")
    assert gate.usage("POOL").pause_reason == "first"
    assert gate.pause("POOL", 40, "third")
    assert not gate.pause("POOL", 0)
    assert (gate.usage("POOL").paused, gate.usage("POOL").pause_reason) == (40.0, "third")


def test_a_pause_of_all_stops_limits_that_come_later(clock: ManualClock) -> None:
    gate = throttler(clock)
    gate.pause(seconds=30)
    gate.add_rate_limits([RateLimit("/new", 1, 1)])
    gate.set_rate_limits([RateLimit("/new", 1, 1), RateLimit("/newer", 1, 1)])
    assert not gate.charge("/new")
    assert not gate.charge("/newer")
    clock.advance(30)
    assert gate.charge("/new")
    assert gate.charge("/newer")


@HOLDS
def test_who_waits_keeps_its_place_and_its_timeout(clock: ManualClock, hold: str) -> None:
    gate = throttler(clock, hold, limit=1)
    left: list[str] = []

    async def request(name: str, timeout: float | None = None) -> None:
        try:
            async with gate.execute_task("/b", timeout=timeout):
                left.append(name)
        except RateLimitTimeout as error:
            left.append(f"{name} {error.retry_after}")

    async def main() -> None:
        assert gate.charge("POOL")
        tasks = [asyncio.create_task(request(name)) for name in ("1", "2")]
        tasks.append(asyncio.create_task(request("3", timeout=70)))
        await settle()
        gate.pause("/b", 100, "banned")
        gate.pause(None, 90)
        clock.advance(99)
        await settle()
        assert left == ["3 30.0"]
        for _ in range(2):
            clock.advance(60)
            await settle()
        await asyncio.gather(*tasks)
        assert left == ["3 30.0", "1", "2"]

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, -math.inf, 4e9])
def test_absurd_pauses_are_refused(clock: ManualClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="0 or more and at most 100 years, not"):
        throttler(clock).pause("POOL", seconds)
    assert throttler(clock).pause("POOL", 3 * 86_400), "bans of three days are real"


def test_what_cannot_be_is_refused_with_its_value(clock: ManualClock) -> None:
    gate = throttler(clock)
    with pytest.raises(UnknownLimitError):
        gate.pause("POL", 1)
    with pytest.raises(TypeError, match="needs seconds"):
        gate.pause("POOL")
    with pytest.raises(ValueError, match="used, remaining or limit"):
        gate.observe("POOL")
    for name, value in [("used", -1), ("remaining", 1.5), ("limit", 0), ("reset", -1)]:
        with pytest.raises(ValueError, match=name):
            gate.observe("POOL", used=1, **{name: value}) if name != "used" else gate.observe(
                "POOL", used=value
            )
    with pytest.raises(ValueError, match="whole number"):
        gate.correct("POOL", 1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expect must be True or False, not 'no'"):
        gate.observe("POOL", used=1, expect="no")  # type: ignore[arg-type]
    for pause in (partial(gate.pause, "POOL"), partial(gate.pause_scope, "account")):
        with pytest.raises(TypeError, match="reason must be a str, not 429"):
            pause(1, reason=429)  # type: ignore[operator]
    with pytest.raises(
        ValueError, match=r"reset must be a number of seconds below 2\*\*64, not 1e\+"
    ):
        gate.observe("POOL", used=1, reset=1e30)
    assert gate.usage("POOL").used == 0
    assert gate.charge("POOL")


@pytest.mark.parametrize("huge", [10**400, 10**5000, "x" * 100_000], ids=["long", "longer", "text"])
def test_a_huge_value_is_shown_in_part(clock: ManualClock, huge: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        throttler(clock).observe("POOL", used=huge)
    assert len(str(raised.value)) < 300


def test_whatever_is_the_reason_it_is_one_line_of_the_log(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    gate = throttler(clock)
    gate.pause("POOL", 2, reason="HTTP 429:\r\nERROR root: all is lost\n\ud800" + "x" * 1_000)
    (line,) = caplog.messages
    assert len(line.splitlines()) == 1
    assert line.startswith('"POOL" is paused for 2 s: HTTP 429:  ERROR root')
    assert len(line) < 300


@HOLDS
def test_costs_known_afterwards_are_corrected(clock: ManualClock, hold: str) -> None:
    gate = throttler(clock, hold)
    assert gate.charge("POOL", 4)
    clock.advance(1)
    with gate.execute_task("POOL", units=4):
        pass
    assert gate.correct("POOL", -3) == -3
    assert gate.usage("POOL").used == 5
    clock.advance(59)
    assert gate.usage("POOL").used == 4, "the oldest were given back"
    assert gate.correct("POOL", 30) == 30
    assert gate.usage("POOL").used == 34
    assert gate.correct("POOL", -100) == -34
    assert gate.usage("POOL").used == 0


def test_units_in_flight_are_given_back_once(clock: ManualClock) -> None:
    gate = throttler(clock)
    with gate.execute_task("POOL", units=5):
        assert gate.correct("POOL", -3) == -3
        assert gate.usage("POOL").used == 2
    assert gate.usage("POOL").used == 2
    assert gate.observe("POOL", used=7) == 5
    assert gate.correct("POOL", -9) == -2, "units of others are not given back"


@HOLDS
def test_others_are_expected_to_go_on_and_given_up_when_they_do_not(
    clock: ManualClock, hold: str
) -> None:
    gate = throttler(clock, hold, limit=100)
    assert gate.observe("POOL", used=10, reset=30, expect=True) == 10
    kept = gate.usage("POOL").foreign
    assert 20 <= kept <= 22, "as many again in the other half, and a little more"
    clock.advance(7)
    assert gate.usage("POOL").foreign == kept
    clock.advance(8)
    assert gate.usage("POOL").foreign == 20, "the little more is given up"
    assert gate.observe("POOL", used=10, reset=15, expect=True) == 0
    assert 13 <= gate.usage("POOL").foreign <= 15, "nobody came for 15 s, so fewer will"
    clock.advance(15)
    assert gate.usage("POOL").foreign == 10, "for the next window"
    clock.advance(60)
    assert gate.usage("POOL").foreign == 0


def test_a_usage_is_copied_with_what_was_heard(clock: ManualClock) -> None:
    gate = throttler(clock)
    gate.observe("POOL", used=3)
    gate.pause("POOL", 5, "banned")
    usage = gate.usage("POOL")
    assert copy.copy(usage) == usage == pickle.loads(pickle.dumps(usage))
    assert 'foreign=3, paused=5, pause_reason="banned"' in repr(usage)


def test_a_pause_of_a_scope_holds_its_limits_and_those_that_come_later(clock: ManualClock) -> None:
    gate = Throttler(
        [
            RateLimit("IP", 9, 60, scope="address"),
            RateLimit("ORDERS", 9, 60),
            RateLimit("/free", None),
            RateLimit("/o", None, linked_limits=[LinkedLimitWeightPair("ORDERS")]),
        ],
        clock=clock,
    )
    assert gate.pause_scope("account", 100, reason="locked out")
    assert not gate.pause_scope("account", 50), "the later one holds"
    new = [RateLimit("A", 9, 60), RateLimit("B", 9, 60, scope="address"), RateLimit("/n", None)]
    gate.add_rate_limits(new)
    passes = {row.limit_id: gate.charge(row.limit_id) for row in gate.rate_limits}
    assert passes == {
        "IP": True, "ORDERS": False, "/free": True, "/o": False, "A": False, "B": True, "/n": True,
    }  # fmt: skip
    usage = gate.usage("A")
    assert (usage.paused, usage.pause_reason) == (100, "locked out")
    assert gate.pause(None, 30, reason="banned")
    gate.add_rate_limits([RateLimit("C", 9, 60), RateLimit("D", 9, 60, scope="address")])
    assert [gate.usage(name).paused for name in "CD"] == [100, 30]
    clock.advance(100)
    assert all(gate.charge(row.limit_id) for row in gate.rate_limits)
    gate.add_rate_limits([RateLimit("E", 9, 60)])
    assert gate.charge("E")


def test_a_limit_that_comes_back_during_the_pause_of_its_scope_is_paused(
    clock: ManualClock,
) -> None:
    gate = Throttler([RateLimit("A", 9, 60), RateLimit("B", 9, 60)], clock=clock)
    assert gate.charge("A")
    gate.set_rate_limits([RateLimit("B", 9, 60)])
    gate.pause_scope("account", 100)
    gate.set_rate_limits([RateLimit("A", 9, 60)])
    assert not gate.charge("A")


def test_scopes_are_two(clock: ManualClock) -> None:
    gate = throttler(clock)
    with pytest.raises(ValueError, match="scope must be 'account' or 'address', not 'key'"):
        gate.pause_scope("key", 3)  # type: ignore[arg-type]
    for seconds in (-1, math.nan, math.inf, 1e12):
        with pytest.raises(ValueError, match=r"seconds|pause"):
            gate.pause_scope("account", seconds)
    assert not gate.pause_scope("account", 0)
    assert gate.charge("POOL")
