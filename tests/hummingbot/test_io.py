"""`AsyncThrottler.IO`: limits of the user's own beside those of a connector."""

from __future__ import annotations

import asyncio
import copy
import datetime
import logging
from decimal import Decimal
from typing import Any

import pytest

from sluicegate import UnknownLimitError
from sluicegate._core import ManualClock
from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit, TaskLog
from tests.helpers.loops import settle

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.timezone.utc).timestamp()
TABLE = [
    RateLimit("POOL", limit=1000, time_interval=10),
    RateLimit("/a", limit=8, time_interval=10, linked_limits=[LinkedLimitWeightPair("POOL", 5)]),
    RateLimit("/b", limit=100, time_interval=10, linked_limits=[LinkedLimitWeightPair("POOL")]),
    RateLimit("/free", limit=100, time_interval=10),
]


@pytest.fixture
def kind(clock: ManualClock) -> type[AsyncThrottler]:
    """A subclass of `AsyncThrottler`, on the manual clock."""
    clock.set_wall(NOON)

    class Timed(AsyncThrottler):
        _clock = clock

    return Timed


@pytest.fixture
def throttler(kind: type[AsyncThrottler]) -> AsyncThrottler:
    return kind(TABLE)


def acquired(throttler: AsyncThrottler, limit_id: str, of: int = 20) -> int:
    return sum(throttler.try_acquire(limit_id) for _ in range(of))


def request(throttler: AsyncThrottler, limit_id: str, done: list[str]) -> asyncio.Task[None]:
    async def one() -> None:
        async with throttler.execute_task(limit_id):
            done.append(limit_id)

    return asyncio.ensure_future(one())


# ---- what it adds


def test_it_stands_beside_the_limits_of_the_id(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    throttler.IO("rate", "/a", 3, "1s")
    assert acquired(throttler, "/a") == 3
    clock.advance(1)
    assert acquired(throttler, "/a") == 3
    clock.advance(1)
    assert acquired(throttler, "/a") == 2  # The table allows 8 in 10 s.
    assert throttler.usage("POOL").used == 40
    assert acquired(throttler, "/b") == 20


def test_a_quota_ends_at_its_boundaries_in_its_time_zone(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    throttler.IO("quota", "/b", 2, "1h", timezone="UTC")
    throttler.IO("quota", "/free", 2, "@0815", timezone="Asia/Tokyo")
    assert (acquired(throttler, "/b"), acquired(throttler, "/free")) == (2, 2)
    clock.advance(3599)
    assert acquired(throttler, "/b") == 0
    clock.advance(1)
    assert acquired(throttler, "/b") == 2
    assert throttler.wait_time("/free") == (24 + 8.25 - 9 - 13) * 3600


def test_a_rate_and_a_quota_of_one_id_both_count(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "/b", 3, "1s")
    throttler.IO("quota", "/b", 4, "1d")
    assert acquired(throttler, "/b") == 3
    throttler.IO("rate", "/b", None)
    assert acquired(throttler, "/b") == 1


def test_the_same_mode_and_id_replace_it_and_what_is_used_stays_used(
    throttler: AsyncThrottler,
) -> None:
    throttler.IO("rate", "/b", 3, "1s")
    assert acquired(throttler, "/b") == 3
    throttler.IO("rate", "/b", 5, "1m")
    assert acquired(throttler, "/b") == 2
    usage = throttler.usage("IO rate:/b")
    assert (usage.used, usage.limit, usage.time_interval) == (5, 5, 60)
    assert throttler.usage("/b").used == 5


def test_a_count_of_none_takes_it_away_and_nothing_else(throttler: AsyncThrottler) -> None:
    before = throttler.rate_limits
    throttler.IO("rate", "/a", None)
    throttler.IO("rate", "/typo", None)
    throttler.IO("rate", "/a", 3, "1s")
    assert acquired(throttler, "/a") == 3
    throttler.IO("rate", "/a", None)
    assert throttler.rate_limits == before
    assert acquired(throttler, "/a") == 5


async def test_an_id_without_a_limit_becomes_known(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "/new", 1, "1s")
    context = throttler.execute_task("/new")
    assert context.within_capacity()
    await context.acquire()
    assert not context.within_capacity()
    done: list[str] = []
    waiting = request(throttler, "/new", done)
    await settle()
    assert throttler.get_related_limits("/new") == (None, [])
    # Who waits for it goes when it is lifted.
    throttler.IO("rate", "/new", None)
    await waiting
    assert acquired(throttler, "/new") == 20
    with pytest.raises(UnknownLimitError):
        throttler.usage("/other")


def test_several_ids_share_one_budget(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "/a, /free", 3, "1s")
    assert acquired(throttler, "/a", of=2) == 2
    assert acquired(throttler, "/free") == 1
    assert acquired(throttler, "/b") == 20
    throttler.IO("rate", "/free,/a,/a", None)  # In any order.
    assert acquired(throttler, "/free") == 20


def test_a_pool_counts_each_request_that_takes_from_it_once(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "POOL,/a", 4, "1s")
    assert acquired(throttler, "/a", of=3) == 3
    assert acquired(throttler, "/b") == 1
    assert acquired(throttler, "/free") == 20


def test_a_star_is_every_id_now_and_later(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "/new", 10, "1s")
    throttler.IO("rate", "*", 1, "1d")
    throttler.IO("rate", "/a, *", 4, "1s")
    throttler.add_rate_limits([RateLimit("/late", 10, 1)])
    assert [acquired(throttler, name, of=1) for name in ("/a", "/new", "/late", "/free")] == [1] * 4
    assert [acquired(throttler, name, of=1) for name in ("/a", "/new", "/late", "/b")] == [0] * 4


# ---- whose number it is


def test_neither_share_nor_margin_applies_to_it(
    kind: type[AsyncThrottler], clock: ManualClock
) -> None:
    throttler = kind(TABLE, safety_margin_pct=0.5, limits_share_percentage=Decimal("50"))
    throttler.IO("rate", "/b", 10, "10s")
    assert throttler.usage("/b").limit == 50
    assert acquired(throttler, "/b") == 10
    clock.advance(9.999)
    assert acquired(throttler, "/b") == 0
    clock.advance(0.001)
    assert acquired(throttler, "/b") == 10


async def test_a_call_counts_until_one_period_after_its_answer(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    throttler.IO("rate", "/b", 1, "10s")
    async with throttler.execute_task("/b"):
        clock.advance(60)
    clock.advance(9)
    assert throttler.wait_time("/b") == 1


# ---- beside Hummingbot's own doings


def test_connectors_that_replace_their_table_do_not_drop_it(throttler: AsyncThrottler) -> None:
    throttler.IO("rate", "/a,/late", 3, "1m")
    assert acquired(throttler, "/a", of=1) == 1
    throttler.set_rate_limits(copy.deepcopy(throttler._rate_limits))
    assert acquired(throttler, "/a", of=1) == 1
    throttler.set_rate_limits([RateLimit("/late", 100, 1)])
    assert acquired(throttler, "/late") == 1
    throttler.add_rate_limits(TABLE)
    assert (acquired(throttler, "/a"), acquired(throttler, "/late")) == (0, 0)
    assert acquired(throttler, "/b") == 20


def test_an_id_it_made_known_takes_the_connectors_limit_when_that_comes(
    kind: type[AsyncThrottler],
) -> None:
    throttler = kind([])
    throttler.IO("rate", "/a", 10, "1m")
    throttler.add_rate_limits(TABLE)
    assert throttler._id_to_limit_map["/a"].limit == 8
    assert acquired(throttler, "/a") == 8


def test_hummingbots_own_tables_do_not_show_it(throttler: AsyncThrottler) -> None:
    table, limits = throttler._rate_limits, dict(throttler._id_to_limit_map)
    related = throttler.get_related_limits("/a")
    throttler.IO("rate", "/a,/new", 3, "1s")
    assert throttler._rate_limits is table
    assert throttler._id_to_limit_map == limits
    assert throttler.get_related_limits("/a") == related
    context = throttler.execute_task("/a")
    assert (context._rate_limit, context._related_limits) == related


def test_a_limit_that_was_changed_in_place_still_changes_nothing(
    throttler: AsyncThrottler,
) -> None:
    throttler._rate_limits[1].limit = 1
    throttler.IO("rate", "/b", 3, "1s")
    assert throttler.usage("/a").limit == 8


async def test_the_log_is_hummingbots_and_writing_it_frees_nothing_of_it(
    throttler: AsyncThrottler, clock: ManualClock
) -> None:
    throttler.IO("rate", "/a,/new", 3, "10s")
    throttler.IO("quota", "/a", 9, "1d")
    async with throttler.execute_task("/a"), throttler.execute_task("/new"):
        flying = [(task.rate_limit.limit_id, task.weight) for task in throttler._task_logs]
        assert flying == [("/a", 1), ("POOL", 5)]
    limits = throttler._id_to_limit_map
    assert [task.rate_limit for task in throttler._task_logs] == [limits["/a"], limits["POOL"]]
    throttler._task_logs.clear()
    clock.advance(4)
    assert throttler.usage("/a").used == 0
    assert acquired(throttler, "/a") == 1
    throttler._task_logs.append(TaskLog(throttler._started + clock.now, limits["/b"], 1))
    throttler._task_logs = []
    assert throttler.usage("IO rate:/a,/new").used == 3
    assert throttler.usage("IO quota:/a").used == 2
    # Each of its units still leaves in its own time.
    clock.advance(6)
    assert throttler.usage("IO rate:/a,/new").used == 1
    clock.advance(5)
    throttler._task_logs.clear()
    assert throttler.usage("IO rate:/a,/new").used == 0
    assert throttler._logs is not None
    assert throttler._logs._unseen == []


async def test_who_waits_keeps_its_place(throttler: AsyncThrottler, clock: ManualClock) -> None:
    done: list[str] = []
    assert acquired(throttler, "/a") == 8
    tasks = [request(throttler, name, done) for name in ("/a", "/b", "/a")]
    await settle()
    assert done == ["/b"]
    throttler.IO("rate", "*", 1, "20s")
    tasks += [request(throttler, name, done) for name in ("/free", "/a", "/b")]
    clock.advance(10.5)
    await settle()
    for _ in range(5):
        clock.advance(20)
        await settle()
    assert done == ["/b", "/a", "/a", "/free", "/a", "/b"]
    await asyncio.gather(*tasks)


async def test_that_it_is_full_is_told_once(
    throttler: AsyncThrottler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    throttler.IO("rate", "POOL", 2, "1m")
    throttler.IO("quota", "/new", 1, "1h", timezone="UTC")
    assert (acquired(throttler, "/a"), acquired(throttler, "/new")) == (2, 1)
    waiting = [request(throttler, name, []) for name in ("/a", "/b", "/new")]
    await settle()
    assert caplog.messages == [
        "API rate limit on IO rate:POOL has almost reached: 2 of 2 used (period 1m); "
        "the next come free in 60.0 s",
        "API rate limit on IO quota:/new has almost reached: 1 of 1 used (period 1h); "
        "the next come free in 3600.0 s",
    ]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


# ---- what is refused


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("rats", "/a", 1, "1s"), ValueError, "'rate' or 'quota', not 'rats'; did you mean 'rate'"),
        ((1, "/a", 1, "1s"), ValueError, "'rate' or 'quota', not 1"),
        (("rate", None, 1, "1s"), TypeError, "limit_id must be an id, several as .* not None"),
        (("rate", "/a,,/b", 1, "1s"), ValueError, "limit_id must be an id, .* not '/a,,/b'"),
        (("rate", "", 1, "1s"), ValueError, "limit_id must be an id, .* not ''"),
        (("rate", "/a", 0, "1s"), ValueError, "a whole number from 1, or None, not 0"),
        (("rate", "/a", -1, "1s"), ValueError, "a whole number from 1, or None, not -1"),
        (("rate", "/a", 1.5, "1s"), ValueError, r"a whole number from 1, or None, not 1\.5"),
        (("rate", "/a", True, "1s"), TypeError, "a whole number from 1, or None, not True"),
        (("rate", "/a", "9", "1s"), TypeError, "a whole number from 1, or None, not '9'"),
        (("rate", "/a", 1), TypeError, 'a period is missing: write IO."rate", "/a", 1, "1s"'),
        (("rate", "/a", 1, 60), TypeError, "a period must be a str such as .*, not 60"),
        (("rate", "/a", 1, "1week"), ValueError, 'such as "100ms", not "1week"'),
        (("rate", "/a", 1, "@0815"), ValueError, "quotas only"),
        (("quota", "/a", 1, "@2500"), ValueError, 'such as "@0815", not "@2500"'),
        (("rate", "/a", 1, "1s", "dealy"), ValueError, "'delay', or left out, not 'dealy'; did"),
        (("rate", "/a", 1, "1s", 3), TypeError, "'delay', or left out, not 3"),
    ],
)
def test_bad_input_is_shown_and_changes_nothing(
    throttler: AsyncThrottler, args: Any, error: type[Exception], message: str
) -> None:
    throttler.IO("rate", "/a", 2, "1m", "delay")
    before = throttler.rate_limits
    with pytest.raises(error, match=message):
        throttler.IO(*args)
    assert throttler.rate_limits == before
    throttler.set_rate_limits(TABLE)
    assert throttler.rate_limits == before


@pytest.mark.parametrize(("mode", "zone"), [("quota", "Asia/Shanghay"), ("rate", "UTC")])
def test_a_time_zone_that_cannot_be_changes_nothing(
    throttler: AsyncThrottler, mode: str, zone: str
) -> None:
    before = throttler.rate_limits
    with pytest.raises(ValueError, match=zone):
        throttler.IO(mode, "/a", 1, "1h", timezone=zone)
    throttler.set_rate_limits(TABLE)
    assert throttler.rate_limits == before
