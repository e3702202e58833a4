"""Hummingbot's own REST plumbing over HTTP, against an exchange that enforces its limits."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hummingbot.connector.exchange.binance import binance_constants, binance_web_utils
from hummingbot.connector.exchange.kucoin import kucoin_constants, kucoin_web_utils
from hummingbot.connector.exchange.okx import okx_constants, okx_web_utils
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

from sluicegate.testing import Endpoint, Limit, StandInExchange, Statistics, Table, binance_spot

LATENCY = (0.002, 0.06)


@pytest_asyncio.fixture
async def plumbing(installed: None) -> AsyncIterator[None]:
    """The drop-in in place, and connections that end with the test: Hummingbot keeps them."""
    yield
    await ConnectionsFactory().close()


async def ask(plumbing: Any, throttler: Any, url: str, limit_id: str, times: int) -> None:
    factory = plumbing.build_api_factory_without_time_synchronizer_pre_processor(throttler)
    assistant = await factory.get_rest_assistant()
    await asyncio.gather(
        *(assistant.execute_request(url, throttler_limit_id=limit_id) for _ in range(times))
    )


def assert_within(seen: Statistics, requests: int, limit: str) -> None:
    assert (seen.accepted, seen.rejected, seen.banned) == (requests, 0, 0)
    assert 0 < seen.limit(limit).worst_window <= seen.limit(limit).limit


@pytest.mark.usefixtures("plumbing")
async def test_binance_keeps_to_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 requests of weight 20 for 6,000 a minute, of which each takes two seconds here."""
    table = copy.deepcopy(binance_constants.RATE_LIMITS)
    for limit in table:
        limit.time_interval /= 30
    async with StandInExchange(binance_spot(minute=2), latency=LATENCY, seed=1) as exchange:
        monkeypatch.setattr(binance_constants, "REST_URL", f"{exchange.url}/api/")
        url = binance_web_utils.public_rest_url(binance_constants.EXCHANGE_INFO_PATH_URL)
        throttler = binance_web_utils.AsyncThrottler(table)
        await ask(
            binance_web_utils, throttler, url, binance_constants.EXCHANGE_INFO_PATH_URL, times=400
        )
        assert_within(exchange.statistics(), 400, "REQUEST_WEIGHT")


@pytest.mark.usefixtures("plumbing")
async def test_kucoin_keeps_to_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 requests for fills, of which three seconds allow nine."""
    fills = Limit("FILLS", 9, 3.0)
    table = Table((fills,), (Endpoint("GET", kucoin_constants.FILLS_PATH_URL, {"FILLS": 1}),))
    async with StandInExchange(table, latency=LATENCY, seed=1) as exchange:
        monkeypatch.setitem(kucoin_constants.BASE_PATH_URL, "main", exchange.url)
        url = kucoin_web_utils.private_rest_url(kucoin_constants.FILLS_PATH_URL)
        throttler = kucoin_web_utils.create_throttler()
        await ask(kucoin_web_utils, throttler, url, kucoin_constants.FILLS_PATH_URL, times=20)
        assert_within(exchange.statistics(), 20, "FILLS")


@pytest.mark.usefixtures("plumbing")
async def test_okx_keeps_to_its_limits() -> None:
    """50 requests for books, of which two seconds allow twenty."""
    books = Limit("BOOKS", 20, 2.0)
    table = Table((books,), (Endpoint("GET", okx_constants.OKX_ORDER_BOOK_PATH, {"BOOKS": 1}),))
    async with StandInExchange(table, latency=LATENCY, seed=1) as exchange:
        url = okx_web_utils.public_rest_url(okx_constants.OKX_ORDER_BOOK_PATH, exchange.url)
        throttler = okx_web_utils.create_throttler()
        await ask(okx_web_utils, throttler, url, okx_constants.OKX_ORDER_BOOK_PATH, times=50)
        assert_within(exchange.statistics(), 50, "BOOKS")


@pytest.mark.usefixtures("plumbing")
async def test_a_server_time_comes_through_each_plumbing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StandInExchange() as exchange:
        monkeypatch.setattr(binance_constants, "REST_URL", f"{exchange.url}/api/")
        assert await binance_web_utils.get_current_server_time() > 1e12
    any_limit = Limit("ALL", 9, 1.0)
    answers = {
        kucoin_constants.SERVER_TIME_PATH_URL: {"data": 5},
        okx_constants.OKX_SERVER_TIME_PATH: {"data": [{"ts": "5"}]},
    }
    table = Table((any_limit,), tuple(Endpoint("GET", path, {"ALL": 1}) for path in answers))
    handlers = {("GET", path): (lambda _request, a=answer: a) for path, answer in answers.items()}
    async with StandInExchange(table, handlers=handlers) as exchange:
        monkeypatch.setitem(kucoin_constants.BASE_PATH_URL, "main", exchange.url)
        assert await kucoin_web_utils.get_current_server_time() == 5
        assert await okx_web_utils.get_current_server_time(domain=exchange.url) == 5
