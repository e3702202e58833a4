"""Which limit requests wait for, as Freqtrade's log tells it once a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.exchange.waits import Waits
from sluicegate.freqtrade import report, waiting
from sluicegate.freqtrade.waiting import WaitLines


@pytest.fixture
def throttler(monkeypatch: pytest.MonkeyPatch) -> Throttler:
    """A pool that is full; each wait for it counts as a long one."""
    monkeypatch.setattr(waiting, "SHORTEST", 0.0)
    throttler = Throttler([RateLimit("waiting/pool", 4, 3_600), RateLimit("waiting/soon", 1, 0.05)])
    assert throttler.charge("waiting/pool", units=4)
    return throttler


@asynccontextmanager
async def a_request_waits(throttler: Throttler, limit_id: str) -> AsyncIterator[None]:
    async def ask() -> None:
        async with throttler.execute_task(limit_id):
            pass

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_told_while_nobody_waits(throttler: Throttler) -> None:
    lines = WaitLines()
    assert lines.take() == ""
    async with a_request_waits(throttler, "waiting/pool"):
        assert lines.take()
    assert lines.take() == ""


async def test_the_limit_is_named_and_how_many_wait_for_how_long(throttler: Throttler) -> None:
    lines = WaitLines()
    async with a_request_waits(throttler, "waiting/pool"):
        begin, end = lines.take().split(", the first for ")
    assert begin == "4 of 4 units of waiting/pool are used; 1 request waits now"
    assert 0 <= float(end.removesuffix(" s")) < 9


async def test_waits_that_are_over_are_told_once(throttler: Throttler) -> None:
    lines = WaitLines()
    for _ in range(2):
        async with throttler.execute_task("waiting/soon"):
            pass
    begin, end = lines.take().split(", after ")
    assert begin.endswith(
        "of waiting/soon are used; 0 requests wait now; 1 left since the last line"
    )
    assert 0 < float(end.split()[0]) < 9
    assert lines.take() == ""


async def test_short_waits_are_not_told(
    throttler: Throttler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SHORTEST", 3_600.0)
    lines = WaitLines()
    for _ in range(2):
        async with throttler.execute_task("waiting/soon"):
            pass
    async with a_request_waits(throttler, "waiting/pool"):
        assert lines.take() == ""


async def test_a_pause_is_told_with_its_reason_before_a_limit_that_is_full(
    throttler: Throttler,
) -> None:
    lines = WaitLines()
    throttler.pause("waiting/soon", 50, reason="HTTP 418")
    async with (
        a_request_waits(throttler, "waiting/pool"),
        a_request_waits(throttler, "waiting/soon"),
    ):
        told = lines.take()
    assert told.startswith("waiting/soon is paused for 50.0 s more (HTTP 418); 1 request waits now")


async def test_one_line_tells_of_the_rules_and_of_what_requests_wait_for(
    throttler: Throttler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sluicegate.freqtrade")
    waits, lines = Waits(), WaitLines()
    report.log_waits(waits, lines)
    assert caplog.messages == []
    waits.refuse("fetch_ohlcv")
    waits.begin()
    async with a_request_waits(throttler, "waiting/pool"):
        report.log_waits(waits, lines)
    [line] = caplog.messages
    assert line.startswith(
        "limits: 1 call was not sent (fetch_ohlcv 1); 4 of 4 units of waiting/pool"
    )
    assert caplog.records[0].levelno == logging.WARNING
