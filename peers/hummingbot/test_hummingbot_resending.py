"""Hummingbot's own plumbing against an exchange that closes kept-alive connections."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hummingbot.connector.exchange.binance import binance_web_utils
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory


@pytest.mark.usefixtures("installed")
async def test_every_request_that_arrives_is_charged() -> None:
    arrived = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        if arrived % 3 == 0:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/ping", answer)
    throttler = binance_web_utils.AsyncThrottler([RateLimit("/ping", 1000, 60)])
    factory = binance_web_utils.build_api_factory_without_time_synchronizer_pre_processor(throttler)
    async with TestServer(app) as server:
        assistant = await factory.get_rest_assistant()
        for _ in range(20):
            await assistant.execute_request(str(server.make_url("/ping")), "/ping")
        assert arrived > 20
        assert throttler.usage("/ping").used == arrived
        await ConnectionsFactory().close()
