"""Ids that are made from requests: an order for several instruments has one for each set."""

from __future__ import annotations

import asyncio
import json

import pytest

from sluicegate import tables
from sluicegate.ccxt import budget as budget_module
from sluicegate.ccxt.budget import Budget
from sluicegate.ccxt.pace import UNIT, Pace
from sluicegate.tables import Route
from sluicegate.testing import ManualClock

OKX = tables.load("okx")


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "MOST_MADE", 10)


def batch(*instruments: str) -> Route:
    orders = json.dumps([{"instId": name} for name in instruments])
    return OKX.route("POST", "/api/v5/trade/batch-orders", orders)


def test_they_do_not_stay_for_ever_and_what_counts_does() -> None:
    budget = Budget(clock=ManualClock())
    pace = budget.pace(Pace(100, 1_000, 10 * UNIT), "")
    names = [f"S{number}" for number in range(12)]
    for name in names:
        budget.route(OKX, batch(name, name), "", "")
    both = budget.route(OKX, batch("S0", "S1"), "", "")
    assert budget.throttler.charge(both)
    known = len(budget.throttler.rate_limits)
    for one in names:
        for other in names:
            route_id = budget.route(OKX, batch(one, other, "S0"), "", "")
            together = budget.with_pace(route_id, pace, 1)
            assert together is not None
            assert together in budget.throttler
            assert both in budget.throttler, "it was asked for again and again"
            assert budget.route(OKX, batch("S0", "S1"), "", "") in budget.throttler
    # Twice as many: with a pace each has one more.
    assert len(budget.throttler.rate_limits) <= known + 22
    assert budget.throttler.usage("POST /api/v5/trade/batch-orders [S0]").used == 1
    # Another pace makes the whole table anew.
    other_pace = budget.pace(Pace(50, 1_000, 20 * UNIT), "")
    assert {both, other_pace} <= {row.limit_id for row in budget.throttler.rate_limits}


@pytest.mark.parametrize("with_pace", [False, True])
def test_one_that_requests_wait_for_is_not_forgotten(with_pace: bool) -> None:
    clock = ManualClock()
    budget = Budget(clock=clock)
    route_id = limit_id = budget.route(OKX, batch("S0", "S1"), "", "")
    if with_pace:
        together = budget.with_pace(route_id, budget.pace(Pace(100, 1_000, 10 * UNIT), ""), 1)
        assert together is not None
        limit_id = together

    async def main() -> None:
        while budget.throttler.charge(limit_id):
            pass

        async def place() -> str:
            async with budget.throttler.execute_task(limit_id):
                return "placed"

        placed = asyncio.create_task(place())
        await asyncio.sleep(0)
        for number in range(2, 40):
            budget.route(OKX, batch(f"S{number}", f"S{number + 1}"), "", "")
        assert limit_id in budget.throttler
        assert budget.route(OKX, batch("S0", "S1"), "", "") == route_id
        assert route_id in budget.throttler
        clock.advance(10)
        assert await placed == "placed"

    asyncio.run(main())
