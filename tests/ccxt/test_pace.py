"""What ccxt's settings mean as a limit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import install, usage
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


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"rateLimit": "20"}, "rateLimit must be a number, as in ccxt, not '20'"),
        ({"tokenBucket": {"refillRate": "a"}}, "must be a number, as in ccxt, not 'a'"),
        (
            {"rateLimiterAlgorithm": "rollingWindow", "rollingWindowSize": [1]},
            "rollingWindowSize must be a number, as in ccxt, not",
        ),
    ],
)
def test_a_setting_that_is_no_number_is_named(config: dict[str, Any], what: str) -> None:
    exchange = ccxt.bitstamp()
    for name, value in config.items():
        setattr(exchange, name, value)
    with pytest.raises(TypeError, match=what):
        Pace.of(exchange)


def test_a_window_at_which_ccxt_does_not_look_may_be_anything() -> None:
    assert Pace.read(20, None, "leakyBucket", "5000") == Pace(20.0, 1000.0, 50 * UNIT)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate_limit", [Decimal(20), Fraction(20)])
def test_numbers_of_other_kinds_are_numbers(rate_limit: Any) -> None:
    assert Pace.read(rate_limit, None, None, None) == Pace(20.0, 1000.0, 50 * UNIT)


@pytest.mark.parametrize("cost", ["2", float("nan"), float("inf"), [1]])
def test_a_cost_that_nobody_can_wait_for_is_an_error(cost: Any) -> None:
    install()
    exchange = ccxt.bitstamp({"rateLimit": 1})
    exchange.fetch = lambda *_, **__: {}
    exchange.calculate_rate_limiter_cost = lambda *_: cost
    with pytest.raises(ValueError, match="of bitstamp costs"):
        exchange.publicGetTickerPair({"pair": "btcusd"})
    assert all(one.in_flight == 0 for one in usage(exchange).values())


@pytest.mark.parametrize("named", ["main", ["main"], 5])
def test_a_name_of_an_account_that_is_not_in_a_dictionary_is_an_error(named: Any) -> None:
    install()
    exchange = ccxt.bitstamp({"options": {"sluicegate": named}})
    exchange.fetch = lambda *_, **__: {}
    with pytest.raises(TypeError, match='"sluicegate" must be a dictionary'):
        exchange.publicGetTickerPair({"pair": "btcusd"})
