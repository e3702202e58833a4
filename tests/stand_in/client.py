"""Requests of tests to the stand-in exchange, over HTTP."""

from __future__ import annotations

from typing import Any

import aiohttp


async def ask(
    client: aiohttp.ClientSession, path: str, *, method: str = "GET", **query: str | int
) -> tuple[int, Any]:
    """Status and answer of a request to Binance's API."""
    async with client.request(method, f"/api/v3/{path}", params=query) as response:
        return response.status, await response.json()


async def steer(
    client: aiohttp.ClientSession, path: str, body: Any = None, *, method: str = "POST"
) -> tuple[int, Any]:
    """Status and answer of a request to a path under /stand-in/."""
    async with client.request(method, f"/stand-in/{path}", json=body) as response:
        return response.status, await response.json()
