"""Which candles the stand-in exchange answers, by interval, time and limit."""

from __future__ import annotations

from datetime import datetime, timezone

import aiohttp
import pytest

from sluicegate.testing import Market, StandInExchange
from sluicegate.testing.candles import INTERVALS, opening, span
from tests.stand_in.client import ask


def instant(*date: int) -> int:
    return round(datetime(*date, tzinfo=timezone.utc).timestamp()) * 1_000  # type: ignore[arg-type, misc]


NOW = instant(2026, 3, 18, 14, 37, 12)  # a Wednesday


def opens(interval: str, limit: int = 3, **between: int) -> list[int]:
    numbers = span(interval, now=NOW, limit=limit, **between)
    return [opening(interval, number) for number in numbers]


@pytest.mark.parametrize(
    ("interval", "latest"),
    [
        ("1s", instant(2026, 3, 18, 14, 37, 12)),
        ("1m", instant(2026, 3, 18, 14, 37)),
        ("5m", instant(2026, 3, 18, 14, 35)),
        ("4h", instant(2026, 3, 18, 12)),
        ("1d", instant(2026, 3, 18)),
        ("1w", instant(2026, 3, 16)),  # a Monday
        ("1M", instant(2026, 3, 1)),
    ],
)
def test_latest_candle_is_the_one_that_holds_now(interval: str, latest: int) -> None:
    assert opens(interval)[-1] == latest


def test_months_follow_the_calendar() -> None:
    assert opens("1M", 4) == [
        instant(*month, 1) for month in ((2025, 12), (2026, 1), (2026, 2), (2026, 3))
    ]


@pytest.mark.parametrize("interval", INTERVALS)
def test_from_a_start_the_first_ones_are_answered(interval: str) -> None:
    late = opens(interval, 9)
    assert opens(interval, 3, start=late[2]) == late[2:5]
    assert opens(interval, 3, start=late[2] - 1) == late[2:5]
    assert opens(interval, 3, start=late[2] + 1) == late[3:6]


@pytest.mark.parametrize("interval", INTERVALS)
def test_until_an_end_the_last_ones_are_answered(interval: str) -> None:
    late = opens(interval, 9)
    assert opens(interval, 3, end=late[5]) == late[3:6]
    assert opens(interval, 3, end=late[5] - 1) == late[2:5]
    assert opens(interval, 9, start=late[2], end=late[4]) == late[2:5]


def test_no_candle_is_of_the_future_or_before_1970() -> None:
    assert opens("5m", start=NOW + 1) == []
    assert opens("1M", start=10**18) == []
    assert opens("1d", end=10**18) == opens("1d")
    assert opens("1d", start=NOW, end=NOW - 10**9) == []
    assert opens("1d", 5, end=instant(1970, 1, 2)) == [0, instant(1970, 1, 2)]


async def test_query_is_honoured_over_http() -> None:
    async with (
        StandInExchange(market=Market()) as exchange,
        aiohttp.ClientSession(exchange.url) as client,
    ):
        given = {"symbol": "BTCUSDT", "interval": "5m"}
        start = instant(2024, 1, 1)
        _, candles = await ask(client, "klines", startTime=start, limit=1_000, **given)
        assert len(candles) == 1_000
        assert [row[0] for row in candles[:2]] == [start, start + 300_000]
        assert candles[0][6] == start + 299_999
        _, candles = await ask(client, "klines", startTime=start, endTime=start, **given)
        assert [row[0] for row in candles] == [start]
        _, candles = await ask(client, "klines", **given)
        assert len(candles) == 500
        status, answer = await ask(client, "klines", symbol="BTCUSDT", interval="7m")
        assert (status, answer) == (400, {"code": -1120, "msg": "Invalid interval."})
        status, answer = await ask(client, "klines", startTime="yesterday", **given)
        assert (status, answer["code"]) == (400, -1100)
