"""What ccxt's settings mean as a limit."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from sluicegate.ccxt.defaults import pace_of_class
from sluicegate.ccxt.pace import UNIT, Pace, paced


@pytest.mark.parametrize(
    ("config", "units", "window"),
    [
        ({"rateLimit": 20}, 50, 1000),
        ({"rateLimit": 1000}, 1, 1000),
        ({"rateLimit": 3000}, 1, 3000),
        ({"rateLimit": 34}, 29.411764, 1000),
        (
            {"rateLimit": 50, "rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": 60000},
            1200,
            60000,
        ),
        (
            {"rateLimit": 50, "rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": 0},
            20,
            1000,
        ),
        ({"tokenBucket": {"refillRate": 1 / 200}}, 5, 1000),
    ],
)
def test_settings_are_a_window_and_what_fits_in_it(
    config: dict[str, Any], units: float, window: float
) -> None:
    pace = Pace.of(ccxt.bitstamp(config))
    assert pace is not None
    assert pace.window == window
    assert pace.units == int(units * UNIT)


@pytest.mark.parametrize("rate_limit", [0, -1, float("inf")])
def test_no_pace_is_none(rate_limit: float) -> None:
    assert Pace.read(rate_limit, None, None, None) is None


def test_a_pace_that_nobody_set_is_the_class_s() -> None:
    for kind in (ccxt.binance, ccxt.kraken, ccxt.okx, ccxt.bitstamp):
        plain, set_by_user = kind(), kind({"rateLimit": 777})
        assert Pace.of(plain) == pace_of_class(plain) == pace_of_class(set_by_user)
        assert Pace.of(set_by_user) != pace_of_class(set_by_user)


def test_a_cost_is_never_less_than_it_says() -> None:
    assert paced("pace", UNIT, 0.0067) == ("pace", 6_700, 0, 0)
    assert paced("pace", UNIT, 1 / 3) == ("pace", 333_334, 0, 0)


def test_a_cost_above_the_window_takes_whole_windows_before() -> None:
    assert paced("pace", 50 * UNIT, 120) == ("pace", 20 * UNIT, 2, 50 * UNIT)
    assert paced("pace", 50 * UNIT, 100) == ("pace", 50 * UNIT, 1, 50 * UNIT)
