"""Refused requests: given to the program, or sent again when it is time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from sluicegate.tables import Limit, Table
from sluicegate.testing import BanRule, ManualClock, StandInExchange, binance_spot
from tests.clients.kinds import aiohttp_async, httpx_async, until
from tests.clients.server import REFUSED, SMALL, Server

TABLE = Table((Limit("A", 10, 60.0),), (), {"A": 1})


async def test_a_429_is_given_as_it_is_and_holds_the_next_one(kind: Any, server: Server) -> None:
    server.refusals = 1
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        answer = await ask("GET", "/refused")
        assert (answer.status, answer.body) == (429, REFUSED)
        assert {x.lower(): y for x, y in answer.headers.items()}["retry-after"] == "5"
        assert throttler.usage("A").paused == pytest.approx(6)  # and a second more
        waiting = asyncio.create_task(ask("GET", "/refused"))
        await until(lambda: throttler.usage("A").waiting == 1)
        assert len(server.arrivals) == 1
        clock.advance(6)
        assert (await waiting).status == 200


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize("body", [{}, {"json": {"a": 1}}, {"content": b"a=1"}, {"data": {"a": 1}}])
async def test_with_retries_it_waits_and_is_sent_again(
    kind: Any, server: Server, status: int, body: Any
) -> None:
    server.refusals, server.status = 2, status
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler, retries=2) as ask:
        asked = asyncio.create_task(ask("POST" if body else "GET", "/refused", **body))
        for sent in (1, 2):
            await until(lambda: throttler.usage("*").waiting == 1)
            assert len(server.arrivals) == sent
            clock.advance(6)
        assert (await asked).body == SMALL
    assert len(server.arrivals) == 3
    assert len({sent for _, _, sent, _ in server.arrivals}) == 1
    assert len({client for *_, client in server.arrivals}) == 1
    assert throttler.usage("A").used == 3


async def test_it_is_sent_again_at_most_so_often(kind: Any, server: Server) -> None:
    server.refusals, server.headers = 5, {"Retry_After": "0"}
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler, retries=1) as ask:
        asked = asyncio.create_task(ask("GET", "/refused"))
        await until(lambda: throttler.usage("A").waiting == 1)
        clock.advance(1)
        assert (await asked).status == 429
    assert len(server.arrivals) == 2


async def test_a_body_that_can_be_read_once_is_not_sent_again(
    kind: Any, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def parts_async() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    def parts() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    caplog.set_level("INFO", "sluicegate.clients")
    server.refusals = 1
    content: Any = parts_async() if kind in (httpx_async, aiohttp_async) else parts()
    async with kind(server.url, TABLE, retries=2) as ask:
        assert (await ask("POST", "/refused?key=secret", content=content)).status == 429
    assert [body for _, _, body, _ in server.arrivals] == [b"ab"]
    assert "POST /refused has a body that can be read once only" in caplog.text
    assert "secret" not in caplog.text


async def test_an_overloaded_exchange_is_not_asked_again(kind: Any, server: Server) -> None:
    server.refusals, server.status, server.headers = 1, 503, {}
    async with kind(server.url, TABLE, retries=2) as ask:
        assert (await ask("GET", "/refused")).status == 503
    assert len(server.arrivals) == 1


async def test_a_ban_holds_all_requests(kind: Any) -> None:
    table = binance_spot(minute=60.0)
    with StandInExchange(table) as exchange:
        exchange.set_ban(BanRule(tolerated=0, first=30))
        exchange.set_limits({"REQUEST_WEIGHT": 250})
        throttler = table.throttler(clock=ManualClock())
        async with kind(exchange.url, table, throttler=throttler, wait_timeout=0) as ask:
            path = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
            assert [(await ask("GET", path)).status for _ in range(2)] == [200, 418]
            with pytest.raises(TimeoutError):
                await ask("GET", "/api/v3/ping")
        assert exchange.statistics().too_early == 0
        assert exchange.statistics().requests == 2
