"""What a request takes, and when it leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler, tables
from sluicegate.tables import Endpoint, Limit, Table
from sluicegate.testing import ManualClock, StandInExchange, binance_spot, rolling
from tests.clients.kinds import httpx_async, own, requests_sync, until
from tests.clients.server import Server

TABLE = Table(
    (Limit("A", 2, 60.0), Limit("B", 100, 60.0)),
    (Endpoint("GET", "/a", {"A": 1}), Endpoint("GET", "/held", {"A": 2})),
    {"B": 1},
)


async def test_ids_and_weights_are_those_of_the_table(kind: Any) -> None:
    with StandInExchange() as exchange:
        throttler = exchange.table.throttler()
        async with kind(exchange.url, exchange.table, throttler=throttler) as ask:
            await ask("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
            assert own(throttler, "REQUEST_WEIGHT") == 250
            await ask("GET", "/api/v3/depth", params={"symbol": "BTCUSDT", "limit": "100"})
            assert own(throttler, "REQUEST_WEIGHT") == 255
            await ask("POST", "/api/v3/order", data={"symbol": "BTCUSDT"})
            assert throttler.usage("ORDERS").used == 1
        told = exchange.statistics().limit("REQUEST_WEIGHT").worst_window
        assert told == throttler.usage("REQUEST_WEIGHT").used


@pytest.mark.parametrize("body", ["json", "data", "content"])
async def test_the_body_is_part_of_the_request(kind: Any, server: Server, body: str) -> None:
    table = tables.load("okx")
    throttler = table.throttler()
    order = {"instId": "BTC-USDT", "side": "buy"}
    sent: Any = b'{"instId": "BTC-USDT"}' if body == "content" else order
    async with kind(server.url, table, throttler=throttler) as ask:
        await ask("POST", "/api/v5/trade/order", **{body: sent})
    counted = {x: y.used for x, y in throttler.usage().items() if x.endswith("[BTC-USDT]")}
    assert 1 in counted.values(), counted


async def test_a_path_that_nobody_knows_costs_the_default(kind: Any, server: Server) -> None:
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        assert (await ask("GET", "/unknown")).status == 200
    assert (throttler.usage("A").used, throttler.usage("B").used) == (0, 1)


async def test_what_others_use_is_heard(kind: Any) -> None:
    with StandInExchange() as exchange:
        async with kind(exchange.url, None) as other:
            for _ in range(4):
                await other("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        throttler = exchange.table.throttler()
        async with kind(exchange.url, exchange.table, throttler=throttler) as ask:
            await ask("GET", "/api/v3/ping")
        assert throttler.usage("REQUEST_WEIGHT").used >= 1_000


async def test_many_at_once_are_never_over(kind: Any) -> None:
    table = rolling(binance_spot(minute=1.0))
    with StandInExchange(table, latency=(0.001, 0.02), seed=7) as exchange:
        async with kind(exchange.url, table) as ask:
            path = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
            answers = await asyncio.gather(*(ask("GET", path) for _ in range(60)))
        assert {answer.status for answer in answers} == {200}
        seen = exchange.statistics()
        assert (seen.accepted, seen.rejected) == (60, 0)
        assert seen.limit("REQUEST_WEIGHT").worst_window <= 6_000


async def test_two_clients_with_one_throttler_share_it(server: Server) -> None:
    throttler = TABLE.throttler()
    async with (
        httpx_async(server.url, TABLE, throttler=throttler) as one,
        requests_sync(server.url, TABLE, throttler=throttler, wait_timeout=0) as other,
    ):
        await asyncio.gather(one("GET", "/a"), one("GET", "/a"))
        with pytest.raises(RateLimitTimeout):
            await other("GET", "/a")
    assert server.paths == ["/a", "/a"]


async def test_it_waits_until_there_is_room(kind: Any, server: Server) -> None:
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        await asyncio.gather(ask("GET", "/a"), ask("GET", "/a"))
        third = asyncio.create_task(ask("GET", "/a"))
        await until(lambda: throttler.usage("A").waiting == 1)
        # Who waits for A is in nobody's way.
        await ask("GET", "/unknown")
        assert len(server.arrivals) == 3
        clock.advance(60)
        assert (await third).status == 200


async def test_the_units_are_in_flight_until_the_headers_are_there(
    kind: Any, server: Server
) -> None:
    clock = ManualClock()
    throttler = TABLE.throttler(clock=clock)
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        held = asyncio.create_task(ask("GET", "/held"))
        await until(lambda: server.arrivals)
        assert throttler.usage("A").in_flight == 2
        clock.advance(1_000)
        waiting = asyncio.create_task(ask("GET", "/a"))
        await until(lambda: throttler.usage("A").waiting == 1)
        assert len(server.arrivals) == 1
        server.go_on.set()
        await held
        assert throttler.usage("A").in_flight == 0
        clock.advance(60)
        await waiting


async def test_wait_timeout_charges_and_sends_nothing(kind: Any, server: Server) -> None:
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler, wait_timeout=0) as ask:
        await asyncio.gather(ask("GET", "/a"), ask("GET", "/a"))
        with pytest.raises(RateLimitTimeout):
            await ask("GET", "/a")
    assert len(server.arrivals) == 2
    assert throttler.usage("A").waiting == 0


async def test_who_cannot_connect_holds_nothing(kind: Any) -> None:
    throttler = TABLE.throttler()
    async with kind("http://127.0.0.1:1", TABLE, throttler=throttler, retries=3) as ask:
        with pytest.raises(Exception, match=r"(?i)connect|refused|max retries"):
            await ask("GET", "/a")
    # It counts, once: nobody can tell what has arrived of a request that failed.
    assert (throttler.usage("A").used, throttler.usage("A").in_flight) == (1, 0)


async def test_a_lost_connection_is_not_tried_again_unseen(kind: Any) -> None:
    table = binance_spot()
    with StandInExchange(table) as exchange:
        throttler = table.throttler()
        async with kind(exchange.url, table, throttler=throttler, retries=3) as ask:
            await ask("GET", "/api/v3/ping")
            exchange.fail(drop=True)
            with pytest.raises(Exception, match=r"(?i)disconnect|aborted|closed|reset"):
                await ask("GET", "/api/v3/ping")
        arrived = exchange.statistics().requests
        assert own(throttler, "RAW_REQUESTS") == arrived


@pytest.mark.parametrize("table", [5, None, "binance"])
def test_a_table_that_there_is_not(kind: Any, table: Any) -> None:
    manager = kind("http://127.0.0.1:1", table or 0.5)
    with pytest.raises((TypeError, ValueError), match="table"):
        asyncio.run(manager.__aenter__())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": -1}, "retries must be 0 or more, got -1"),
        ({"retries": 1.5}, "retries must be a whole number, 0 or more, got 1.5"),
        ({"retries": True}, "retries must be a whole number"),
        ({"wait_timeout": -1}, "wait_timeout must be seconds, 0 or more, or None, got -1"),
        ({"wait_timeout": "5"}, "wait_timeout must be seconds"),
        ({"throttler": 5}, "throttler must be a sluicegate.Throttler, got 5"),
        (
            {"throttler": Throttler([RateLimit("A", 2, 60.0)])},
            "but not those of the table 'exchange': it lacks 'B'",
        ),
    ],
)
def test_what_cannot_be_is_said_at_once(kind: Any, options: Any, says: str) -> None:
    manager = kind("http://127.0.0.1:1", TABLE, **options)
    with pytest.raises((TypeError, ValueError), match=says):
        asyncio.run(manager.__aenter__())


async def test_a_throttler_without_limits_gets_those_of_the_table(
    kind: Any, server: Server
) -> None:
    throttler = Throttler([])
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        await ask("GET", "/a")
    assert throttler.usage("A").used == 1
