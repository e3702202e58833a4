"""Cancels go before orders, orders before account questions, and these before market data."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.async_support as ccxt_async
import pytest

from sluicegate._priorities import BY_GROUP, Priorities
from sluicegate.ccxt import install, usage
from sluicegate.ccxt.installing import charges
from sluicegate.ccxt.priorities import priority_of
from sluicegate.tables import load
from sluicegate.testing import ManualClock

KLINES, DEPTH = "publicGetKlines", "publicGetDepth"
ACCOUNT, ORDER, CANCEL = "privateGetAccount", "privatePostOrder", "privateDeleteOrder"
LATE_FIRST = [KLINES, ACCOUNT, ORDER, CANCEL]


@pytest.fixture
def clock() -> ManualClock:
    clock = ManualClock()
    clock.set_wall(30.0)
    return clock


class Binance(ccxt_async.binance):  # type: ignore[misc]
    """Answers at once, and notes what was asked, in which order."""

    asked: list[str]

    async def fetch(self, url: str, method: str = "GET", *_: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {url.partition('?')[0].rpartition('/')[2]}")
        return {}


async def order_of(priorities: Priorities, clock: ManualClock) -> list[str]:
    """The order in which requests leave that have waited for the weight, the oldest first."""
    install(priorities=priorities, clock=clock)
    exchange = Binance({"apiKey": "k", "secret": "s"})
    exchange.asked = []
    for _ in range(24):
        await exchange.publicGetDepth({"symbol": "BTCUSDT", "limit": 5000})
    exchange.asked.clear()
    params = {"symbol": "BTCUSDT", "orderId": 1, "side": "BUY", "type": "MARKET", "quantity": 1}
    waiting = [asyncio.create_task(getattr(exchange, name)(dict(params))) for name in LATE_FIRST]
    for _ in range(50):
        await asyncio.sleep(0)
    assert usage(exchange)["REQUEST_WEIGHT"].waiting == len(waiting)
    clock.advance(90)
    await asyncio.gather(*waiting)
    await exchange.close()
    return exchange.asked


async def test_the_usual_order_is_by_what_a_request_is_for(clock: ManualClock) -> None:
    assert await order_of(True, clock) == [
        "DELETE order",
        "POST order",
        "GET account",
        "GET klines",
    ]


async def test_without_priorities_the_oldest_goes_first(clock: ManualClock) -> None:
    assert await order_of(False, clock) == [
        "GET klines",
        "GET account",
        "POST order",
        "DELETE order",
    ]


async def test_the_user_s_own_words_win(clock: ManualClock) -> None:
    asked = await order_of({"GET /api/v3/klines": 9}, clock)
    assert asked == ["GET klines", "DELETE order", "POST order", "GET account"]


def test_what_a_table_does_not_know_is_in_the_middle() -> None:
    route = load("binance-spot").route("GET", "/api/v3/nobody")
    assert priority_of(route, True) == BY_GROUP["account"] == 1


def test_another_share_needs_an_uninstall() -> None:
    install()
    assert charges().budgets.share is None
    with pytest.raises(ValueError, match="uninstall"):
        install(share="sqlite:////tmp/nowhere.db")
