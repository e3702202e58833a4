"""A pace that the user set holds beside the exchange's table: a request waits for both at once."""

from __future__ import annotations

import threading
from typing import Any

import ccxt
import pytest

from sluicegate.ccxt import budget, install, throttler, usage
from sluicegate.tables import load
from sluicegate.testing import ManualClock

WEIGHT = "REQUEST_WEIGHT"
MILLION = 1_000_000


def binance(**config: Any) -> Any:
    """Binance that sends nothing, with a pace of the user's: 10 units a second."""
    exchange = ccxt.binance({"rateLimit": 100, "apiKey": "k", "secret": "s", **config})
    exchange.fetch = lambda *_, **__: {}
    return exchange


def pace(exchange: Any, rate_limit: int = 100) -> Any:
    return usage(exchange)[f"rateLimit {rate_limit} ms in 1000 ms"]


def waits(exchange: Any) -> int:
    return max((one.waiting for one in usage(exchange).values()), default=0)


def started(function: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> None:
    thread.join(30)
    assert not thread.is_alive()


def test_both_are_charged_once() -> None:
    install(clock=ManualClock())
    exchange = binance()
    costs: list[float] = []
    own = exchange.calculate_rate_limiter_cost
    exchange.calculate_rate_limiter_cost = lambda *args: (costs.append(own(*args)), costs[-1])[1]
    exchange.publicGetTicker24hr({"symbol": "BTCUSDT"})
    assert pace(exchange).used == costs[0] * MILLION
    # By Binance, of a single ticker.
    assert usage(exchange)[WEIGHT].used == 2
    assert {one.in_flight for one in usage(exchange).values()} == {0}


def test_a_request_that_waits_for_the_table_takes_nothing_of_the_pace() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = binance()
    exchange.publicGetPing()
    before = pace(exchange).used
    throttler(exchange).pause(WEIGHT, seconds=5, reason="a test")
    waiting = started(exchange.publicGetPing)
    while not waits(exchange):
        assert waiting.is_alive()
    assert pace(exchange).used == before, "the pace is not used up by whoever waits for the table"
    assert pace(exchange).in_flight == 0
    clock.advance(6)
    ended(waiting)


def test_a_request_that_waits_for_the_pace_takes_nothing_of_the_table() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = binance(rateLimit=20_000)
    exchange.calculate_rate_limiter_cost = lambda *_: 1
    exchange.publicGetTime()
    weight = usage(exchange)[WEIGHT].used
    waiting = started(exchange.publicGetTime)
    while not waits(exchange):
        assert waiting.is_alive()
    assert usage(exchange)[WEIGHT].used == weight
    assert usage(exchange)[WEIGHT].in_flight == 0
    clock.advance(20)
    ended(waiting)


def test_a_cost_above_the_pace_holds_nothing_of_the_table_while_it_waits() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = binance(rateLimit=1000)
    exchange.calculate_rate_limiter_cost = lambda *_: 3
    waiting = started(exchange.publicGetPing)
    for _ in range(2):
        while not waits(exchange):
            assert waiting.is_alive()
        assert sum(one.used for name, one in usage(exchange).items() if name == WEIGHT) == 0
        clock.advance(1)
    ended(waiting)
    assert usage(exchange)[WEIGHT].used == 1


def test_a_faster_pace_that_comes_later_counts_what_a_slower_one_takes() -> None:
    install(clock=ManualClock())
    slow, fast = binance(rateLimit=100), binance(rateLimit=10)
    for exchange in (slow, fast, slow):
        exchange.publicGetPing()
    # The first was before anybody had asked for the faster one.
    assert pace(slow, 100).used == pace(slow, 10).used > 0


def test_requests_of_accounts_wait_while_the_account_is_locked_out() -> None:
    clock = ManualClock()
    install(clock=clock)
    exchange = ccxt.kraken({"apiKey": "k", "secret": "c2VjcmV0", "rateLimit": 10})
    locked: list[str] = ['{"error":["EGeneral:Temporary lockout"]}']

    def fetch(url: str, method: str = "GET", *_: Any) -> Any:
        return exchange.on_rest_response(200, "", url, method, {}, locked[0], {}, None)

    exchange.fetch = fetch
    exchange.privatePostBalance()
    locked[0] = "{}"
    waiting = [started(exchange.privatePostBalance), started(exchange.privatePostOpenOrders)]
    while sum(one.waiting for one in usage(exchange).values()) < 2:
        assert all(one.is_alive() for one in waiting)
    clock.advance(1_000)
    for one in waiting:
        ended(one)


@pytest.mark.skipif(not hasattr(ccxt, "hyperliquid"), reason="this ccxt does not have it")
def test_what_an_answer_cost_less_is_given_back_beside_a_pace() -> None:
    install(clock=ManualClock())
    exchange = ccxt.hyperliquid({"rateLimit": 10, "walletAddress": "0x1"})

    def fetch(url: str, method: str = "GET", *_: Any) -> Any:
        return exchange.on_rest_response(200, "", url, method, {}, "[]", {}, None)

    exchange.fetch = fetch
    params = {"type": "candleSnapshot", "req": {"coin": "BTC"}}
    most = load("hyperliquid").route("POST", "/info", params).takes["ADDRESS"][1]
    exchange.publicPostInfo(dict(params))
    assert usage(exchange)["ADDRESS"].used == 20 < most


def test_too_many_costs_wait_for_both_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_PACED", 2)
    install(clock=ManualClock())
    exchange = binance(rateLimit=10)
    costs = iter([1, 2, 3, 4])
    exchange.calculate_rate_limiter_cost = lambda *_: next(costs)
    # ccxt asks as well, for its own `throttle`.
    exchange.throttle = lambda cost=None: None
    for _ in range(2):
        exchange.publicGetPing()
    assert usage(exchange)[WEIGHT].used == 2
    assert pace(exchange, 10).used == (1 + 3) * MILLION
    assert {one.in_flight for one in usage(exchange).values()} == {0}
