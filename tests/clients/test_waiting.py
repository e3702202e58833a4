"""What waits holds no connection, can be cancelled, and meets the client's own timeouts."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from sluicegate.clients.aiohttp import middleware
from sluicegate.clients.httpx import AsyncTransport, Transport
from sluicegate.clients.requests import Adapter
from sluicegate.tables import Endpoint, Limit, Table
from sluicegate.testing import ManualClock
from tests.clients.kinds import aiohttp_async, httpx_async, until
from tests.clients.server import Server

TABLE = Table(
    (Limit("A", 1, 60.0), Limit("B", 10, 60.0)), (Endpoint("GET", "/a", {"A": 1}),), {"B": 1}
)
SHORT = Table((Limit("A", 1, 0.4),), (), {"A": 1})


@pytest.mark.parametrize("kind", [httpx_async, aiohttp_async])
async def test_a_cancelled_wait_leaves_no_charge_and_no_place(kind: Any, server: Server) -> None:
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        await ask("GET", "/a")
        waiting = asyncio.create_task(ask("GET", "/a"))
        await until(lambda: throttler.usage("A").waiting == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    usage = throttler.usage("A")
    assert (usage.waiting, usage.used, usage.in_flight) == (0, 1, 0)
    assert len(server.arrivals) == 1


@pytest.mark.parametrize("kind", [httpx_async, aiohttp_async])
async def test_what_is_cancelled_in_flight_counts_from_then_on(kind: Any, server: Server) -> None:
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        asked = asyncio.create_task(ask("GET", "/held"))
        await until(lambda: server.arrivals)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        usage = throttler.usage("B")
        assert (usage.used, usage.in_flight) == (1, 0)
        # Its connection is closed, and another one serves the next.
        assert (await ask("GET", "/unknown")).status == 200


@pytest.mark.parametrize("kind", [httpx_async, aiohttp_async])
async def test_a_cancelled_wait_between_two_attempts_leaves_nothing(
    kind: Any, server: Server
) -> None:
    server.refusals = 9
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler, retries=5) as ask:
        asked = asyncio.create_task(ask("GET", "/refused"))
        await until(lambda: throttler.usage("B").waiting == 1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert len(server.arrivals) == 1
    assert (throttler.usage("B").waiting, throttler.usage("B").in_flight) == (0, 0)


async def test_aiohttp_waits_without_a_connection(server: Server) -> None:
    paced = middleware(TABLE)
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(
        server.url, middlewares=[paced], connector=connector
    ) as session:
        async with session.get("/a"):
            pass
        waiting = asyncio.create_task(session.get("/a"))
        await until(lambda: paced.throttler.usage("A").waiting == 1)
        async with session.get("/b") as answer:
            assert answer.status == 200
        waiting.cancel()


async def test_httpx_waits_without_a_connection(server: Server) -> None:
    limits = httpx.Limits(max_connections=1)
    transport = AsyncTransport(TABLE, transport=httpx.AsyncHTTPTransport(limits=limits))
    async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
        await client.get("/a")
        waiting = asyncio.create_task(client.get("/a"))
        await until(lambda: transport.throttler.usage("A").waiting == 1)
        assert (await client.get("/b", timeout=5)).status_code == 200
        waiting.cancel()


async def test_requests_waits_without_a_connection(server: Server) -> None:
    clock = ManualClock()
    adapter = Adapter(TABLE, TABLE.throttler(clock=clock), pool_maxsize=1, pool_block=True)
    with requests.Session() as session:
        session.mount("http://", adapter)
        session.get(server.url + "/a")
        waiting = asyncio.create_task(asyncio.to_thread(session.get, server.url + "/a"))
        await until(lambda: adapter.throttler.usage("A").waiting == 1)
        assert (await asyncio.to_thread(session.get, server.url + "/b")).status_code == 200
        clock.advance(60)
        assert (await waiting).status_code == 200


async def test_the_wait_counts_in_no_timeout_of_httpx(server: Server) -> None:
    transport = AsyncTransport(SHORT)
    async with httpx.AsyncClient(transport=transport, base_url=server.url) as client:
        for _ in range(2):
            assert (await client.get("/a", timeout=0.3)).status_code == 200


def test_nor_in_those_of_a_synchronous_client(server: Server) -> None:
    with httpx.Client(transport=Transport(SHORT), base_url=server.url, timeout=0.3) as client:
        for _ in range(2):
            assert client.get("/a").status_code == 200


def test_the_wait_counts_in_no_timeout_of_requests(server: Server) -> None:
    with requests.Session() as session:
        session.mount("http://", Adapter(SHORT))
        for _ in range(2):
            assert session.get(server.url + "/a", timeout=0.3).status_code == 200


async def test_the_wait_counts_in_the_total_timeout_of_aiohttp_and_in_no_other(
    server: Server,
) -> None:
    paced = middleware(TABLE)
    async with aiohttp.ClientSession(server.url, middlewares=[paced]) as session:
        async with session.get("/a"):
            pass
        with pytest.raises(asyncio.TimeoutError):
            await session.get("/a", timeout=aiohttp.ClientTimeout(total=0.05))
    usage = paced.throttler.usage("A")
    assert (usage.waiting, usage.used, usage.in_flight) == (0, 1, 0)
    assert len(server.arrivals) == 1

    short = middleware(SHORT)
    others = aiohttp.ClientTimeout(total=None, connect=0.3, sock_connect=0.3, sock_read=0.3)
    async with aiohttp.ClientSession(server.url, middlewares=[short], timeout=others) as session:
        begun = time.monotonic()
        for _ in range(2):
            async with session.get("/a") as answer:
                assert answer.status == 200
        assert time.monotonic() - begun >= 0.4
