"""Mistakes in a table that are no error but change what is limited: they are warned of."""

from __future__ import annotations

import warnings
from decimal import Decimal

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate.exchange import add_limit
from sluicegate.hummingbot import AsyncThrottler
from sluicegate.hummingbot import RateLimit as HummingbotLimit


def test_two_different_limits_with_one_id_are_warned_of() -> None:
    table = [RateLimit("/x", 5, 1), RateLimit("/y", 5, 1), RateLimit("/x", 7, 1)]
    with pytest.warns(RuntimeWarning, match='two different limits with the id "/x": the last one'):
        throttler = Throttler(table)
    assert throttler.usage("/x").limit == 7
    with pytest.warns(RuntimeWarning, match='two different limits with the id "/x"'):
        throttler.set_rate_limits(table)


def test_the_same_limit_twice_is_nothing_to_warn_of() -> None:
    Throttler([RateLimit("/x", 5, 1), RateLimit("/x", 5, 1)])


def test_a_limit_linked_to_itself_is_refused() -> None:
    table = [RateLimit("/x", 5, 1, linked_limits=[LinkedLimitWeightPair("/x", 2)])]
    with pytest.raises(ValueError, match='limit "/x" is linked to itself: leave the link out'):
        Throttler(table)
    throttler = Throttler([RateLimit("/x", 5, 1)])
    for change in (throttler.set_rate_limits, throttler.add_rate_limits):
        with pytest.raises(ValueError, match="linked to itself"):
            change(table)
    assert throttler.charge("/x", 5)


def test_a_share_of_less_than_one_percent_is_warned_of() -> None:
    message = "limits_share_percentage=0.5 is less than one percent; for a share of 0.5, write 50"
    with pytest.warns(RuntimeWarning, match=message):
        assert Throttler([RateLimit("/x", 200, 1)], limits_share_percentage=0.5).usage("/x")
    with pytest.warns(RuntimeWarning, match=message):
        AsyncThrottler([HummingbotLimit("/x", 200, 1)], limits_share_percentage=Decimal("0.5"))
    Throttler([], limits_share_percentage=1)
    AsyncThrottler([], limits_share_percentage=Decimal("1"))


async def test_an_added_limit_for_an_id_that_looks_like_another_is_warned_of() -> None:
    message = "no limit has the id '/pnig' so far; did you mean '/ping'?"
    plain = Throttler([RateLimit("/ping", 5, 1)])
    with pytest.warns(RuntimeWarning, match=message):
        add_limit(plain, "rate", "/pnig", 5, "1s")
    hummingbots = AsyncThrottler([HummingbotLimit("/ping", 5, 1)])
    with pytest.warns(RuntimeWarning, match=message):
        hummingbots.IO("rate", "/pnig", 5, "1s")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("/pnig", "/ping", "*", "/something/else/altogether"):
            hummingbots.IO("rate", name, 5, "1s")
        hummingbots.IO("rate", "/pgin", None)
