"""The libraries that can share a limit between processes, each as its own docs say."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, ClassVar

from sluicegate import RateLimit, Share, Throttler


class Limiter:
    """One library in one process, limited to `limit` requests in any `interval` seconds.

    `url` is the store: a file (`sqlite:///…`) or a server (`redis://…`); empty for none.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]

    def __init__(self, url: str, limit: int, interval: float) -> None:
        raise NotImplementedError

    def request(self) -> AbstractAsyncContextManager[object]:
        """The context of one request, entered when it may leave."""
        raise NotImplementedError

    async def passes(self, count: int) -> None:
        """Makes so many requests, one after another, that take no time."""
        for _ in range(count):
            async with self.request():
                pass

    def close(self) -> None:
        """Ends it in good order."""


class Sluicegate(Limiter):
    """This library: shared, or alone where there is no store."""

    name = "sluicegate"
    distribution = "sluicegate"

    def __init__(self, url: str, limit: int, interval: float) -> None:
        share = Share(url) if url else None
        self.throttler = Throttler([RateLimit("/x", limit, interval)], hold="response", share=share)

    def request(self) -> AbstractAsyncContextManager[object]:
        return self.throttler.execute_task("/x")

    async def passes(self, count: int) -> None:
        throttler = self.throttler
        for _ in range(count):
            async with throttler.execute_task("/x"):
                pass

    def close(self) -> None:
        self.throttler.close()


class _Awaited:
    """A context for a library that has none: acquires on entering."""

    def __init__(self, acquire: Callable[[], Awaitable[object]]) -> None:
        self.acquire = acquire

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc: object) -> None:
        pass


class PyrateLimiter(Limiter):
    """Its SQLite bucket with the file lock, or its Redis bucket, in the wrapper for asyncio."""

    name = "pyrate-limiter"
    distribution = "pyrate-limiter"

    def __init__(self, url: str, limit: int, interval: float) -> None:
        pyrate = import_module("pyrate_limiter")
        rates = [pyrate.Rate(limit, int(interval * 1000))]
        if url.startswith("sqlite"):
            path = url.removeprefix("sqlite:///")
            bucket = pyrate.SQLiteBucket.init_from_file(rates, db_path=path, use_file_lock=True)
        else:
            server = import_module("redis").Redis.from_url(url)
            bucket = pyrate.RedisBucket.init(rates, server, "x")
        self.limiter = pyrate.Limiter(pyrate.BucketAsyncWrapper(bucket))

    def request(self) -> AbstractAsyncContextManager[object]:
        return _Awaited(lambda: self.limiter.try_acquire_async("x"))


class Limits(Limiter):
    """Its moving window in Redis. It never waits: its users sleep until the reset it tells."""

    name = "limits"
    distribution = "limits"

    def __init__(self, url: str, limit: int, interval: float) -> None:
        limits, aio = import_module("limits"), import_module("limits.aio")
        self.item = limits.RateLimitItemPerSecond(limit, int(interval))
        storage = aio.storage.RedisStorage(f"async+{url}", implementation="redispy")
        self.limiter = aio.strategies.MovingWindowRateLimiter(storage)

    async def _acquire(self) -> None:
        while not await self.limiter.hit(self.item, "x"):
            stats = await self.limiter.get_window_stats(self.item, "x")
            await asyncio.sleep(max(stats.reset_time - time.time(), 0.001))

    def request(self) -> AbstractAsyncContextManager[object]:
        return _Awaited(self._acquire)


class ThrottledPy(Limiter):
    """Its GCRA in Redis, which it has by default; `timeout` has it wait."""

    name = "throttled-py"
    distribution = "throttled-py"

    def __init__(self, url: str, limit: int, interval: float) -> None:
        throttled = import_module("throttled.asyncio")
        quota = throttled.rate_limiter.per_duration(
            import_module("datetime").timedelta(seconds=interval), limit
        )
        self.limiter: Any = throttled.Throttled(
            key="x",
            using="gcra",
            quota=quota,
            timeout=86_400,
            store=throttled.RedisStore(server=url),
        )

    def request(self) -> AbstractAsyncContextManager[object]:
        limiter: AbstractAsyncContextManager[object] = self.limiter
        return limiter


LIMITERS: dict[str, type[Limiter]] = {
    limiter.name: limiter for limiter in (Sluicegate, PyrateLimiter, Limits, ThrottledPy)
}
OTHERS = (
    ("pyrate-limiter", "file"),
    ("pyrate-limiter", "Redis"),
    ("limits", "Redis"),
    ("throttled-py", "Redis"),
)
"""What sluicegate is compared with: a library, and where its limit is."""
