"""Kinds of limits as Python writes them: buckets, what is in flight, windows of the exchange."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import threading
from typing import Any

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle

KINDS = ("rolling", "quota", "bucket", "concurrent", "fixed", "first")


def limit(kind: Any, units: int = 3, seconds: float | None = 30) -> RateLimit:
    return RateLimit("/x", units, None if kind == "concurrent" else seconds, kind=kind)


@pytest.mark.parametrize("hold", ["response", "start"])
def test_a_bucket_lets_one_through_each_time_that_one_has_drained(
    clock: ManualClock, hold: Any
) -> None:
    throttler = Throttler([limit("bucket", 20, 20)], clock=clock, hold=hold)
    for _ in range(20):
        with throttler.execute_task("/x", timeout=0):
            pass
    assert throttler.wait_time("/x") == 1.0
    assert throttler.usage("/x").resets_in == 1.0
    clock.advance(0.999999999)
    assert not throttler.charge("/x")
    clock.advance(0.000000001)
    assert throttler.charge("/x")
    assert throttler.wait_time("/x", units=20) == 20.0


@pytest.mark.parametrize("hold", ["response", "start"])
def test_no_more_are_in_flight_than_may_be_in_threads(hold: Any) -> None:
    throttler = Throttler([limit("concurrent", 3)], hold=hold)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        for _ in range(50):
            with throttler.execute_task("/x"):
                with lock:
                    running += 1
                    most = max(most, running)
                with lock:
                    running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3
    usage = throttler.usage("/x")
    assert (usage.used, usage.in_flight, usage.time_interval) == (0, 0, 0.0)


@pytest.mark.parametrize("hold", ["response", "start"])
async def test_the_next_goes_when_a_block_ends_however_it_ends(
    clock: ManualClock, hold: Any
) -> None:
    throttler = Throttler([limit("concurrent", 1)], clock=clock, hold=hold)
    order: list[str] = []
    release = asyncio.Event()

    async def request(name: str) -> None:
        async with throttler.execute_task("/x"):
            order.append(name)
            await release.wait()
            if name == "raises":
                raise OSError

    names = ("cancelled", "raises", "last")
    tasks = [asyncio.create_task(request(name)) for name in names]
    await settle()
    assert order == ["cancelled"]
    assert throttler.usage("/x").waiting == 2
    tasks[0].cancel()
    await settle()
    assert order == ["cancelled", "raises"]
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == list(names)
    assert throttler.usage("/x").used == 0
    with (
        throttler.execute_task("/x"),
        pytest.raises(RateLimitTimeout) as full,
        throttler.execute_task("/x", timeout=0),
    ):
        """Never entered."""
    assert full.value.full_limit == "/x"
    assert full.value.retry_after is None


def test_a_charge_of_what_is_in_flight_needs_room_and_holds_nothing(clock: ManualClock) -> None:
    throttler = Throttler([limit("concurrent", 1)], clock=clock)
    assert throttler.charge("/x")
    assert throttler.charge("/x")
    with throttler.execute_task("/x"):
        assert not throttler.charge("/x")


def test_a_window_opens_with_its_first_request(clock: ManualClock) -> None:
    throttler = Throttler([limit("first")], clock=clock, hold="start")
    clock.advance(7)
    assert throttler.charge("/x")
    clock.advance(29)
    assert throttler.charge("/x", units=2)
    assert throttler.wait_time("/x") == 1.0
    clock.advance(1)
    assert throttler.charge("/x", units=3)


def test_windows_follow_the_clock_of_the_exchange(clock: ManualClock) -> None:
    throttler = Throttler([limit("fixed", 3, 60)], clock=clock, hold="start")
    assert throttler.charge("/x", units=3)
    assert throttler.wait_time("/x") == 60.0, "as long as the clock is not known: a rolling window"
    throttler.set_server_time(1_790_000_000.0 // 60 * 60 + 50, uncertainty=0.1)
    assert throttler.wait_time("/x") == pytest.approx(10.1, abs=0.02)
    clock.set_wall(5e9)  # What this machine's clock shows is of no matter.
    clock.advance(throttler.wait_time("/x"))
    assert throttler.charge("/x", units=3)
    assert throttler.wait_time("/x") == pytest.approx(60, abs=0.02)


def test_an_id_without_a_limit_takes_from_its_links(clock: ManualClock) -> None:
    pool = [LinkedLimitWeightPair("POOL", 2)]
    table = [RateLimit("POOL", 5, 10), RateLimit("/depth", limit=None, linked_limits=pool)]
    throttler = Throttler(table, clock=clock)
    assert throttler.charge("/depth", units=2)
    assert not throttler.charge("/depth")
    usage = throttler.usage("/depth")
    assert (usage.used, usage.in_flight, usage.remaining) == (0, 0, 2**62)
    assert throttler.usage("POOL").used == 4


@pytest.mark.parametrize("own", [{"limit": None}, {"limit": 9, "time_interval": 1, "weight": 0}])
async def test_requests_that_wait_for_a_pool_only_are_counted_under_their_id(
    clock: ManualClock, own: dict[str, Any]
) -> None:
    table = [
        RateLimit("POOL", 1, 10),
        RateLimit("/depth", linked_limits=[LinkedLimitWeightPair("POOL")], **own),
    ]
    throttler = Throttler(table, clock=clock)
    assert throttler.charge("POOL")

    async def request() -> None:
        async with throttler.execute_task("/depth"):
            pass

    tasks = [asyncio.create_task(request()) for _ in range(25)]
    await settle()
    assert throttler.usage("/depth").waiting == 25
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_written_back_and_copied(kind: Any) -> None:
    table = [limit(kind), RateLimit("/route", None, linked_limits=[LinkedLimitWeightPair("/x")])]
    throttler = Throttler(table)
    (written, route) = throttler.rate_limits
    assert written.kind == kind
    assert written == RateLimit(**{**vars(table[0]), "linked_limits": []})
    assert (route.limit, route.time_interval, route.weight) == (None, None, 1)
    throttler.set_rate_limits(throttler.rate_limits)
    assert throttler.rate_limits == [written, route]
    assert pickle.loads(pickle.dumps(written)) == copy.copy(written) == written


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_a_limit_changes_its_kind_while_it_is_used(
    clock: ManualClock, before: Any, after: Any
) -> None:
    throttler = Throttler([limit(before)], clock=clock)
    with throttler.execute_task("/x"):
        throttler.set_rate_limits([limit(after, 2)])
        assert throttler.usage("/x").in_flight == 1
        assert not throttler.charge("/x", units=2)
    assert throttler.usage("/x").in_flight == 0
    clock.advance(61)
    assert throttler.charge("/x", units=2)


def test_a_share_of_a_bucket_is_smaller_and_slower(clock: ManualClock) -> None:
    table = [limit("bucket", 20, 20)]
    throttler = Throttler(table, clock=clock, limits_share_percentage=50, safety_margin_pct=0.1)
    assert throttler.charge("/x", units=10)
    assert throttler.wait_time("/x") == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: limit("buckets"), "not 'buckets'; did you mean 'bucket'?"),
        (lambda: limit("weekly"), "'bucket', 'concurrent', 'fixed', 'first', not 'weekly'"),
        (lambda: RateLimit("/x", 3, 1, kind="concurrent"), 'None for kind="concurrent"'),
        (lambda: RateLimit("/x", None, kind="bucket"), 'a number of units for kind="bucket"'),
        (lambda: RateLimit("/x", None, weight=5), "0 or 1 where limit=None"),
        (lambda: RateLimit("/x", 3, 1, kind="fixed", timezone="UTC"), 'mean kind="quota"?'),
        (lambda: RateLimit("/x", 3, "@0815", kind="fixed"), "for quotas only"),
        (lambda: Throttler([]).set_server_time(float("nan"), 1), "the server time must be"),
        (lambda: Throttler([]).set_server_time(1, -1), "uncertainty must be"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_a_kind_needs_its_interval() -> None:
    for kind in ("rolling", "bucket", "fixed", "first"):
        with pytest.raises(TypeError, match="time_interval of"):
            RateLimit("/x", 3, kind=kind)  # type: ignore[arg-type]


def test_nothing_takes_from_an_id_without_a_limit() -> None:
    route = RateLimit("/route", None)
    with pytest.raises(ValueError, match="/route"):
        Throttler([route, RateLimit("/x", 1, 1, linked_limits=[LinkedLimitWeightPair("/route")])])
