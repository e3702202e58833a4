"""Hummingbot's throttler with limits that several processes share."""

from __future__ import annotations

import copy
import subprocess
import sys
import types
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sluicegate import Share
from sluicegate._share.both_scopes import both_scopes, twin
from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit
from sluicegate.hummingbot.connector import connector_of
from sluicegate.limits import RateLimit as CoreLimit
from tests.helpers.platforms import needs_budget_in_a_file

pytestmark = needs_budget_in_a_file

TABLE = [
    RateLimit("WEIGHT", 100, 50),
    RateLimit("/ping", 1000, 50, linked_limits=[LinkedLimitWeightPair("WEIGHT", 10)]),
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/budget.db"


async def enter(throttler: AsyncThrottler, limit_id: str, times: int = 1) -> None:
    for _ in range(times):
        async with throttler.execute_task(limit_id):
            pass


def shared(throttler: AsyncThrottler, limit_id: str) -> Any:
    return throttler.usage(limit_id).shared


# ---- whom a limit counts


def test_each_limit_counts_for_the_account_and_for_the_address() -> None:
    link = LinkedLimitWeightPair("WEIGHT", 10)
    table = [CoreLimit("WEIGHT", 100, 50), CoreLimit("/ping", 1000, 50, 2, [link])]  # type: ignore[list-item]
    rows = {row.limit_id: row for row in both_scopes(table)}
    assert {name: (row.limit, row.scope) for name, row in rows.items()} == {
        "WEIGHT": (100, "account"),
        "/ping": (1000, "account"),
        twin("WEIGHT"): (100, "address"),
        twin("/ping"): (1000, "address"),
    }
    takes = {pair.limit_id: pair.weight for pair in rows["/ping"].linked_limits or []}
    assert takes == {"WEIGHT": 10, twin("/ping"): 2, twin("WEIGHT"): 10}


def test_what_limits_nothing_has_no_second_one() -> None:
    (row,) = both_scopes([CoreLimit("any", 1 << 62, 1)])
    assert row.linked_limits == []


@pytest.mark.parametrize(
    ("account", "address", "together"),
    [("a", "x", True), ("a", "y", True), ("b", "x", True), ("b", "y", False)],
)
async def test_bots_that_have_an_account_or_an_address_in_common_are_within_the_limit_together(
    url: str, account: str, address: str, together: bool
) -> None:
    one = AsyncThrottler(TABLE, share=Share(url, account="a", address="x"))
    other = AsyncThrottler(TABLE, share=Share(url, account=account, address=address))
    await enter(one, "/ping", 10)
    assert other.wait_time("/ping") > 0, "it has nothing yet"
    if together:
        assert not other.charge("/ping")
        one.close()
        assert not other.charge("/ping")
    else:
        await enter(other, "/ping", 10)
    other.close()
    one.close()


# ---- this bot's share of it


async def test_the_share_caps_this_bots_part_of_the_whole(url: str) -> None:
    half = AsyncThrottler(TABLE, 0.1, 0.0, Decimal("50"), share=url)
    whole = AsyncThrottler(TABLE, 0.1, 0.0, share=url)
    await enter(half, "/ping", 5)
    assert not half.charge("/ping")
    assert shared(half, "WEIGHT").limit == 100
    assert half._id_to_limit_map["WEIGHT"].limit == 50, "as Hummingbot shows it"
    await enter(whole, "/ping", 5)
    assert not whole.charge("/ping")
    half.close()
    whole.close()


def test_a_table_that_is_changed_and_handed_back_leaves_the_whole_as_it_is(url: str) -> None:
    throttler = AsyncThrottler(TABLE, 0.1, 0.0, Decimal("50"), share=url)
    table = copy.deepcopy(throttler._rate_limits)
    table.append(RateLimit("/time", 7, 50))
    throttler.set_rate_limits(table)
    wholes = {row.limit_id: row.limit for row in throttler.rate_limits}
    assert (wholes["WEIGHT"], wholes["/ping"], wholes["/time"]) == (100, 1000, 7)
    table[0].limit = 60
    throttler.set_rate_limits(table)
    wholes = {row.limit_id: row.limit for row in throttler.rate_limits}
    assert wholes["WEIGHT"] == 60, "the connector has learned another one"
    throttler.close()


def test_a_share_with_which_a_request_can_never_leave_is_told(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    throttler = AsyncThrottler(TABLE, limits_share_percentage=Decimal("5"), share=url)
    assert "With 5 % of the API rate limits, these requests can never leave" in caplog.text
    assert "/ping takes 10 of WEIGHT, which has 5" in caplog.text
    throttler.close()


# ---- whose budget it is


class ConnectorBase:
    """As Hummingbot's."""

    __module__ = "hummingbot.connector.exchange_py_base"


def made_in(module: str, function: Any) -> Any:
    """The function as if it were written in a module of that name."""
    places = {**function.__globals__, "__name__": module, "__package__": module.rpartition(".")[0]}
    return types.FunctionType(function.__code__, places, closure=function.__closure__)


def make(self: Any = None) -> str:
    return connector_of(sys._getframe())


def in_function() -> str:
    return connector_of(sys._getframe())


def test_a_connector_has_its_own_name_which_tells_domains_apart() -> None:
    class Binance(ConnectorBase):
        name = "binance_us"

    Binance.__module__ = "hummingbot.connector.exchange.binance.binance_exchange"
    assert made_in("hummingbot.connector.exchange_py_base", make)(Binance()) == "binance_us"


def test_a_connector_whose_name_is_not_ready_has_that_of_its_package() -> None:
    class Binance(ConnectorBase):
        @property
        def name(self) -> str:
            raise AttributeError("_domain")

    Binance.__module__ = "hummingbot.connector.exchange.binance.binance_exchange"
    assert made_in("hummingbot.connector.exchange_py_base", make)(Binance()) == "binance"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("hummingbot.connector.exchange.okx.okx_web_utils", "okx"),
        ("hummingbot.connector.derivative.okx_perpetual.okx_perpetual_web_utils", "okx_perpetual"),
        ("hummingbot.data_feed.coin_gecko_data_feed.coin_gecko_data_feed", "coin_gecko_data_feed"),
        ("my_bot.exchange", "my_bot"),
        ("my_bot", "my_bot"),
    ],
)
def test_without_a_connector_the_package_that_makes_the_throttler_decides(
    module: str, name: str
) -> None:
    assert made_in(module, in_function)() == name


def test_what_is_for_all_exchanges_is_passed_over() -> None:
    inner = made_in("hummingbot.connector.utils", in_function)
    outer = made_in("hummingbot.connector.exchange.htx.htx_web_utils", lambda: inner())
    assert outer() == "htx"


def test_a_feeds_class_decides_and_not_the_base_that_makes_the_throttler() -> None:
    class Candles:
        name = "binance_BTC-USDT"

    Candles.__module__ = "hummingbot.data_feed.candles_feed.binance_spot_candles.candles"
    base = made_in("hummingbot.data_feed.candles_feed.candles_base", make)
    assert base(Candles()) == "binance_spot_candles"


PROGRAM = """
import asyncio
from sluicegate.hummingbot import AsyncThrottler, RateLimit
throttler = AsyncThrottler([RateLimit("x", 10, 50)])
async def main():
    async with throttler.execute_task("x"):
        pass
asyncio.run(main())
usage = throttler.usage("x").shared
print(usage and usage.scope)
"""


@pytest.mark.parametrize(
    ("env", "scope"),
    [
        ({}, "None"),
        ({"SLUICEGATE_SHARE": ""}, "None"),
        ({"SLUICEGATE_SHARE": "URL"}, "account:default/bot"),
        ({"SLUICEGATE_SHARE": "URL", "SLUICEGATE_ACCOUNT": "main"}, "account:main/bot"),
    ],
)
def test_the_environment_has_the_limits_shared(
    tmp_path: Path, url: str, env: dict[str, str], scope: str
) -> None:
    (tmp_path / "bot.py").write_text(PROGRAM)
    env = {name: url if value == "URL" else value for name, value in env.items()}
    done = subprocess.run(
        [sys.executable, "bot.py"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"{scope}\n", done.stderr
