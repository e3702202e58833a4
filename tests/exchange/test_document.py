"""Every example of FMZ's document, in its Python form, behaves as its comments say."""

from __future__ import annotations

import pytest

from tests.exchange.fmz import World


@pytest.fixture
def world() -> World:
    return World()


def successes(world: World) -> list[bool]:
    return [what[-1] == "Success" for _, what in world.log]


def test_rate_returns_none_over_ten_a_second(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 10, "1s")
    for _ in range(40):
        ticker = exchange.GetTicker("BTC_USDT")
        world.Log("Success" if ticker else "Rate limit exceeded")
        world.Sleep(50)
    # 20 calls a second: the first ten of each second are sent.
    assert successes(world) == ([True] * 10 + [False] * 10) * 2


def test_quota_is_aligned_to_whole_seconds(world: World) -> None:
    exchange = world.exchange
    world.Sleep(400)
    exchange.IO("quota", "GetTicker", 5, "1s")
    for _ in range(20):
        world.Log("Success" if exchange.GetTicker("BTC_USDT") else "Quota exceeded")
        world.Sleep(75)
    # 12:00:00.400 to 12:00:01.000, then 12:00:01 and what is left of 20 calls.
    assert successes(world) == [True] * 5 + [False] * 3 + [True] * 5 + [False] * 7


def test_a_single_name_limits_that_function_only(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    assert world.exchange.GetTicker("BTC_USDT")
    assert all(world.exchange.GetDepth("BTC_USDT") for _ in range(50))
    assert world.exchange.GetTicker("BTC_USDT") is None


def test_several_names_share_one_budget(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker,GetDepth", 10, "1s")
    calls = [
        exchange.GetTicker("BTC_USDT") if i % 2 == 0 else exchange.GetDepth("BTC_USDT")
        for i in range(15)
    ]
    assert [call is not None for call in calls] == [True] * 10 + [False] * 5


def test_the_star_limits_all_functions_together(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "*", 100, "1m")
    for _ in range(25):
        assert exchange.GetTicker("BTC_USDT")
        assert exchange.GetDepth("BTC_USDT")
        assert exchange.GetAccount()
        assert exchange.CreateOrder("BTC_USDT", "buy", 50000, 0.001)
    assert exchange.GetTicker("BTC_USDT") is None
    assert exchange.CreateOrder("BTC_USDT", "buy", 50000, 0.001) is None
    world.Sleep(60_000)
    assert exchange.GetAccount()


def test_each_function_has_the_period_of_its_rule(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 10, "1s")
    exchange.IO("rate", "GetDepth", 30, "1m")
    exchange.IO("rate", "GetAccount", 100, "1h")
    exchange.IO("rate", "CreateOrder", 500, "1d")
    usages = world.throttler.usage()
    assert {usage.limit_id: (usage.limit, usage.time_interval) for usage in usages.values()} == {
        "rate:GetTicker": (10, 1.0),
        "rate:GetDepth": (30, 60.0),
        "rate:GetAccount": (100, 3600.0),
        "rate:CreateOrder": (500, 86400.0),
    }


@pytest.mark.parametrize(
    ("period", "seconds"), [("@0815", 72_900), ("@0000", 43_200), ("@235959", 43_199)]
)
def test_a_daily_quota_resets_at_its_time(world: World, period: str, seconds: float) -> None:
    exchange = world.exchange
    exchange.IO("quota", "GetTicker", 1, period)
    assert exchange.GetTicker("BTC_USDT")
    world.Sleep(seconds * 1000 - 1)
    assert exchange.GetTicker("BTC_USDT") is None
    world.Sleep(1)
    assert exchange.GetTicker("BTC_USDT")
    world.Sleep(86_400_000 - 1)
    assert exchange.GetTicker("BTC_USDT") is None
    world.Sleep(1)
    assert exchange.GetTicker("BTC_USDT")


def test_a_strategy_may_sleep_and_try_again(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 5, "1s")
    for _ in range(10):
        world.Log("Success" if exchange.GetTicker("BTC_USDT") else "Failed")
        if world.log[-1][1] == ("Failed",):
            world.Sleep(200)
    assert successes(world) == [True] * 5 + [False] * 5


def test_delay_makes_every_call_succeed(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 5, "1s", "delay")

    def main() -> None:
        for _ in range(10):
            world.Log("Success" if exchange.GetTicker("BTC_USDT") else "Failed")

    world.run(main)
    assert successes(world) == [True] * 10
    assert [at for at, _ in world.log] == [0.0] * 5 + [1.0] * 5


def test_several_exchanges_have_rules_of_their_own() -> None:
    worlds = [World(), World()]
    for world in worlds:
        world.exchange.IO("rate", "GetTicker", 10, "1s")
        world.exchange.IO("rate", "CreateOrder", 2, "1s")
    for world in worlds:
        assert all(world.exchange.GetTicker("BTC_USDT") for _ in range(10))
    assert all(world.exchange.GetTicker("BTC_USDT") is None for world in worlds)


def test_a_thousand_calls_a_day_reset_at_eight(world: World) -> None:
    exchange = world.exchange
    exchange.IO("quota", "*", 1000, "@0800")
    count = 0
    while exchange.GetTicker("BTC_USDT"):
        count += 1
        world.Sleep(10_000)
    assert count == 1000
    while not exchange.GetTicker("BTC_USDT"):
        world.Sleep(60_000)
    # It looked once a minute, until tomorrow 08:00.
    assert 0 <= (world.clock.wall - 8 * 3600) % 86_400 < 60


def test_rules_combine_and_a_call_must_fit_all_of_them(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker,GetDepth", 20, "1s")
    exchange.IO("rate", "CreateOrder,CancelOrder", 5, "1s")
    exchange.IO("rate", "GetAccount,GetPositions", 30, "1m")
    exchange.IO("quota", "*", 30, "@0000")
    assert sum(exchange.GetTicker("BTC_USDT") is not None for _ in range(25)) == 20
    assert sum(exchange.CancelOrder("1") is not None for _ in range(10)) == 5
    # What was refused by one rule was charged to none: of the 30 a day, 25 are gone.
    assert sum(exchange.GetAccount() is not None for _ in range(30)) == 5
    world.Sleep(60_000)
    assert exchange.GetTicker("BTC_USDT") is None
    world.Sleep(12 * 3_600_000)
    assert exchange.GetTicker("BTC_USDT")


def test_quota_starts_anew_at_the_whole_second_not_a_second_later(world: World) -> None:
    exchange = world.exchange
    exchange.IO("quota", "GetTicker", 3, "1s")
    world.Sleep(500)
    assert [bool(exchange.GetTicker("BTC_USDT")) for _ in range(4)] == [True, True, True, False]
    world.Sleep(500)
    assert exchange.GetTicker("BTC_USDT")


def test_delay_sends_the_third_call_a_second_after_the_first(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 2, "1s", "delay")

    def main() -> None:
        for _ in range(3):
            exchange.GetTicker("BTC_USDT")
            world.Log("sent")
            world.Sleep(100)

    world.run(main)
    assert [at for at, _ in world.log] == [0.0, 0.1, 1.0]


def test_buy_and_sell_follow_the_rule_for_create_order(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "CreateOrder", 5, "1s")
    orders = [
        exchange.Buy(50000, 0.001) if i % 2 == 0 else exchange.Sell(51000, 0.001) for i in range(10)
    ]
    assert [order is not None for order in orders] == [True] * 5 + [False] * 5


def test_go_follows_the_rule_for_what_it_runs(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 5, "1s")
    tasks = [exchange.Go("GetTicker", "BTC_USDT") for _ in range(10)]
    assert [task.wait() is not None for task in tasks] == [True] * 5 + [False] * 5


def test_io_api_is_limited_and_every_other_io_is_not(world: World) -> None:
    exchange = world.exchange
    exchange.IO("rate", "IO/api", 10, "1s")
    calls = [exchange.IO("api", "GET", "/api/v5/account/balance", "") for _ in range(15)]
    assert [call is not None for call in calls] == [True] * 10 + [False] * 5
    assert exchange.IO("currency", "LTC_USDT") is not None
    exchange.IO("rate", "GetDepth", 5, "1s")
    assert exchange.GetDepth() is not None
