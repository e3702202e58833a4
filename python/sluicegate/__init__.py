"""An exact rate limiter and rate cache for trading bots.

>>> from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
>>> throttler = Throttler(
...     [
...         RateLimit("REQUEST_WEIGHT", limit=6000, time_interval=60),
...         RateLimit(
...             "/depth",
...             limit=6000,
...             time_interval=60,
...             linked_limits=[LinkedLimitWeightPair("REQUEST_WEIGHT", 100)],
...         ),
...     ]
... )
>>> with throttler.execute_task("/depth"):
...     pass  # send the request, read the answer
>>> throttler.usage("REQUEST_WEIGHT").used
100
"""

from typing import TYPE_CHECKING, Any

# With the package: an import that is under way when a process forks never ends in the child.
from sluicegate import _views, _waiting  # noqa: F401
from sluicegate._core import (
    CacheStats,
    LRUCache,
    SharedUsage,
    ShareMember,
    Task,
    Throttler,
    ThrottlerEvent,
    TTLCache,
    Usage,
    __version__,
    parse_period,
)
from sluicegate.errors import ClosedError, RateLimitTimeout, StoreError, UnknownLimitError
from sluicegate.limits import LinkedLimitWeightPair, RateLimit
from sluicegate.share import Share

if TYPE_CHECKING:
    from sluicegate.cache import LoadingCache, NotLoadedError

__all__ = [
    "CacheStats",
    "ClosedError",
    "LRUCache",
    "LinkedLimitWeightPair",
    "LoadingCache",
    "NotLoadedError",
    "RateLimit",
    "RateLimitTimeout",
    "Share",
    "ShareMember",
    "SharedUsage",
    "StoreError",
    "TTLCache",
    "Task",
    "Throttler",
    "ThrottlerEvent",
    "UnknownLimitError",
    "Usage",
    "__version__",
    "parse_period",
]


def __getattr__(name: str) -> Any:
    """The loading cache, when it is asked for: it imports asyncio, which takes long."""
    if name not in ("LoadingCache", "NotLoadedError"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sluicegate import cache

    globals().update(LoadingCache=cache.LoadingCache, NotLoadedError=cache.NotLoadedError)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
