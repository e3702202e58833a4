"""What aiohttp alone does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from sluicegate import tables
from sluicegate.clients.aiohttp import middleware
from sluicegate.testing import StandInExchange, binance_spot
from tests.clients.kinds import own
from tests.clients.server import Server


async def test_what_aiohttp_sends_again_unseen_is_charged_again() -> None:
    with StandInExchange(binance_spot()) as exchange:
        paced = middleware(exchange.table)
        async with aiohttp.ClientSession(exchange.url, middlewares=[paced]) as session:
            exchange.fail(every=2, drop=True)
            for _ in range(2):
                async with session.get("/api/v3/ping") as answer:
                    assert answer.status == 200
        # The second was lost with its connection, and aiohttp sent it once more.
        assert exchange.statistics().requests == 3
        assert own(paced.throttler, "RAW_REQUESTS") == 3


async def test_a_websocket_is_a_connection_of_the_table(server: Server) -> None:
    table = tables.Table(
        (tables.Limit("CONNECTIONS", 300, 300.0), tables.Limit("A", 10, 1.0)),
        (tables.Endpoint("WS", "/connect", {"CONNECTIONS": 1}),),
        {"A": 1},
    )
    paced = middleware(table)
    async with aiohttp.ClientSession(server.url, middlewares=[paced]) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(server.url.replace("http", "ws") + "/stream")
    assert paced.throttler.usage("CONNECTIONS").used == 1
    assert paced.throttler.usage("A").used == 0


async def test_a_wrong_answer_raises_as_the_session_says(server: Server) -> None:
    paced = middleware("binance-spot")
    async with aiohttp.ClientSession(
        server.url, middlewares=[paced], raise_for_status=True
    ) as session:
        with pytest.raises(aiohttp.ClientResponseError, match="400"):
            await session.get("/error")


async def test_bodies_of_every_form_can_be_sent_again(server: Server) -> None:
    table = tables.load("okx")
    paced = middleware(table, retries=1)
    async with aiohttp.ClientSession(server.url, middlewares=[paced]) as session:
        form = aiohttp.FormData({"instId": "BTC-USDT"})
        for data in (form, "instId=BTC-USDT", b"instId=BTC-USDT", {"instId": "BTC-USDT"}):
            async with session.post("/api/v5/trade/order", data=data) as answer:
                assert answer.status == 200
    counted = {x: y.used for x, y in paced.throttler.usage().items() if x.endswith("[BTC-USDT]")}
    assert 4 in counted.values(), counted
    assert {body for _, _, body, _ in server.arrivals} == {b"instId=BTC-USDT"}


def test_an_older_aiohttp_is_said_to_be_too_old(tmp_path: Path) -> None:
    older = tmp_path / "aiohttp"
    older.mkdir()
    (older / "__init__.py").write_text('__version__ = "3.11.18"\nfrom . import payload\n')
    (older / "payload.py").write_text("")
    run = subprocess.run(
        [sys.executable, "-c", "import sluicegate.clients.aiohttp"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ImportError: sluicegate.clients.aiohttp needs aiohttp 3.12 or later" in run.stderr
    assert "this is 3.11.18" in run.stderr
    assert "A TraceConfig does not help" in run.stderr
