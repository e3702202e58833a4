"""Request contexts that are built by hand, on a log that the test fills."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import pytest

from sluicegate import UnknownLimitError
from sluicegate.hummingbot import (
    AsyncRequestContext,
    AsyncRequestContextBase,
    LinkedLimitWeightPair,
    RateLimit,
    TaskLog,
)
from sluicegate.hummingbot.notices import Notices

NOON = 1_700_000_000.0
LIMIT = RateLimit("a", 2, 0.2)
POOL = RateLimit("POOL", 10, 5)


class Timed(AsyncRequestContext):
    """A context at an instant that its test sets."""

    now = NOON

    def _time(self) -> float:
        return self.now


def context(
    logs: list[TaskLog], limit: RateLimit | None = LIMIT, related: Any = (), margin: float = 0.0
) -> Timed:
    return Timed(logs, limit, list(related), asyncio.Lock(), margin, 0.001)


def test_a_unit_counts_to_the_very_end_of_its_interval() -> None:
    request = context([TaskLog(NOON, LIMIT, 1), TaskLog(NOON + 0.1, LIMIT, 1)])
    for now, within in [(0.1, False), (0.2, False), (0.2001, True)]:
        request.now = NOON + now
        assert request.within_capacity() is within


def test_the_margin_keeps_a_unit_longer() -> None:
    request = context([TaskLog(NOON, LIMIT, 2)], margin=0.5)
    request.now = NOON + 0.29
    assert not request.within_capacity()
    request.now = NOON + 0.31
    assert request.within_capacity()


def test_every_limit_needs_room_for_its_weight() -> None:
    logs = [TaskLog(NOON, POOL, 6)]
    limit = RateLimit("b", sys.maxsize, 1)
    assert context(logs, limit, [(POOL, 4)]).within_capacity()
    assert not context(logs, limit, [(POOL, 5)]).within_capacity()
    assert (
        not context(logs, POOL, [])
        .__class__(logs, RateLimit("POOL", 6, 5), [], asyncio.Lock(), 0)
        .within_capacity()
    )


def test_flush_drops_what_no_longer_counts_and_keeps_the_list() -> None:
    now = time.time()
    logs = [TaskLog(1.0, POOL, 1), TaskLog(now - 5.1, POOL, 1), TaskLog(now, POOL, 1)]
    kept, same = logs[1:], logs
    context(logs, POOL, margin=0.05).flush()
    assert logs is same
    assert logs == kept
    context(logs, POOL).flush()
    assert logs == kept[1:]


async def test_acquire_logs_the_limit_and_each_related_one() -> None:
    logs: list[TaskLog] = []
    await context(logs, LIMIT, [(POOL, 3), (POOL, 1)]).acquire()
    taken = [(task.rate_limit, task.weight) for task in logs]
    assert taken == [(LIMIT, 1), (POOL, 3), (POOL, 1)]
    assert abs(logs[0].timestamp - time.time()) < 60


async def test_acquire_waits_for_room_and_goes_when_there_is_some() -> None:
    logs = [TaskLog(time.time() + 60, LIMIT, 2)]
    request = AsyncRequestContext(logs, LIMIT, [], asyncio.Lock(), 0, 0.001)
    waiting = asyncio.ensure_future(request.acquire())
    done, _ = await asyncio.wait([waiting], timeout=0.02)
    assert not done
    logs.clear()
    await asyncio.wait_for(waiting, 60)
    assert len(logs) == 1


async def test_a_context_without_a_limit_always_has_capacity_and_cannot_be_entered() -> None:
    request = context([], None)
    assert request.within_capacity()
    with pytest.raises(UnknownLimitError, match="without a rate limit"):
        await request.acquire()


async def test_a_context_of_ones_own_waits_by_its_own_rule() -> None:
    class OneAtATime(AsyncRequestContextBase):
        def within_capacity(self) -> bool:
            return not self._task_logs

    logs: list[TaskLog] = []
    async with OneAtATime(logs, LIMIT, [], asyncio.Lock(), 0):
        assert len(logs) == 1
    assert not OneAtATime(logs, LIMIT, [], asyncio.Lock(), 0).within_capacity()


# ---- data types


def test_limits_are_shown_as_hummingbot_shows_them() -> None:
    limit = RateLimit("a", 1, 2.5, 3, [LinkedLimitWeightPair("b")])
    assert repr(limit) == (
        "limit_id: a, limit: 1, time interval: 2.5, weight: 3, "
        "linked_limits: [LinkedLimitWeightPair(limit_id='b', weight=1)]"
    )
    assert RateLimit("a", 1, 1).linked_limits == []


def test_pairs_and_entries_compare_by_their_values() -> None:
    assert LinkedLimitWeightPair("a") == LinkedLimitWeightPair("a", 1)
    assert LinkedLimitWeightPair("a") != LinkedLimitWeightPair("a", 2)
    assert LinkedLimitWeightPair("a") != ("a", 1)
    assert TaskLog(1.0, LIMIT, 1) == TaskLog(1.0, LIMIT, 1)
    assert TaskLog(1.0, LIMIT, 1) != TaskLog(1.0, POOL, 1)
    assert TaskLog(1.0, LIMIT, 1) != "entry"


# ---- notices


def test_each_limit_is_told_of_once_in_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    notices = Notices(clock=lambda: now)
    logger = AsyncRequestContextBase.logger()
    caplog.set_level("INFO")
    for now in (100.0, 129.9, 130.0):  # noqa: B007  # The clock reads it.
        notices.almost_reached(logger, LIMIT, 2)
        notices.almost_reached(logger, POOL, 9)
    assert [message.split()[4] for message in caplog.messages] == ["a", "POOL"] * 2
