"""`usage()` and `wait_time()`: what is used, and when a request could leave."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from sluicegate import (
    RateLimit,
    Throttler,
)
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle
from tests.throttler.tables import BINANCE


def test_usage_says_what_is_used_and_when_it_comes_free(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 5, 10)], clock=clock)
    assert throttler.usage("/x").resets_in == 0.0
    assert throttler.try_acquire("/x", 2)
    clock.advance(4)
    with throttler.execute_task("/x"):
        usage = throttler.usage("/x")
        assert repr(usage) == (
            'Usage(limit_id="/x", limit=5, used=3, in_flight=1, waiting=0, '
            "time_interval=10, resets_in=6)"
        )
        clock.advance(6)
        assert throttler.usage("/x").resets_in == 10.0, "one interval, at the least"
    assert throttler.usage("/x") == throttler.usage()["/x"]
    assert throttler.usage("/x") != usage


def test_usage_tells_what_remains_and_goes_into_json(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 5, 10)], clock=clock)
    assert throttler.usage("/x").remaining == 5
    throttler.charge("/x", 3)
    usage = throttler.usage("/x")
    assert usage.remaining == 2
    assert json.loads(json.dumps(usage.as_dict())) == {
        "limit_id": "/x",
        "limit": 5,
        "used": 3,
        "remaining": 2,
        "in_flight": 0,
        "waiting": 0,
        "time_interval": 10.0,
        "resets_in": 10.0,
        "foreign": 0,
        "paused": 0.0,
        "pause_reason": "",
        "reserved": 0,
    }
    throttler.set_rate_limits([RateLimit("/x", 1, 10)])
    assert throttler.usage("/x").remaining == 0, "never below 0"


def test_wait_time_is_zero_only_if_a_request_could_leave_now(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 2, 10)], clock=clock)
    assert throttler.wait_time("/x") == 0.0
    assert throttler.try_acquire("/x")
    clock.advance(3)
    assert throttler.try_acquire("/x")
    assert throttler.wait_time("/x") == pytest.approx(7)
    assert throttler.wait_time("/x", 2) == pytest.approx(10)
    clock.advance(7)
    assert throttler.wait_time("/x") == 0.0


async def test_wait_time_counts_everybody_who_waits(clock: ManualClock) -> None:
    import asyncio

    throttler = Throttler([RateLimit("/x", 2, 10)], hold="start", clock=clock)

    async def enter() -> None:
        async with throttler.execute_task("/x"):
            pass

    assert throttler.try_acquire("/x", 2)
    tasks = [asyncio.create_task(enter()) for _ in range(101)]
    await settle()
    assert throttler.wait_time("/x") == pytest.approx(10 + 50 * 10), "the 102nd, two at a time"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_usage_survives_pickling_and_copying() -> None:
    usage = Throttler(BINANCE).usage("ORDERS")
    assert pickle.loads(pickle.dumps(usage)) == copy.deepcopy(usage) == usage


def test_a_throttler_tells_whether_it_has_an_id() -> None:
    throttler = Throttler([RateLimit("/depth", 10, 1, reserve={1: 2})])
    assert "/depth" in throttler
    for unknown in ("/dept", "", "\ud800", "/depth below priority 1", None, 3, ["/depth"]):
        assert unknown not in throttler
    throttler.add_rate_limits([RateLimit("/order", 1, 1)])
    assert "/order" in throttler
    throttler.set_rate_limits([RateLimit("/order", 1, 1)])
    assert "/depth" not in throttler
