"""Tables that Hummingbot's own throttler takes, however odd, and what others do to a throttler."""

from __future__ import annotations

import asyncio
import copy
import enum
import logging
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import sluicegate
from sluicegate import UnknownLimitError
from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle


class Side(enum.Enum):
    BUY = "buy"


class Name(str, enum.Enum):
    TICKER = "/ticker"


async def passes(throttler: AsyncThrottler, limit_id: Any, at_most: int = 9) -> int:
    """How many requests leave at once."""
    for count in range(at_most):
        context = throttler.execute_task(limit_id)
        if not context.within_capacity():
            return count
        async with context:
            pass
    return at_most


@pytest.mark.parametrize("interval", [0, -1, 0.0])
async def test_an_interval_of_nothing_limits_nothing(interval: float) -> None:
    assert await passes(AsyncThrottler([RateLimit("/x", 3, interval)]), "/x") == 9


@pytest.mark.parametrize("interval", [float("inf"), 1e12, Decimal(60)])
async def test_a_long_interval_is_as_long_as_can_be(interval: float) -> None:
    assert await passes(AsyncThrottler([RateLimit("/x", 3, interval)]), "/x") == 3


async def test_parts_of_a_unit_count_as_a_whole_one_and_are_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        throttler = AsyncThrottler([RateLimit("/x", 6, 60, weight=2.5)])
    assert "rounded up: /x 2.5." in caplog.text
    assert await passes(throttler, "/x") == 2
    assert [log.weight for log in throttler._task_logs] == [2.5, 2.5]


async def test_parts_of_a_unit_of_a_pool(caplog: pytest.LogCaptureFixture) -> None:
    links = [LinkedLimitWeightPair("POOL", 0.5)]  # type: ignore[arg-type]
    throttler = AsyncThrottler([RateLimit("POOL", 3, 60), RateLimit("/x", 9, 60, 1, links)])
    assert await passes(throttler, "/x") == 3
    assert len(throttler._task_logs) == 6


async def test_requests_wait_for_a_limit_of_ours_that_is_linked_to_none(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Timed(AsyncThrottler):
        _clock = clock

    # `linked_limits` is None in ours, and an empty list in Hummingbot's.
    throttler = Timed([sluicegate.RateLimit("/x", 1, 60)], safety_margin_pct=0)
    assert throttler.get_related_limits("/x")[1] == []
    async with throttler.execute_task("/x"):
        pass
    with caplog.at_level(logging.INFO):
        second = asyncio.ensure_future(throttler.execute_task("/x").__aenter__())
        await settle()
    assert "/x" in caplog.text
    assert not second.done()
    clock.advance(60)
    await asyncio.wait_for(second, 10)


def test_a_weight_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r'weight of "/x" must be .* 0 or more, not -1'):
        AsyncThrottler([RateLimit("/x", 6, 60, weight=-1)])


@pytest.mark.parametrize("limit_id", [5, None, ("a", 1), Side.BUY, Name.TICKER, 1.5, b"x"])
async def test_ids_of_any_kind(limit_id: Any) -> None:
    links = [LinkedLimitWeightPair(limit_id)]
    throttler = AsyncThrottler([RateLimit(limit_id, 4, 60), RateLimit("/x", 9, 60, 1, links)])
    assert await passes(throttler, limit_id, at_most=2) == 2
    assert await passes(throttler, "/x") == 2
    assert not throttler.execute_task(limit_id).within_capacity()
    assert {log.rate_limit.limit_id for log in throttler._task_logs} == {limit_id, "/x"}
    throttler._task_logs.clear()
    assert await passes(throttler, limit_id) == 4


async def test_ids_that_look_alike_stay_apart() -> None:
    throttler = AsyncThrottler([RateLimit(5, 1, 60), RateLimit("5", 2, 60)])  # type: ignore[arg-type]
    assert (await passes(throttler, 5), await passes(throttler, "5")) == (1, 2)


@pytest.mark.parametrize("margin", [Decimal("0.05"), None, 0])
async def test_margins(margin: Any) -> None:
    throttler = AsyncThrottler([RateLimit("/x", 3, 60)], safety_margin_pct=margin)
    assert await passes(throttler, "/x") == 3
    assert throttler.usage("/x").time_interval == pytest.approx(63 if margin else 60)


# ---- what others write


async def test_what_is_written_into_the_map_is_in_force() -> None:
    throttler = AsyncThrottler([RateLimit("/x", 3, 60)])
    throttler._id_to_limit_map["/y"] = RateLimit("/y", 2, 60)
    assert await passes(throttler, "/y") == 2
    throttler._id_to_limit_map.update({"/y": RateLimit("/y", 4, 60)})
    assert await passes(throttler, "/y") == 2
    assert throttler._id_to_limit_map.pop("/y").limit == 4
    with pytest.raises(UnknownLimitError):
        await throttler.execute_task("/y").__aenter__()
    throttler._id_to_limit_map = {"/z": RateLimit("/z", 1, 60)}
    assert await passes(throttler, "/z") == 1
    assert copy.deepcopy(throttler._id_to_limit_map).keys() == {"/z"}


def test_what_cannot_be_is_not_written() -> None:
    throttler = AsyncThrottler([RateLimit("/x", 3, 60)])
    with pytest.raises(ValueError, match="weight"):
        throttler._id_to_limit_map["/y"] = RateLimit("/y", 2, 60, weight=-1)
    assert throttler._id_to_limit_map.keys() == {"/x"}
    assert throttler.usage().keys() == {"/x"}


class Templates(AsyncThrottler):
    """Requests for ``/order/123`` are limited as ``/order``, and take two of the pool, too."""

    def get_related_limits(self, limit_id: str) -> Any:
        limit, related = super().get_related_limits("/" + limit_id.split("/")[1])
        return limit, [*related, (self._id_to_limit_map["POOL"], 2)]


async def test_a_subclass_says_what_requests_take() -> None:
    throttler = Templates([RateLimit("POOL", 5, 60), RateLimit("/order", 9, 60)])
    assert await passes(throttler, "/order/1") == 2
    assert (throttler.usage("/order").used, throttler.usage("POOL").used) == (2, 4)
    context = throttler.execute_task("/order/2")
    assert context._rate_limit.limit_id == "/order"
    assert [limit.limit_id for limit, _ in context._related_limits] == ["POOL"]
    throttler.set_rate_limits([RateLimit("POOL", 7, 60), RateLimit("/order", 9, 60)])
    assert await passes(throttler, "/order/3") == 1
    taken = [(log.rate_limit.limit_id, log.weight) for log in throttler._task_logs]
    assert sum(weight for limit_id, weight in taken if limit_id == "POOL") == 6
    assert sum(weight for limit_id, weight in taken if limit_id == "/order") == 3


async def test_a_subclass_that_knows_no_limit() -> None:
    class Knows(AsyncThrottler):
        def get_related_limits(self, limit_id: str) -> Any:
            return None, []

    throttler = Knows([RateLimit("/x", 9, 60)])
    with pytest.raises(UnknownLimitError, match="get_related_limits has no limit for '/x'"):
        await throttler.execute_task("/x").__aenter__()


async def test_a_subclass_gives_only_what_is_in_the_table() -> None:
    class Makes(AsyncThrottler):
        def get_related_limits(self, limit_id: str) -> Any:
            return RateLimit("/new", 1, 60), []

    throttler = Makes([RateLimit("/x", 9, 60)])
    with pytest.raises(ValueError, match=r"'/new', which is not in the table: .*add_rate_limits"):
        throttler.execute_task("/x")


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_says_what_would_be_right(how: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"make a new one from the table: AsyncThrottler\(rate_li"):
        how(AsyncThrottler([RateLimit("/x", 9, 60)]))
