"""Every connector's table of limits through both throttlers, in virtual time."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest
from hummingbot.core.api_throttler import async_request_context_base, async_throttler

from peers.hummingbot.tables import tables
from sluicegate._core import ManualClock
from sluicegate.hummingbot import AsyncThrottler, RateLimit

TABLES = tables()
START = 1_700_000_000
REQUESTS = 120

#: All of the limits; and so little that requests must wait, and some can never pass.
SHARES = [None, Decimal("10"), Decimal("0.5")]


def at_once(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs what does not wait."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def schedule(table: list[Any], seed: str) -> list[tuple[float, str]]:
    """When which requests come: bursts, and pauses about as long as the table's intervals."""
    draw = random.Random(seed)
    ids = [limit.limit_id for limit in table]
    pauses = [0.0] * 20 + [0.001, 0.05, *{limit.time_interval for limit in table}]
    favourites = draw.choices(ids, k=3)
    now, events = 0.0, []
    for _ in range(REQUESTS):
        now += draw.choice(pauses) * draw.choice([0.01, 0.5, 0.95, 1, 1.05])
        events.append((round(now, 3), draw.choice(favourites if draw.random() < 0.8 else ids)))
    return events


class Pair:
    """Hummingbot's throttler and ours, with one table and one time."""

    def __init__(
        self, table: list[Any], share: Decimal | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = self.clock = ManualClock()

        class Timed(AsyncThrottler):
            _clock = clock

        self.theirs = async_throttler.AsyncThrottler(table, limits_share_percentage=share)
        self.ours = Timed(table, limits_share_percentage=share)
        for module in (async_request_context_base, async_throttler):
            monkeypatch.setattr(module.time, "time", lambda: round(START + clock.now, 6))

    def move(self, now: float) -> None:
        self.clock.advance(round(now - self.clock.now, 3))

    def theirs_pass(self, limit_id: str) -> bool:
        context = self.theirs.execute_task(limit_id)
        context.flush()
        passes: bool = context.within_capacity()
        if passes:
            at_once(context.acquire())
        return passes

    def ours_pass(self, limit_id: str) -> bool:
        context = self.ours.execute_task(limit_id)
        passes = context.within_capacity()
        if passes:
            at_once(context.acquire())
        return passes


@pytest.mark.parametrize("share", SHARES, ids=["all", "10%", "0.5%"])
@pytest.mark.parametrize("name", TABLES)
def test_whatever_hummingbot_admits_is_admitted(
    name: str, share: Decimal | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is asked only for what Hummingbot admits, so that both have used the same."""
    pair = Pair(TABLES[name], share, monkeypatch)
    admitted = 0
    for now, limit_id in schedule(TABLES[name], name):
        pair.move(now)
        if pair.theirs_pass(limit_id):
            admitted += 1
            assert pair.ours_pass(limit_id), f"{limit_id} at {now}, after {admitted} requests"
    assert admitted


@pytest.mark.parametrize("share", SHARES, ids=["all", "10%", "0.5%"])
@pytest.mark.parametrize("name", TABLES)
def test_no_window_holds_more_than_the_table_says(
    name: str, share: Decimal | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted anew, by the table alone: no margin, and what one request takes added up."""
    pair = Pair(TABLES[name], share, monkeypatch)
    limits: dict[str, RateLimit] = pair.theirs._id_to_limit_map
    windows: dict[str, deque[tuple[float, int]]] = {limit_id: deque() for limit_id in limits}
    for now, limit_id in schedule(TABLES[name], name):
        pair.move(now)
        if not pair.ours_pass(limit_id):
            continue
        limit, related = pair.theirs.get_related_limits(limit_id)
        for charged, weight in [(limit, limit.weight), *related]:
            window = windows[charged.limit_id]
            window.append((now, weight))
            while window[0][0] <= now - charged.time_interval:
                window.popleft()
            assert sum(units for _, units in window) <= charged.limit, charged


def test_both_make_the_same_table_of_shares() -> None:
    for name, table in TABLES.items():
        for share in [None, Decimal("33.3"), Decimal("0.01"), Decimal("150")]:
            theirs = async_throttler.AsyncThrottler(table, limits_share_percentage=share)
            ours = AsyncThrottler(table, limits_share_percentage=share)
            assert repr(ours._rate_limits) == repr(theirs._rate_limits), name
            for limit_id in {limit.limit_id for limit in table}:
                own, their = ours.get_related_limits(limit_id), theirs.get_related_limits(limit_id)
                assert repr(own) == repr(their), (name, limit_id)


def test_there_are_tables_of_about_forty_connectors() -> None:
    assert len({name.split(".")[1] for name in TABLES}) >= 40
    assert sum(len(table) for table in TABLES.values()) >= 600
