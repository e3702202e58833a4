"""What a request takes from which limits: pools, weights, units, margins and shares."""

from __future__ import annotations

import threading
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate import (
    RateLimit,
    Throttler,
)
from sluicegate.testing import ManualClock
from tests.throttler.tables import BINANCE, used


def test_a_request_takes_from_its_own_limit_and_from_each_pool_by_its_weight() -> None:
    throttler = Throttler(BINANCE)
    with throttler.execute_task("/order"), throttler.execute_task("/depth"):
        pass
    expected = {"REQUEST_WEIGHT": 51, "ORDERS": 1, "ORDERS_24HR": 1, "/depth": 1, "/order": 1}
    assert used(throttler) == expected


def test_a_request_takes_from_all_its_limits_or_from_none(clock: ManualClock) -> None:
    throttler = Throttler(BINANCE, clock=clock)
    assert throttler.try_acquire("/order", 10)
    before = used(throttler)
    assert not throttler.try_acquire("/order")
    assert used(throttler) == before
    clock.advance(1)
    assert throttler.try_acquire("/order")


def test_units_multiply_every_weight() -> None:
    throttler = Throttler(BINANCE)
    assert throttler.try_acquire("/depth", 3)
    assert used(throttler) == {
        **dict.fromkeys(used(throttler), 0),
        "REQUEST_WEIGHT": 150,
        "/depth": 3,
    }


def test_an_order_that_waits_holds_no_market_data_up(clock: ManualClock) -> None:
    throttler = Throttler(BINANCE, clock=clock)
    assert throttler.try_acquire("/order", 10)
    waiting = throttler.execute_task("/order")
    thread = threading.Thread(target=lambda: waiting.__enter__())
    thread.start()
    while throttler.usage("ORDERS").waiting == 0:
        pass
    assert throttler.try_acquire("/depth", 23), "all but what the order has reserved"
    assert not throttler.try_acquire("/depth"), "40 are left: not enough"
    clock.advance(1)
    thread.join()
    assert throttler.usage("ORDERS").in_flight == 1


def test_the_margin_keeps_units_longer(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], safety_margin_pct=0.05, clock=clock)
    assert throttler.try_acquire("/x")
    clock.advance(10.499)
    assert not throttler.try_acquire("/x")
    clock.advance(0.001)
    assert throttler.try_acquire("/x")


@pytest.mark.parametrize("share", [50, 50.0, Decimal("50"), Fraction(50)])
def test_the_share_of_every_limit_is_rounded_down_and_at_least_one(share: Any) -> None:
    table = [RateLimit("a", 5, 1), RateLimit("b", 1, 1)]
    throttler = Throttler(table, limits_share_percentage=share)
    assert [usage.limit for usage in throttler.usage().values()] == [2, 1]


@pytest.mark.parametrize(
    ("limit", "units"), [(2.9, 2), (Decimal("3.5"), 3), (2**63 - 1, 2**62), (10**30, 2**62)]
)
def test_limits_are_whole_units_and_huge_ones_mean_no_limit(limit: Any, units: int) -> None:
    assert Throttler([RateLimit("a", limit, 1)]).usage("a").limit == units


def test_of_limits_with_the_same_id_the_last_one_stands() -> None:
    with pytest.warns(RuntimeWarning, match="the last one counts"):
        throttler = Throttler([RateLimit("a", 1, 1), RateLimit("b", 1, 1), RateLimit("a", 3, 1)])
    assert throttler.usage("a").limit == 3
    assert list(throttler.usage()) == ["a", "b"]


def test_any_object_with_the_attributes_is_a_limit() -> None:
    pair = SimpleNamespace(limit_id="POOL", weight=2)
    rows = [
        SimpleNamespace(limit_id="POOL", limit=10, time_interval=Decimal("1.5")),
        SimpleNamespace(limit_id="/x", limit=10, time_interval=1, weight=1, linked_limits=(pair,)),
    ]
    throttler = Throttler(row for row in rows)
    assert throttler.try_acquire("/x")
    assert used(throttler) == {"POOL": 2, "/x": 1}
    assert throttler.usage("POOL").time_interval == 1.5


def test_a_weight_of_zero_leaves_its_own_limit_out() -> None:
    throttler = Throttler([RateLimit("a", 1, 1, weight=0)])
    assert all(throttler.try_acquire("a") for _ in range(5))
    assert throttler.usage("a").used == 0


def test_a_str_of_another_class_is_an_id_too() -> None:
    class Path(str):
        def __hash__(self) -> int:
            raise AssertionError("no code of its own may run")

    throttler = Throttler([RateLimit("/x", 1, 1)])
    assert throttler.try_acquire(Path("/x"))


def test_charge_takes_for_good_and_try_acquire_is_its_other_name(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 3, 10)], clock=clock)
    assert throttler.charge("/x")
    assert throttler.charge("/x", units=2)
    assert not throttler.charge("/x")
    assert not throttler.try_acquire("/x")
    usage = throttler.usage("/x")
    assert (usage.used, usage.in_flight) == (3, 0)
    clock.advance(10)
    assert throttler.try_acquire("/x", units=3)
