"""The line in the log with the hits of the cache."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate import LoadingCache, TTLCache
from sluicegate.freqtrade import report


def rates() -> Any:
    """As far as a report looks at them."""
    return SimpleNamespace(
        entry=TTLCache(10, 300),
        exit=LoadingCache(10, 300),
        quotes=SimpleNamespace(calls=0, seconds=0.0),
        own_calls=0,
    )


def read(rates: Any, hits: int, misses: int, side: str = "exit") -> None:
    cache = getattr(rates, side)
    cache["BTC/USDT"] = 97_000.0
    for key, times in (("BTC/USDT", hits), ("ETH/USDT", misses)):
        for _ in range(times):
            cache.get(key)


def test_a_bot_that_has_done_nothing_has_saved_nothing() -> None:
    assert report.line(rates()) == (
        "rates: 0 asked for, 0.0% of them answered from the cache; 0 exchange calls"
    )


def test_both_caches_and_all_calls_count() -> None:
    bot = rates()
    read(bot, hits=996, misses=2, side="entry")
    read(bot, hits=1_000, misses=2)
    bot.quotes = SimpleNamespace(calls=6, seconds=3.0)
    bot.own_calls = 4
    assert report.line(bot) == (
        "rates: 2,000 asked for, 99.8% of them answered from the cache; 10 exchange calls, "
        "1,990 saved (about 0:16:35 of waiting)"
    )


def test_one_call_is_a_call() -> None:
    bot = rates()
    read(bot, hits=3, misses=1)
    bot.quotes = SimpleNamespace(calls=1, seconds=0.5)
    assert report.line(bot) == (
        "rates: 4 asked for, 75.0% of them answered from the cache; 1 exchange call, "
        "3 saved (about 0:00:02 of waiting)"
    )


def test_what_a_call_takes_is_not_known_from_freqtrades_own() -> None:
    bot = rates()
    read(bot, hits=3, misses=1)
    bot.own_calls = 1
    assert report.line(bot).endswith("; 1 exchange call, 3 saved")


@pytest.mark.parametrize("calls", [4, 5])
def test_no_saving_is_told_where_there_is_none(calls: int) -> None:
    bot = rates()
    read(bot, hits=3, misses=1)
    bot.quotes = SimpleNamespace(calls=calls, seconds=1.0)
    assert report.line(bot).endswith(f"; {calls} exchange calls")


def test_the_line_is_logged_where_it_has_changed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bot, pauses = rates(), []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            read(bot, hits=1, misses=1)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(report, "asyncio", SimpleNamespace(sleep=sleep))
    with (
        caplog.at_level(logging.INFO, "sluicegate.freqtrade"),
        pytest.raises(asyncio.CancelledError),
    ):
        asyncio.run(report.report(bot, 3_600))
    assert pauses == [3_600] * 4
    assert caplog.messages == [report.line(bot)]
