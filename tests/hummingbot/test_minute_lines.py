"""One line a minute in the log while requests wait, and no timer when nobody does."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.hummingbot import minute_lines
from sluicegate.hummingbot.minute_lines import MinuteLines


async def test_a_line_each_interval_while_requests_wait_and_then_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(minute_lines, "INTERVAL", 0.01)
    caplog.set_level(logging.INFO)
    throttler = Throttler([RateLimit("POOL", 1, 3600)])
    lines = MinuteLines(throttler, logging.getLogger("test"))
    assert throttler.charge("POOL")

    async def ask() -> None:
        async with throttler.execute_task("POOL"):
            pass

    waiting = asyncio.create_task(ask())
    await asyncio.sleep(0)
    lines.begin()
    lines.begin()
    while len(caplog.messages) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    begin, _, end = caplog.messages[-1].partition(", the first for ")
    assert begin == "API rate limit on POOL: 1 request waits now"
    assert re.fullmatch(r"\d\.\d s; a new one would wait 120 min", end)
    waiting.cancel()
    while lines._loop is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    count = len(caplog.messages)
    await asyncio.sleep(0.05)
    assert len(caplog.messages) == count


async def test_how_long_a_new_one_would_wait_is_not_told_where_nobody_knows_it() -> None:
    throttler = Throttler([RateLimit("POOL", 2, 3600), RateLimit("PAIR", 5, 3600, weight=2)])
    lines = MinuteLines(throttler, logging.getLogger("test"), shared=True)
    assert throttler.charge("POOL", units=2)
    task = asyncio.ensure_future(throttler.execute_task("POOL").__aenter__())
    await asyncio.sleep(0)
    text, goes_on = lines.line(throttler)
    assert goes_on
    assert "; a new one" not in text
    task.cancel()


async def test_a_line_tells_how_long_those_waited_that_left() -> None:
    throttler = Throttler([RateLimit("POOL", 1, 0.52)])
    lines = MinuteLines(throttler, logging.getLogger("test"))
    assert lines.line(throttler) == ("", False)
    for _ in range(2):
        async with throttler.execute_task("POOL"):
            pass
    text, goes_on = lines.line(throttler)
    begin, end = text.split(", after ")
    assert begin == "API rate limit on POOL: 0 requests wait now; 1 left in the last minute"
    assert 0.5 <= float(end.split()[0]) < 9
    assert not goes_on
    assert lines.line(throttler) == ("", False)
