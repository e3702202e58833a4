"""`_task_logs`: the live log of what was taken, to read and to write."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from sluicegate._core import ManualClock
from sluicegate.hummingbot import (
    AsyncRequestContext,
    AsyncThrottler,
    LinkedLimitWeightPair,
    RateLimit,
    TaskLog,
)
from tests.helpers.loops import settle

TABLE = [
    RateLimit("POOL", limit=10, time_interval=5),
    RateLimit("a", limit=5, time_interval=5, linked_limits=[LinkedLimitWeightPair("POOL", 2)]),
    RateLimit("b", limit=5, time_interval=5, linked_limits=[LinkedLimitWeightPair("POOL", 3)]),
]


@pytest.fixture
def throttler(clock: ManualClock) -> AsyncThrottler:
    class Timed(AsyncThrottler):
        _clock = clock

    return Timed(TABLE, safety_margin_pct=0)


def taken(logs: list[TaskLog]) -> list[tuple[str, int]]:
    return [(task.rate_limit.limit_id, task.weight) for task in logs]


async def send(throttler: AsyncThrottler, *limit_ids: str) -> None:
    for limit_id in limit_ids:
        async with throttler.execute_task(limit_id):
            pass


async def test_it_has_an_entry_for_each_limit_that_a_request_took_from(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    logs = throttler._task_logs
    assert logs == []
    await send(throttler, "a")
    clock.advance(1)
    await send(throttler, "b")
    assert taken(logs) == [("a", 1), ("POOL", 2), ("b", 1), ("POOL", 3)]
    assert len(logs) == 4
    assert logs[0].rate_limit is throttler._id_to_limit_map["a"]
    assert logs[2].timestamp - logs[0].timestamp == pytest.approx(1)
    assert abs(logs[0].timestamp - time.time()) < 60


async def test_what_left_its_window_leaves_the_log(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    await send(throttler, "a")
    clock.advance(5)
    assert throttler._task_logs == []


async def test_requests_in_flight_are_in_it_one_by_one(throttler: AsyncThrottler) -> None:
    async with AsyncExitStack() as stack:
        for limit_id in ("a", "b", "a", "POOL"):
            await stack.enter_async_context(throttler.execute_task(limit_id))
        flying = sorted(taken(throttler._task_logs))
    assert flying == [("POOL", 1), ("POOL", 2), ("POOL", 2), ("POOL", 3), *[("a", 1)] * 2, ("b", 1)]
    assert sorted(taken(throttler._task_logs)) == flying


WRITES: list[Callable[[AsyncThrottler, list[TaskLog]], object]] = [
    lambda throttler, new: throttler._task_logs.extend(new),
    lambda throttler, new: [throttler._task_logs.append(task) for task in new],
    lambda throttler, new: throttler._task_logs.__iadd__(new),
    lambda throttler, new: setattr(throttler, "_task_logs", new),
    lambda throttler, new: throttler._task_logs.__setitem__(slice(None), new),
]


@pytest.mark.parametrize("write", WRITES)
async def test_what_is_written_counts_and_runs_out(
    throttler: AsyncThrottler,
    clock: ManualClock,
    write: Callable[[AsyncThrottler, list[TaskLog]], object],
) -> None:
    clock.advance(60)
    limit = throttler._id_to_limit_map["a"]
    now = throttler._started + clock.now
    new = [TaskLog(now - 60, limit, 5), TaskLog(now - 2, limit, 3), TaskLog(now, limit, 2)]
    write(throttler, new)
    assert throttler._task_logs == new
    assert throttler.usage("a").used == 5
    assert not throttler.execute_task("a").within_capacity()
    assert throttler.wait_time("a") == pytest.approx(3, abs=1e-6)
    clock.advance(3.001)
    await send(throttler, "a")
    assert taken(throttler._task_logs)[3:] == [("a", 1), ("POOL", 2)]


async def test_an_entry_that_is_refused_leaves_the_log_as_it_was(
    throttler: AsyncThrottler,
) -> None:
    own = throttler._id_to_limit_map["a"]
    await send(throttler, "a")
    for weight in (-1, float("inf"), None):
        with pytest.raises(ValueError, match="weight of an entry of 'a'"):
            throttler._task_logs.append(TaskLog(time.time(), own, weight))  # type: ignore[arg-type]
    throttler._task_logs.append(TaskLog(time.time(), own, 1.5))  # type: ignore[arg-type]
    assert len(throttler._task_logs) == 3
    assert throttler.usage("a").used == 3


async def test_what_is_written_stays_in_it_until_it_is_flushed() -> None:
    throttler = AsyncThrottler(TABLE)
    old = TaskLog(1.0, throttler._id_to_limit_map["a"], 1)
    throttler._task_logs.append(old)
    assert throttler._task_logs == [old]
    assert throttler.usage("a").used == 0
    throttler.execute_task("a").flush()
    assert throttler._task_logs == []


@pytest.mark.parametrize(
    "clear", [lambda logs: logs.clear(), lambda logs: logs.__delitem__(slice(None))]
)
async def test_what_is_taken_out_no_longer_counts(
    throttler: AsyncThrottler, clear: Callable[[list[TaskLog]], object]
) -> None:
    await send(throttler, "a", "b")
    clear(throttler._task_logs)
    assert throttler._task_logs == []
    assert throttler.usage("POOL").used == 0


async def test_assigning_an_empty_log_forgets_what_nobody_looked_at(
    throttler: AsyncThrottler,
) -> None:
    await send(throttler, "a")
    throttler._task_logs = []
    assert throttler.usage("a").used == 0


async def test_requests_in_flight_stay_in_flight_whatever_is_written(
    throttler: AsyncThrottler,
) -> None:
    async with throttler.execute_task("a"):
        throttler._task_logs.clear()
        assert throttler.usage("POOL").in_flight == 2
        throttler._task_logs.append(TaskLog(time.time(), throttler._id_to_limit_map["a"], 1))
        assert throttler.usage("a").used == 2
    assert sorted(taken(throttler._task_logs)) == [("POOL", 2), ("a", 1), ("a", 1)]


async def test_room_made_in_the_log_lets_a_waiting_request_go(throttler: AsyncThrottler) -> None:
    await send(throttler, *["a"] * 5)
    waiting = asyncio.ensure_future(send(throttler, "a"))
    await settle()
    assert not waiting.done()
    throttler._task_logs.clear()
    await settle()
    assert waiting.done()


async def test_a_context_built_on_it_shares_the_gates_account(throttler: AsyncThrottler) -> None:
    limit, related = throttler.get_related_limits("b")
    built = AsyncRequestContext(throttler._task_logs, limit, related, throttler._lock, 0.0)
    for _ in range(3):
        await built.acquire()
    assert throttler.usage("POOL").used == 9
    assert not built.within_capacity()
    assert not throttler.execute_task("b").within_capacity()


async def test_copies_of_it_are_plain_lists(throttler: AsyncThrottler) -> None:
    await send(throttler, "a")
    logs = throttler._task_logs
    for same in (copy.copy(logs), copy.deepcopy(logs), list(logs), [*logs], logs[:]):
        assert type(same) is list
        assert taken(same) == [("a", 1), ("POOL", 2)]
    assert logs[0] in logs
    assert repr(logs).startswith("[TaskLog(")


async def test_units_of_limits_that_are_gone_are_not_in_it(throttler: AsyncThrottler) -> None:
    await send(throttler, "a")
    throttler.set_rate_limits(TABLE[:1])
    assert {limit_id for limit_id, _ in taken(throttler._task_logs)} == {"POOL"}


async def test_what_was_taken_before_the_throttler_was_made_runs_out_in_its_time() -> None:
    throttler = AsyncThrottler(TABLE, safety_margin_pct=0)
    throttler._task_logs = [TaskLog(time.time() - 4, throttler._id_to_limit_map["a"], 5)]
    assert 0 < throttler.wait_time("a") <= 1


async def test_a_log_outlives_its_throttler(throttler: AsyncThrottler) -> None:
    logs = AsyncThrottler(TABLE)._task_logs
    assert len(logs) == 0
    logs.append(TaskLog(1.0, TABLE[0], 1))
    assert len(logs) == 1
