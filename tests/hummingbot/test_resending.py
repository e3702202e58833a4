"""Requests whose kept-alive connection was closed are sent again, and counted again."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sluicegate.hummingbot import AsyncThrottler, RateLimit, install, uninstall
from tests.hummingbot import fake_hummingbot
from tests.hummingbot.fake_hummingbot import forget


@pytest.fixture
def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plumbing of a Hummingbot with the drop-in in it."""
    forget()
    monkeypatch.syspath_prepend(fake_hummingbot.write(tmp_path))
    install()
    yield importlib.import_module("hummingbot.core.web_assistant.rest_assistant").RESTAssistant
    uninstall()
    forget()


class Server:
    """Answers a connection's first request, and closes it when the next one has come."""

    def __init__(self) -> None:
        self.requests = 0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answers in (True, False):
            if not await reader.readline():
                break
            self.requests += 1
            while (await reader.readline()).strip():
                pass
            if answers:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        self.url = "http://{}:{}/".format(*server.sockets[0].getsockname())
        yield self
        server.close()


@pytest.fixture
def throttler() -> AsyncThrottler:
    return AsyncThrottler([RateLimit("/x", limit=10, time_interval=60)])


async def test_what_is_sent_again_is_charged_again(
    assistant: Any, throttler: AsyncThrottler
) -> None:
    async with Server().running() as server, aiohttp.ClientSession() as session:
        for _ in range(3):
            answer = await assistant(session, throttler).execute_request(server.url, "/x")
            assert answer == "ok"
        assert server.requests == 5
        assert throttler.usage("/x").used == server.requests


async def test_what_is_not_idempotent_is_not_sent_again(
    assistant: Any, throttler: AsyncThrottler
) -> None:
    async with Server().running() as server, aiohttp.ClientSession() as session:
        await assistant(session, throttler).execute_request(server.url, "/x", "POST")
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await assistant(session, throttler).execute_request(server.url, "/x", "POST")
        assert (server.requests, throttler.usage("/x").used) == (2, 2)


async def test_it_is_sent_again_once(assistant: Any, throttler: AsyncThrottler) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1")
    url = "http://{}:{}/".format(*server.sockets[0].getsockname())
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await assistant(session, throttler).execute_request(url, "/x")
    server.close()
    assert throttler.usage("/x").used == 2


async def test_what_found_no_connection_is_not_sent_again(
    assistant: Any, throttler: AsyncThrottler
) -> None:
    async with Server().running() as server:
        url = server.url
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await assistant(session, throttler).execute_request(url, "/x")
    assert throttler.usage("/x").used == 1


async def test_uninstalled_sessions_send_again_by_themselves(
    assistant: Any, throttler: AsyncThrottler
) -> None:
    async with Server().running() as server, aiohttp.ClientSession() as session:
        await assistant(session, throttler).execute_request(server.url, "/x")
        uninstall()
        assert await assistant(session, throttler).execute_request(server.url, "/x") == "ok"
        assert (server.requests, throttler.usage("/x").used) == (3, 2)
        assert session._retry_connection
