"""The drop-in for Hummingbot's throttler: its surface, and how it waits."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import logging
import sys
import weakref
from contextlib import AsyncExitStack
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate import Throttler, UnknownLimitError
from sluicegate._core import ManualClock
from sluicegate.hummingbot import (
    AsyncRequestContext,
    AsyncRequestContextBase,
    AsyncThrottler,
    AsyncThrottlerBase,
    LinkedLimitWeightPair,
    RateLimit,
)
from tests.helpers.loops import settle

TABLE = [
    RateLimit("POOL", limit=10, time_interval=5),
    RateLimit("/light", limit=100, time_interval=5, linked_limits=[LinkedLimitWeightPair("POOL")]),
    RateLimit(
        "/heavy", limit=100, time_interval=5, linked_limits=[LinkedLimitWeightPair("POOL", 6)]
    ),
]


@pytest.fixture
def kind(clock: ManualClock) -> type[AsyncThrottler]:
    """`AsyncThrottler` on the manual clock."""

    class Timed(AsyncThrottler):
        _clock = clock

    return Timed


def passes(throttler: AsyncThrottler, limit_id: str) -> asyncio.Task[None]:
    async def one() -> None:
        async with throttler.execute_task(limit_id=limit_id):
            pass

    return asyncio.ensure_future(one())


async def finish(clock: ManualClock, tasks: list[asyncio.Task[None]]) -> None:
    """Lets time go by until all of them are through."""
    for _ in range(100):
        await settle()
        clock.advance(1)
    for task in tasks:
        task.result()


# ---- the surface


def test_arguments_and_defaults_are_hummingbots() -> None:
    parameters = inspect.signature(AsyncThrottler.__init__).parameters
    assert [(name, parameter.default) for name, parameter in parameters.items()][1:] == [
        ("rate_limits", inspect.Parameter.empty),
        ("retry_interval", 0.1),
        ("safety_margin_pct", 0.05),
        ("limits_share_percentage", None),
        ("share", None),
    ]
    throttler = AsyncThrottler(TABLE, 0.2, 0.1, Decimal("50"))
    assert throttler._retry_interval == 0.2
    assert throttler._safety_margin_pct == 0.1
    assert throttler.limits_pct == Decimal("0.5")
    assert isinstance(throttler._lock, asyncio.Lock)
    assert isinstance(throttler, AsyncThrottlerBase)
    assert isinstance(throttler, Throttler)


def test_the_table_is_a_copy_with_this_bots_share() -> None:
    throttler = AsyncThrottler(TABLE, limits_share_percentage=Decimal("33"))
    assert [limit.limit for limit in throttler._rate_limits] == [3, 33, 33]
    assert [limit.limit for limit in TABLE] == [10, 100, 100]
    assert throttler._id_to_limit_map["/heavy"] is throttler._rate_limits[2]


@pytest.mark.parametrize("limit", [1, 0.5, Decimal("1.5"), 19.99])
def test_a_share_is_at_least_one(limit: float) -> None:
    throttler = AsyncThrottler([RateLimit("a", limit, 1)], limits_share_percentage=Decimal("5"))
    assert throttler._rate_limits[0].limit == Decimal("1")
    assert throttler.usage("a").limit == 1


def test_a_share_is_exact_in_decimals() -> None:
    throttler = AsyncThrottler([RateLimit("a", 100, 1)], limits_share_percentage=Decimal("29"))
    assert throttler.usage("a").limit == 29


@pytest.mark.parametrize("share", [Decimal(-1), Decimal("NaN"), "half"])
def test_a_share_that_cannot_be_is_refused_with_its_value(share: Any) -> None:
    with pytest.raises(ValueError, match="limits_share_percentage must be a percentage over 0"):
        AsyncThrottler(TABLE, limits_share_percentage=share)


def test_no_limit_at_all_is_a_table_too() -> None:
    throttler = AsyncThrottler([RateLimit("a", sys.maxsize, 1)])
    assert throttler.wait_time("a") == 0


def test_of_equal_ids_the_last_one_stands_and_all_are_listed() -> None:
    throttler = AsyncThrottler([RateLimit("a", 1, 1), RateLimit("a", 2, 1)])
    assert len(throttler._rate_limits) == 2
    assert throttler._id_to_limit_map["a"].limit == 2
    assert throttler.usage("a").limit == 2


def test_related_limits_leave_out_links_to_unknown_ids() -> None:
    links = [LinkedLimitWeightPair("POOL", 3), LinkedLimitWeightPair("gone", 1)]
    throttler = AsyncThrottler([TABLE[0], RateLimit("a", 9, 5, linked_limits=links)])
    limit, related = throttler.get_related_limits("a")
    assert limit is throttler._id_to_limit_map["a"]
    assert related == [(throttler._id_to_limit_map["POOL"], 3)]
    assert throttler.get_related_limits("nobody") == (None, [])


async def test_a_link_counts_from_when_its_limit_is_added() -> None:
    late = RateLimit("a", 9, 5, linked_limits=[LinkedLimitWeightPair("POOL", 3)])
    throttler = AsyncThrottler([late])
    known = throttler._id_to_limit_map["a"]
    throttler.add_rate_limits([RateLimit("POOL", 10, 5), RateLimit("a", 1, 5)])
    assert throttler._id_to_limit_map["a"] is known
    assert [limit.limit_id for limit in throttler._rate_limits] == ["a", "POOL"]
    await passes(throttler, "a")
    assert throttler.usage("POOL").used == 3


async def test_a_changed_copy_of_the_table_is_handed_back() -> None:
    throttler = AsyncThrottler(TABLE)
    await passes(throttler, "/light")
    table = copy.deepcopy(throttler._rate_limits)
    table[0].limit = 20
    throttler.set_rate_limits(table)
    usage = throttler.usage("POOL")
    assert (usage.limit, usage.used) == (20, 1)


def test_a_bad_table_changes_nothing() -> None:
    throttler = AsyncThrottler(TABLE)
    before = throttler._rate_limits
    with pytest.raises(ValueError, match='time_interval of "POOL"'):
        throttler.set_rate_limits([RateLimit("POOL", 1, float("nan"))])
    assert throttler._rate_limits is before
    assert throttler.usage("POOL").limit == 10


def test_limits_of_any_class_will_do() -> None:
    pair = SimpleNamespace(limit_id="POOL", weight=2)
    rows: list[Any] = [
        SimpleNamespace(limit_id="POOL", limit=4, time_interval=1, weight=1, linked_limits=[]),
        SimpleNamespace(limit_id="a", limit=4, time_interval=1, weight=1, linked_limits=[pair]),
    ]
    assert AsyncThrottler(rows).get_related_limits("a")[1][0][1] == 2


def test_subclasses_may_take_other_arguments() -> None:
    class Mine(AsyncThrottler):
        def __init__(self, name: str) -> None:
            super().__init__(TABLE)
            self.name = name

    assert Mine("x").usage("POOL").limit == 10


def test_the_bases_are_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        AsyncThrottlerBase(TABLE)  # type: ignore[abstract]
    with pytest.raises(TypeError, match="abstract"):
        AsyncRequestContextBase([], None, [], asyncio.Lock(), 0)  # type: ignore[abstract]


def test_a_throttler_nobody_holds_is_collected() -> None:
    throttler = AsyncThrottler(TABLE)
    assert not throttler._task_logs
    gone = weakref.ref(throttler)
    del throttler
    gc.collect()
    assert gone() is None


# ---- requests


async def test_a_request_waits_for_the_margin_too(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    throttler = kind([RateLimit("a", 1, 10)])
    await passes(throttler, "a")
    second = passes(throttler, "a")
    await settle()
    clock.advance(10.4)
    await settle()
    assert not second.done()
    clock.advance(0.1)
    await settle()
    assert second.done()


async def test_units_stay_from_the_answer_on(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    throttler = kind([RateLimit("a", 1, 10)], safety_margin_pct=0)
    async with throttler.execute_task("a"):
        clock.advance(60)
    clock.advance(9)
    assert throttler.wait_time("a") == 1


async def test_a_heavy_request_is_not_starved_by_light_ones(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    throttler = kind(TABLE, safety_margin_pct=0)
    for _ in range(10):
        await passes(throttler, "/light")
        clock.advance(0.1)
    heavy = passes(throttler, "/heavy")
    await settle()
    light = [passes(throttler, "/light") for _ in range(8)]
    clock.advance(4.5)
    await settle()
    assert heavy.done()
    assert not all(task.done() for task in light)
    await finish(clock, light)


async def test_an_unknown_id_is_named_with_the_closest_one_when_it_is_entered() -> None:
    throttler = AsyncThrottler(TABLE)
    context = throttler.execute_task(limit_id="/haevy")
    assert context.within_capacity()
    with pytest.raises(UnknownLimitError, match='no limit has the id "/haevy"; did you mean "/hea'):
        async with context:
            pass


async def test_an_id_that_is_no_str_fails_when_it_is_entered() -> None:
    not_an_id: Any = None
    context = AsyncThrottler(TABLE).execute_task(not_an_id)
    with pytest.raises(TypeError, match="limit_id must be a str, not None"):
        await context.acquire()


async def test_a_share_too_small_for_a_request_refuses_only_that_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    throttler = AsyncThrottler(TABLE, limits_share_percentage=Decimal("50"))
    assert caplog.messages == [
        "With 50 % of the API rate limits, these requests can never leave and will be refused: "
        "/heavy takes 6 of POOL, which has 5"
    ]
    await passes(throttler, "/light")
    assert not throttler.execute_task("/heavy").within_capacity()
    with pytest.raises(ValueError, match='takes 6 units of "POOL", but only 5 fit'):
        await passes(throttler, "/heavy")


# ---- what a context has beside


async def test_a_requests_context_is_one_of_hummingbots() -> None:
    throttler = AsyncThrottler(TABLE)
    context = throttler.execute_task("/heavy")
    assert isinstance(context, AsyncRequestContext)
    assert isinstance(context, AsyncRequestContextBase)
    assert context._rate_limit is throttler._id_to_limit_map["/heavy"]
    assert context._related_limits == [(throttler._id_to_limit_map["POOL"], 6)]
    assert context._lock is throttler._lock
    with pytest.raises(AttributeError, match="nothing"):
        _ = context.nothing  # type: ignore[attr-defined]


async def test_capacity_and_acquire_are_the_gates() -> None:
    throttler = AsyncThrottler(TABLE)
    context = throttler.execute_task("/heavy")
    assert context.within_capacity()
    await context.acquire()
    assert throttler.usage("POOL").used == 6
    assert not context.within_capacity()


# ---- the notice


async def test_a_full_limit_is_told_of_once_with_the_numbers(
    kind: type[AsyncThrottler], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    throttler = kind(TABLE, safety_margin_pct=0)
    await passes(throttler, "/heavy")
    clock.advance(2)
    waiting = [passes(throttler, "/heavy") for _ in range(5)]
    await settle()
    assert caplog.messages == [
        "API rate limit on POOL has almost reached: 6 of 10 used in the last 5 s; "
        "the next come free in 3.0 s"
    ]
    await finish(clock, waiting)


async def test_a_logger_that_fails_does_not_fail_the_request(
    kind: type[AsyncThrottler], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_text: str) -> None:
        raise RuntimeError("no screen")

    monkeypatch.setattr(AsyncRequestContextBase.logger(), "notify", broken, raising=False)
    throttler = kind([RateLimit("a", 1, 1)])
    await passes(throttler, "a")
    second = passes(throttler, "a")
    await settle()
    await finish(clock, [second])


async def test_tests_may_replace_what_a_throttler_does(monkeypatch: pytest.MonkeyPatch) -> None:
    throttler = AsyncThrottler(TABLE)
    nothing = AsyncExitStack()
    monkeypatch.setattr(throttler, "execute_task", lambda limit_id: nothing)
    async with throttler.execute_task(limit_id="nobody"):
        pass
    monkeypatch.setattr(AsyncThrottler, "execute_task", lambda self, limit_id: limit_id)
    assert AsyncThrottler(TABLE).execute_task("x") == "x"
