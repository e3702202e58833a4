"""The three HTTP clients, each asked in the same way: in an event loop, or in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import httpx
import requests

from sluicegate import Throttler
from sluicegate.clients.aiohttp import middleware
from sluicegate.clients.httpx import AsyncTransport, Transport
from sluicegate.clients.requests import Adapter
from sluicegate.tables import Table


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[..., Any]
"""`await ask(method, path, how="whole" | "stream" | "raw", **body)` returns an `Answer`."""


@asynccontextmanager
async def httpx_async(url: str, table: Table | None, **options: Any) -> AsyncIterator[Ask]:
    beneath = httpx.AsyncHTTPTransport()
    transport = AsyncTransport(table, transport=beneath, **options) if table else beneath

    async with httpx.AsyncClient(
        transport=transport, base_url=url, follow_redirects=True
    ) as client:

        async def ask(method: str, path: str, how: str = "whole", **body: Any) -> Answer:
            if how == "whole":
                answer = await client.request(method, path, **body)
                return Answer(answer.status_code, answer.headers, answer.content)
            async with client.stream(method, path, **body) as answer:
                parts = answer.aiter_raw(100) if how == "raw" else answer.aiter_bytes(100)
                whole = b"".join([part async for part in parts])
                return Answer(answer.status_code, answer.headers, whole)

        yield ask


@asynccontextmanager
async def httpx_sync(url: str, table: Table | None, **options: Any) -> AsyncIterator[Ask]:
    beneath = httpx.HTTPTransport()
    transport = Transport(table, transport=beneath, **options) if table else beneath

    with httpx.Client(transport=transport, base_url=url, follow_redirects=True) as client:

        def asked(method: str, path: str, how: str, body: Any) -> Answer:
            if how == "whole":
                answer = client.request(method, path, **body)
                return Answer(answer.status_code, answer.headers, answer.content)
            with client.stream(method, path, **body) as answer:
                parts = answer.iter_raw(100) if how == "raw" else answer.iter_bytes(100)
                return Answer(answer.status_code, answer.headers, b"".join(parts))

        async def ask(method: str, path: str, how: str = "whole", **body: Any) -> Answer:
            return await asyncio.to_thread(asked, method, path, how, body)

        yield ask


@asynccontextmanager
async def aiohttp_async(url: str, table: Table | None, **options: Any) -> AsyncIterator[Ask]:
    middlewares = [middleware(table, **options)] if table else []
    async with aiohttp.ClientSession(url, middlewares=middlewares) as session:

        async def ask(method: str, path: str, how: str = "whole", **body: Any) -> Answer:
            if "content" in body:
                body["data"] = body.pop("content")
            async with session.request(method, path, **body) as answer:
                if how == "whole":
                    return Answer(answer.status, answer.headers, await answer.read())
                parts = [part async for part in answer.content.iter_chunked(100)]
                return Answer(answer.status, answer.headers, b"".join(parts))

        yield ask


@asynccontextmanager
async def requests_sync(url: str, table: Table | None, **options: Any) -> AsyncIterator[Ask]:
    with requests.Session() as session:
        if table:
            session.mount("http://", Adapter(table, pool_maxsize=100, **options))

        def asked(method: str, path: str, how: str, body: Any) -> Answer:
            if "content" in body:
                body["data"] = body.pop("content")
            with session.request(method, url + path, stream=how != "whole", **body) as answer:
                if how == "raw":
                    whole = answer.raw.read(decode_content=False)
                elif how == "stream":
                    whole = b"".join(answer.iter_content(100))
                else:
                    whole = answer.content
                return Answer(answer.status_code, answer.headers, whole)

        async def ask(method: str, path: str, how: str = "whole", **body: Any) -> Answer:
            return await asyncio.to_thread(asked, method, path, how, body)

        yield ask


KINDS: Any = [httpx_async, httpx_sync, aiohttp_async, requests_sync]


def own(throttler: Throttler, limit_id: str) -> int:
    """Units of a limit that the throttler's own requests have used."""
    usage = throttler.usage(limit_id)
    return usage.used - usage.foreign


async def until(true: Callable[[], object]) -> None:
    """Waits for what another thread or the server does."""
    for _ in range(20_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")
