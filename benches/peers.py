"""The libraries that are compared, each configured for the same limit as its own docs say.

An adapter has the library's own way to make a request in two forms: `passes`, a loop written as its
users write it, so that nothing of ours is timed; and `request`, a context for one request, that
waits for its turn.
"""

import asyncio
import logging
import time
from contextlib import AbstractAsyncContextManager
from importlib import import_module, metadata
from typing import Any, ClassVar

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler


class Peer:
    """One library, limited to `limit` requests in any `interval` seconds.

    Whole seconds, as some know no others.
    """

    name: ClassVar[str]
    """As the table calls it."""
    distribution: ClassVar[str]
    pools: ClassVar[bool] = False
    """Whether one request may take from several limits in one step."""

    def __init__(self, limit: int, interval: int, pools: int = 1) -> None:
        """`pools`: how many each request takes from beside its own limit, where there are any."""
        raise NotImplementedError

    def request(self) -> AbstractAsyncContextManager[object]:
        """The context of one request, entered when it may leave."""
        raise NotImplementedError

    async def passes(self, count: int) -> None:
        """Makes so many requests, one after another, that take no time."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends whatever runs in the background."""


class Sluicegate(Peer):
    """This library."""

    name = "sluicegate"
    distribution = "sluicegate"
    pools = True

    def __init__(self, limit: int, interval: int, pools: int = 1, hold: Any = "response") -> None:
        self.throttler = Throttler(
            _table(RateLimit, LinkedLimitWeightPair, limit, interval, pools), hold=hold
        )

    def request(self) -> AbstractAsyncContextManager[object]:
        return self.throttler.execute_task("/x")

    async def passes(self, count: int) -> None:
        throttler = self.throttler
        for _ in range(count):
            async with throttler.execute_task("/x"):
                pass


def _table(limit_type: Any, link_type: Any, limit: int, interval: int, pools: int) -> list[Any]:
    ids = [f"POOL{pool}" for pool in range(pools)]
    links = [link_type(pool, 1) for pool in ids]
    return [
        *(limit_type(pool, limit, interval) for pool in ids),
        limit_type("/x", limit, interval, linked_limits=links),
    ]


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
            _table(types.RateLimit, types.LinkedLimitWeightPair, limit, interval, pools)
        )

    @staticmethod
    def types() -> Any:
        """The module of its `RateLimit` and `LinkedLimitWeightPair`."""
        return import_module("hummingbot.core.api_throttler.data_types")

    @staticmethod
    def build(table: list[Any]) -> Any:
        """A throttler for a table of its own limits."""
        module = import_module("hummingbot.core.api_throttler.async_throttler")
        # "has almost reached" would flood the terminal.
        logging.getLogger("hummingbot").setLevel(logging.CRITICAL)
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
