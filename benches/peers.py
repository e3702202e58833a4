"""The libraries that are compared, each configured for the same limit as its own docs say."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from importlib import import_module, metadata
from typing import Any

from benches.limiter import Peer, table


class _Awaited:
    """A context for a library that has none: acquires on entering."""

    def __init__(self, acquire: Any) -> None:
        self.acquire = acquire

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exc: object) -> None:
        pass


class AioLimiter(Peer):
    """A leaky bucket with room for `limit` requests."""

    name = "aiolimiter"
    distribution = "aiolimiter"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        self.limiter = import_module("aiolimiter").AsyncLimiter(limit, interval)

    def request(self) -> AbstractAsyncContextManager[object]:
        limiter: AbstractAsyncContextManager[object] = self.limiter
        return limiter

    async def passes(self, count: int) -> None:
        limiter = self.limiter
        for _ in range(count):
            async with limiter:
                pass


class AsyncioThrottle(AioLimiter):
    """A rolling window; who does not fit tries again every 10 ms."""

    name = "asyncio-throttle"
    distribution = "asyncio-throttle"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        self.limiter = import_module("asyncio_throttle").Throttler(
            rate_limit=limit, period=interval
        )


class PyrateLimiter(Peer):
    """A rolling window in memory, in the wrapper that its docs want in an event loop."""

    name = "pyrate-limiter"
    distribution = "pyrate-limiter"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        pyrate = import_module("pyrate_limiter")
        bucket = pyrate.InMemoryBucket([pyrate.Rate(limit, interval * 1000)])
        self.limiter = pyrate.Limiter(pyrate.BucketAsyncWrapper(bucket))

    def request(self) -> AbstractAsyncContextManager[object]:
        return _Awaited(lambda: self.limiter.try_acquire_async("x"))

    async def passes(self, count: int) -> None:
        limiter = self.limiter
        for _ in range(count):
            await limiter.try_acquire_async("x")

    def close(self) -> None:
        self.limiter.close()


class Limits(Peer):
    """The moving window in memory. It never waits: its users sleep until the reset it tells."""

    name = "limits"
    distribution = "limits"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        limits, aio = import_module("limits"), import_module("limits.aio")
        self.item = limits.RateLimitItemPerSecond(limit, interval)
        self.limiter = aio.strategies.MovingWindowRateLimiter(aio.storage.MemoryStorage())

    async def _acquire(self) -> None:
        while not await self.limiter.hit(self.item, "x"):
            stats = await self.limiter.get_window_stats(self.item, "x")
            await asyncio.sleep(max(stats.reset_time - time.time(), 0.001))

    def request(self) -> AbstractAsyncContextManager[object]:
        return _Awaited(self._acquire)

    async def passes(self, count: int) -> None:
        limiter, item = self.limiter, self.item
        for _ in range(count):
            await limiter.hit(item, "x")


class ThrottledPy(AioLimiter):
    """The sliding window in memory, its nearest to a rolling one; `timeout` has it wait."""

    name = "throttled-py"
    distribution = "throttled-py"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        throttled = import_module("throttled.asyncio")
        quota = throttled.rate_limiter.per_duration(
            import_module("datetime").timedelta(seconds=interval), limit
        )
        self.limiter = throttled.Throttled(
            key="x",
            using="sliding_window",
            quota=quota,
            timeout=86_400,
            store=throttled.MemoryStore(),
        )


class Ccxt(Peer):
    """The rolling window of its throttler."""

    name = "ccxt"
    distribution = "ccxt"

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        window = interval * 1000.0
        self.limiter = import_module("ccxt.async_support.base.throttler").Throttler(
            {"algorithm": "rollingWindow", "windowSize": window, "rateLimit": window / limit}
        )

    def request(self) -> AbstractAsyncContextManager[object]:
        return _Awaited(self.limiter)

    async def passes(self, count: int) -> None:
        limiter = self.limiter
        for _ in range(count):
            await limiter()


class Hummingbot(Peer):
    """Its `AsyncThrottler`, with its own defaults: a margin of 5 %, and a new try every 0.1 s."""

    name = "Hummingbot"
    distribution = "hummingbot"
    pools = True

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        self.throttler, types = self.build([]), self.types()
        self.throttler.set_rate_limits(
            table(types.RateLimit, types.LinkedLimitWeightPair, limit, interval, pools)
        )

    @staticmethod
    def types() -> Any:
        """The module of its `RateLimit` and `LinkedLimitWeightPair`."""
        return import_module("hummingbot.core.api_throttler.data_types")

    @staticmethod
    def build(table: list[Any]) -> Any:
        """A throttler for a table of its own limits."""
        module = import_module("hummingbot.core.api_throttler.async_throttler")
        # Its warning, every 30 s, that a limit is almost reached asks for the whole application.
        module.AsyncRequestContextBase._last_max_cap_warning_ts = float("inf")
        return module.AsyncThrottler(table)

    def request(self) -> AbstractAsyncContextManager[object]:
        request: AbstractAsyncContextManager[object] = self.throttler.execute_task("/x")
        return request

    async def passes(self, count: int) -> None:
        throttler = self.throttler
        for _ in range(count):
            async with throttler.execute_task("/x"):
                pass


PEERS: tuple[type[Peer], ...] = (
    AioLimiter,
    AsyncioThrottle,
    PyrateLimiter,
    Limits,
    ThrottledPy,
    Ccxt,
    Hummingbot,
)


def version(peer: type[Peer]) -> str:
    """The version that is installed."""
    return metadata.version(peer.distribution)


def installed() -> tuple[list[type[Peer]], dict[str, str]]:
    """The peers that work here, and why each of the others does not."""
    found: list[type[Peer]] = []
    missing: dict[str, str] = {}

    async def try_it(peer: type[Peer]) -> None:
        one = peer(2, 1)
        await one.passes(1)
        one.close()

    for peer in PEERS:
        try:
            version(peer)
            asyncio.run(try_it(peer))
        except metadata.PackageNotFoundError:
            missing[peer.name] = f"{peer.distribution} is not installed"
        except Exception as error:
            missing[peer.name] = f"{type(error).__name__}: {error}"
        else:
            found.append(peer)
    return found, missing
