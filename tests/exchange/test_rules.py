"""Rules: what they cover, what replaces and ends them, and what is refused."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.exchange import FUNCTIONS, limit
from tests.exchange.fmz import Exchange, World


@pytest.fixture
def world() -> World:
    return World()


def sent(world: World, call: str, *args: Any, times: int = 20) -> int:
    return sum(getattr(world.exchange, call)(*args) is not None for _ in range(times))


def test_the_same_names_again_replace_the_rule(world: World) -> None:
    world.exchange.IO("rate", "GetTicker,GetDepth", 2, "1s")
    assert sent(world, "GetTicker") == 2
    # In another order, by other names, and in another period: what was used stays used.
    world.exchange.IO("rate", "fetch_order_book, fetchTicker", 3, "1m")
    assert sent(world, "GetTicker") == 1


def test_a_count_of_none_ends_the_rule(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    world.exchange.IO("rate", "GetDepth", 1, "1s")
    world.exchange.IO("rate", "GetTicker", None)
    assert (sent(world, "GetTicker"), sent(world, "GetDepth")) == (20, 1)
    world.exchange.IO("rate", "GetAccount", None)
    world.exchange.IO("rate", "GetDepth", None, None)
    assert sent(world, "GetDepth") == 20


def test_a_rate_and_a_quota_for_the_same_names_stand_beside_each_other(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 2, "1s")
    world.exchange.IO("quota", "GetTicker", 3, "1d")
    assert sent(world, "GetTicker") == 2
    world.Sleep(1000)
    assert sent(world, "GetTicker") == 1
    world.exchange.IO("quota", "GetTicker", None)
    assert sent(world, "GetTicker") == 1


def test_a_call_over_one_rule_is_charged_to_none(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    world.exchange.IO("rate", "*", 5, "1s")
    assert sent(world, "GetTicker") == 1
    assert sent(world, "GetDepth") == 4


def test_every_function_of_the_document_may_be_named(world: World) -> None:
    for function in FUNCTIONS:
        world.exchange.IO("rate", function, 1, "1s")
    world.exchange.IO("quota", ",".join(FUNCTIONS), 1, "1s")


def test_a_rule_may_name_a_method_that_only_this_object_has(world: World) -> None:
    world.exchange.IO("rate", "GetName", 1, "1s")
    assert [world.exchange.GetName(), world.exchange.GetName()] == ["Stand-in", None]


def test_the_star_does_not_count_what_asks_the_exchange_nothing(world: World) -> None:
    world.exchange.IO("rate", "*", 1, "1s")
    assert sent(world, "GetName") == 20
    assert sent(world, "GetTicker") == 1


def test_one_error_is_logged_for_each_call_not_sent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.exchange.last_error is None
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    with caplog.at_level(logging.ERROR, logger="sluicegate.exchange"):
        assert sent(world, "GetTicker", times=2) == 1
    assert [record.message for record in caplog.records] == [world.exchange.last_error]
    assert world.exchange.last_error == (
        "GetTicker was not sent: over the limit of GetTicker: 1 per 1s (rate); "
        "there is room in 1.000 s"
    )
    assert world.inner.seen == ["GetTicker"]


def test_the_error_names_the_rule_that_is_full(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 5, "1s")
    world.exchange.IO("quota", "*", 1, "1m")
    assert sent(world, "GetTicker") == 1
    assert "*: 1 per 1m (quota)" in str(world.exchange.last_error)
    assert "GetTicker: 5" not in str(world.exchange.last_error)


# ---- some rules delay, others refuse


def test_a_rule_that_refuses_is_not_waited_for(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 2, "1s", "delay")
    world.exchange.IO("quota", "*", 5, "1d")
    times = []

    def main() -> None:
        while world.exchange.GetTicker():
            times.append(world.clock.now)

    world.run(main)
    assert times == [0.0, 0.0, 1.0, 1.0, 2.0]
    assert world.clock.now == 2.0


def in_background(world: World, results: list[Any]) -> threading.Thread:
    """A thread whose `GetTicker` waits for its turn."""
    thread = threading.Thread(
        target=lambda: results.append(world.exchange.GetTicker()), daemon=True
    )
    thread.start()
    while not world.waiting():
        thread.join(0.0005)
    return thread


def test_nobody_uses_up_what_a_waiting_call_will_need(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    world.exchange.IO("rate", "*", 3, "1h")
    assert world.exchange.GetTicker()
    results: list[Any] = []
    thread = in_background(world, results)
    assert [world.exchange.GetDepth() is not None for _ in range(2)] == [True, False]
    world.clock.advance(1)
    thread.join(20)
    assert results[0]["Name"] == "GetTicker"


def test_a_call_that_waits_goes_when_its_rule_ends(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1h", "delay")
    assert world.exchange.GetTicker()
    results: list[Any] = []
    thread = in_background(world, results)
    world.exchange.IO("rate", "GetTicker", None)
    thread.join(20)
    assert results[0]["Name"] == "GetTicker"


# ---- a throttler of one's own


def test_exchanges_with_one_throttler_share_its_rules(world: World) -> None:
    other = world.limit(Exchange())
    world.exchange.IO("rate", "GetTicker", 3, "1s")
    other.IO("rate", "GetTicker", 3, "1s")
    assert sent(world, "GetTicker", times=2) == 2
    assert [other.GetTicker() is not None for _ in range(3)] == [True, False, False]


def test_the_throttlers_own_limits_stay(world: World) -> None:
    throttler = Throttler([RateLimit("mine", 5, 1)], hold="start", clock=world.clock)
    exchange = limit(Exchange(), throttler=throttler)
    exchange.IO("rate", "GetTicker", 1, "1s")
    assert throttler.try_acquire("mine")
    exchange.IO("rate", "GetTicker", None)
    assert [row.limit_id for row in throttler.rate_limits] == ["mine"]
    assert throttler.usage("mine").used == 1


def test_rules_come_back_when_somebody_replaces_the_throttlers_limits(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    world.throttler.set_rate_limits([])
    assert sent(world, "GetTicker") == 1


def test_hold_response_counts_a_call_until_a_period_after_its_answer() -> None:
    world = World(hold="response")
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    slow = Exchange.GetTicker
    world.inner.GetTicker = lambda: world.clock.advance(5) or slow(world.inner)  # type: ignore[method-assign]
    assert world.exchange.GetTicker()
    world.Sleep(999)
    assert world.exchange.GetTicker() is None
    world.Sleep(1)
    assert world.exchange.GetTicker()


def test_a_call_over_a_boundary_counts_on_both_sides_with_hold_response() -> None:
    world = World(hold="response")
    world.exchange.IO("quota", "GetTicker", 1, "1m")
    world.inner.GetTicker = lambda: world.clock.advance(61) or {"Last": 1}  # type: ignore[method-assign]
    assert world.exchange.GetTicker()
    assert world.exchange.GetTicker() is None
    world.Sleep(59_000)
    assert world.exchange.GetTicker()


def test_hold_must_be_the_throttlers() -> None:
    with pytest.raises(ValueError, match="hold must be 'response'"):
        limit(Exchange(), throttler=Throttler([]), hold="start")
    with pytest.raises(ValueError, match="'response' or 'start'"):
        limit(Exchange(), hold="end")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a sluicegate\.Throttler, not 5"):
        limit(Exchange(), throttler=5)  # type: ignore[arg-type]


# ---- bad input


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("rat", "GetTicker", 10, "1s"), ValueError, "'rate' or 'quota', not 'rat'.*mean 'rate'"),
        (("Quota", "GetTicker", 10, "1s"), ValueError, "not 'Quota'; did you mean 'quota'"),
        (("rate",), TypeError, "function names, a count and a period are missing"),
        (("rate", "GetTicker"), TypeError, "a count and a period are missing"),
        (("rate", "GetTicker", 10), TypeError, r"a period is missing: write IO\(\"rate\""),
        (("rate", "GetTicker", 10, "1s", "delay", 1), TypeError, "positional arguments"),
        (("rate", "GetTiker", 10, "1s"), ValueError, "'GetTiker'.*mean 'GetTicker'"),
        (("rate", "fetch_tiker", 10, "1s"), ValueError, "mean 'fetch_ticker'"),
        (("rate", "GetTicker,Nonsense!", 10, "1s"), ValueError, "'Nonsense!' .in 'GetTicker,Non"),
        (("rate", "GetTicker,", 10, "1s"), ValueError, "no function is called ''"),
        (("rate", "", 10, "1s"), ValueError, "no function is called ''"),
        (("rate", "__init__", 10, "1s"), ValueError, "'__init__'"),
        (("rate", None, 10, "1s"), TypeError, "must be a str, such as 'GetTicker,GetDepth'"),
        (("rate", ["GetTicker"], 10, "1s"), TypeError, r"not \['GetTicker'\]"),
        (("rate", "GetTicker", 0, "1s"), ValueError, "whole number from 1, or None, not 0"),
        (("rate", "GetTicker", -1, "1s"), ValueError, "not -1"),
        (("rate", "GetTicker", 2.5, "1s"), ValueError, "not 2.5"),
        (("rate", "GetTicker", float("nan"), "1s"), ValueError, "not nan"),
        (("rate", "GetTicker", float("inf"), "1s"), ValueError, "not inf"),
        (("rate", "GetTicker", True, "1s"), TypeError, r"not True \(bool\)"),
        (("rate", "GetTicker", "10", "1s"), TypeError, r"not '10' \(str\)"),
        (("rate", "GetTicker", 10, "1.5s"), ValueError, 'without a fraction.*"1.5s"'),
        (("rate", "GetTicker", 10, "0s"), ValueError, 'over 0.*"0s"'),
        (("rate", "GetTicker", 10, "-1s"), ValueError, '"-1s"'),
        (("rate", "GetTicker", 10, "99999999999999999999d"), ValueError, "at most 100 years"),
        (("rate", "GetTicker", 10, "1w"), ValueError, "ns, us, ms, s, m, h, d"),
        (("rate", "GetTicker", 10, 1), TypeError, "a period must be a str such as .*, not 1"),
        (("rate", "GetTicker", 10, "@0815"), ValueError, "quotas only"),
        (("quota", "GetTicker", 10, "@2460"), ValueError, "from @0000 to @235959"),
        (("rate", "GetTicker", 10, "1s", "dealy"), ValueError, "not 'dealy'.*mean 'delay'"),
        (("rate", "GetTicker", 10, "1s", 5), TypeError, "must be 'delay', or left out, not 5"),
    ],
)
def test_bad_input_is_refused_and_the_rules_stay(
    world: World, args: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    world.exchange.IO("rate", "GetTicker", 2, "1s")
    before = world.throttler.rate_limits
    with pytest.raises(error, match=message):
        world.exchange.IO(*args)
    assert world.throttler.rate_limits == before
    assert sent(world, "GetTicker") == 2
    assert set(world.inner.seen) == {"GetTicker"}


def test_an_object_without_io_refuses_unknown_modes() -> None:
    exchange = limit(object())
    with pytest.raises(ValueError, match="not 'currency'"):
        exchange.IO("currency", "LTC_USDT")
    with pytest.raises(TypeError, match="IO needs a mode"):
        exchange.IO()
    with pytest.raises(AttributeError):
        exchange.IO("api", "GET", "/")


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='did you mean "Europe/Berlin"'):
        limit(Exchange(), timezone="Europe/Berln")


def test_a_whole_number_may_be_a_float(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 2.0, "1s")
    assert sent(world, "GetTicker") == 2
