"""`set_rate_limits` and `add_rate_limits` while requests wait and are in flight."""

from __future__ import annotations

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    Throttler,
    UnknownLimitError,
)
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle
from tests.throttler.tables import used


def test_charges_of_ids_that_stay_stay(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 2, 10)], clock=clock)
    assert throttler.try_acquire("a", 2)
    throttler.set_rate_limits([RateLimit("a", 3, 10), RateLimit("c", 1, 1)])
    assert used(throttler) == {"a": 2, "c": 0}
    assert throttler.try_acquire("a")
    assert not throttler.try_acquire("a")
    with pytest.raises(UnknownLimitError):
        throttler.usage("b")


def test_a_request_in_flight_survives_a_new_table(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10)], clock=clock)
    with throttler.execute_task("a"):
        throttler.set_rate_limits([RateLimit("b", 1, 1)])
    throttler.set_rate_limits([RateLimit("a", 2, 10)])
    assert throttler.usage("a").used == 1, "it still counts where it was sent"


def test_a_task_made_before_a_new_table_obeys_the_new_one(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 1, 10)], clock=clock)
    task, gone = throttler.execute_task("a"), throttler.execute_task("b")
    linked = [LinkedLimitWeightPair("POOL", 3)]
    throttler.set_rate_limits([RateLimit("POOL", 3, 10), RateLimit("a", 2, 10, 1, linked)])
    with task:
        assert used(throttler) == {"POOL": 3, "a": 1}
    assert used(throttler) == {"POOL": 3, "a": 1}
    with pytest.raises(UnknownLimitError, match='"b"'), gone:
        pytest.fail("it entered")


async def test_waiters_follow_a_new_table(clock: ManualClock) -> None:
    import asyncio

    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 2, 10)], clock=clock)
    assert throttler.try_acquire("a", 2)
    assert throttler.try_acquire("b", 2)

    async def enter(limit_id: str, units: int) -> str:
        async with throttler.execute_task(limit_id, units):
            return "inside"

    served, gone, too_heavy = (
        asyncio.create_task(enter(*what)) for what in (("a", 1), ("b", 1), ("a", 2))
    )
    await settle()
    throttler.set_rate_limits([RateLimit("a", 3, 10)])
    assert await served == "inside"
    with pytest.raises(UnknownLimitError, match='no limit has the id "b"'):
        await gone
    throttler.set_rate_limits([RateLimit("a", 1, 10)])
    with pytest.raises(ValueError, match='takes 2 units of "a", but only 1 fit'):
        await too_heavy


def test_added_limits_leave_those_that_are_there(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10)], clock=clock)
    throttler.add_rate_limits(
        [RateLimit("a", 9, 9), RateLimit("b", 1, 1, linked_limits=[LinkedLimitWeightPair("a")])]
    )
    assert throttler.usage("a").limit == 2
    assert throttler.try_acquire("b")
    assert used(throttler) == {"a": 1, "b": 1}
    assert throttler.rate_limits == [
        RateLimit("a", 2, 10.0, 1, []),
        RateLimit("b", 1, 1.0, 1, [LinkedLimitWeightPair("a", 1)]),
    ]


def test_ids_that_come_and_go_leave_nothing_behind(clock: ManualClock) -> None:
    throttler = Throttler([], clock=clock)
    for number in range(50):
        throttler.set_rate_limits([RateLimit(f"id-{number}", 1, 10), RateLimit("kept", 100, 1000)])
        assert throttler.try_acquire("kept")
        assert throttler.try_acquire(f"id-{number}")
        clock.advance(10)
    assert used(throttler) == {"kept": 50, "id-49": 0}
