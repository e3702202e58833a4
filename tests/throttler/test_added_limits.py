"""`add_limit` on a `Throttler`: a limit beside those of its table."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate.exchange import add_limit
from sluicegate.hummingbot import AsyncThrottler
from sluicegate.testing import ManualClock


@pytest.fixture
def throttler(clock: ManualClock) -> Throttler:
    table = [
        RateLimit("POOL", 100, 1),
        RateLimit("/depth", 3, 1, linked_limits=[LinkedLimitWeightPair("POOL", 5)]),
        RateLimit("/ping", 100, 1),
    ]
    return Throttler(table, hold="start", clock=clock)


def acquired(throttler: Throttler, limit_id: str) -> int:
    return sum(throttler.try_acquire(limit_id) for _ in range(50))


def test_it_adds_replaces_and_takes_away_a_limit(throttler: Throttler) -> None:
    before = throttler.rate_limits
    add_limit(throttler, "rate", "/depth", 2, "1s")
    assert acquired(throttler, "/depth") == 2
    add_limit(throttler, "rate", "/depth", 5, "1m")
    assert acquired(throttler, "/depth") == 1
    add_limit(throttler, "rate", "/depth", None)
    assert acquired(throttler, "/depth") == 0
    assert throttler.rate_limits == before


def test_an_id_that_the_throttler_lacks_is_known_from_now_on(throttler: Throttler) -> None:
    add_limit(throttler, "quota", "/new", 2, "1d")
    assert acquired(throttler, "/new") == 2
    add_limit(throttler, "quota", "/new", None)
    assert acquired(throttler, "/new") == 50


def test_taking_away_what_is_not_there_changes_nothing(throttler: Throttler) -> None:
    before = throttler.rate_limits
    add_limit(throttler, "rate", "/new", None)
    assert throttler.rate_limits == before


def test_several_ids_share_a_budget_and_a_star_is_all(throttler: Throttler) -> None:
    add_limit(throttler, "rate", "/depth,/ping", 4, "1s")
    add_limit(throttler, "rate", "*", 2, "1m")
    assert acquired(throttler, "/depth") + acquired(throttler, "/ping") == 2
    add_limit(throttler, "rate", "*", None)
    assert acquired(throttler, "/ping") == 2
    assert {*throttler.usage()} == {"POOL", "/depth", "/ping", "IO rate:/depth,/ping"}


def test_the_share_of_a_throttler_is_that_of_all_its_table(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 100, 1)], limits_share_percentage=50, clock=clock)
    add_limit(throttler, "rate", "/x", 10, "1s")
    add_limit(throttler, "quota", "/x", 8, "1d")
    assert acquired(throttler, "/x") == 4


def test_of_hummingbots_throttler_it_is_the_method() -> None:
    throttler = AsyncThrottler([RateLimit("/x", 100, 1)], limits_share_percentage=50)
    add_limit(throttler, "quota", "/x", 10, "1d", timezone="UTC")
    assert throttler.usage("IO quota:/x").limit == 10
    throttler.set_rate_limits([RateLimit("/x", 100, 1)])
    assert throttler.usage("IO quota:/x").limit == 10


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("rat", "/depth", 1, "1s"), ValueError, "mean 'rate'"),
        (("rate", 5, 1, "1s"), TypeError, "limit_id must be an id.* not 5"),
        (("rate", "/depth", 0, "1s"), ValueError, "not 0"),
        (("rate", "/depth", 1), TypeError, "a period is missing: write IO"),
        (("rate", "/depth", 1, "@0815"), ValueError, "quotas only"),
        (("rate", "/depth", 1, "1s", "wait"), ValueError, "must be 'delay'"),
    ],
)
def test_bad_limits_change_nothing(
    throttler: Throttler, args: Any, error: type[Exception], message: str
) -> None:
    before = throttler.rate_limits
    with pytest.raises(error, match=message):
        add_limit(throttler, *args)
    assert throttler.rate_limits == before
