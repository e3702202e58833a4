"""`IO` on the throttlers of real connectors, beside the tables that these learn and hand back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hummingbot.connector.exchange.binance import binance_constants as binance
from hummingbot.connector.exchange.bitrue import bitrue_constants as bitrue
from hummingbot.core.api_throttler import async_throttler

from sluicegate._core import ManualClock
from sluicegate.hummingbot import AsyncThrottler


@pytest.fixture
def clock(installed: None, monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The time by which connectors live, whose throttlers are sluicegate's."""
    clock = ManualClock()
    monkeypatch.setattr(AsyncThrottler, "_clock", clock)
    return clock


def acquired(throttler: AsyncThrottler, limit_id: str) -> int:
    return sum(throttler.try_acquire(limit_id) for _ in range(50))


def test_a_connector_that_learns_its_limits_keeps_those_of_the_user(clock: ManualClock) -> None:
    """Bitrue's hands back what it finds in its throttler, with what the exchange says."""
    from hummingbot.connector.exchange.bitrue.bitrue_exchange import BitrueExchange

    exchange = BitrueExchange("", "", trading_pairs=[], rate_limits_share_pct=Decimal("50"))
    throttler = exchange.throttler
    assert isinstance(throttler, AsyncThrottler)
    throttler.IO("rate", bitrue.PING_PATH_URL, 3, "1s")
    throttler.IO("quota", bitrue.GENERAL, 5, "1d", timezone="UTC")
    related = throttler.get_related_limits(bitrue.PING_PATH_URL)
    assert acquired(throttler, bitrue.PING_PATH_URL) == 3

    said = {"prefix": bitrue.GENERAL, "timeUnit": "MINUTES", "timeCount": 1, "burstCapacity": 400}
    exchange._initialize_rate_limits_from_exchange_info({"rateLimits": [said]})

    assert throttler.usage(bitrue.GENERAL).limit == 200
    assert acquired(throttler, bitrue.PING_PATH_URL) == 0
    clock.advance(1)
    assert acquired(throttler, bitrue.PING_PATH_URL) == 2
    assert throttler.usage(f"IO quota:{bitrue.GENERAL}").used == 5
    assert acquired(throttler, bitrue.SERVER_TIME_PATH_URL) == 0
    now = throttler.get_related_limits(bitrue.PING_PATH_URL)
    assert [limit.limit_id for limit, _ in now[1]] == [limit.limit_id for limit, _ in related[1]]
    shown = {task.rate_limit.limit_id for task in throttler._task_logs}
    assert shown == {bitrue.PING_PATH_URL, bitrue.GENERAL}


def test_it_stands_beside_every_limit_of_binances_table(clock: ManualClock) -> None:
    throttler = async_throttler.AsyncThrottler(binance.RATE_LIMITS)
    throttler.IO("rate", "*", 1, "1s")
    for limit in binance.RATE_LIMITS:
        assert acquired(throttler, limit.limit_id) == 1, limit
        clock.advance(1)
    throttler.IO("rate", "*", None)
    assert acquired(throttler, binance.PING_PATH_URL) == 50
