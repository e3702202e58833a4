"""What mypy and pyright must make of an installed sluicegate: see make/wheels.py."""

import asyncio

from sluicegate import (
    LinkedLimitWeightPair,
    LoadingCache,
    RateLimit,
    RateLimitTimeout,
    Throttler,
    Usage,
)

throttler = Throttler(
    [
        RateLimit("POOL", limit=10, time_interval=1),
        RateLimit(
            "/depth", limit=10, time_interval=1, linked_limits=[LinkedLimitWeightPair("POOL", 2)]
        ),
    ]
)
cache: LoadingCache[str, float] = LoadingCache(maxsize=10, ttl=1.0)


async def ask() -> float:
    """One request in asyncio, and one in a thread."""
    async with throttler.execute_task("/depth", timeout=1.0):
        usage: Usage = throttler.usage("POOL")
    try:
        with throttler.execute_task("/depth"):
            return usage.used / usage.limit
    except RateLimitTimeout as error:
        return error.retry_after or 0.0


asyncio.run(ask())
