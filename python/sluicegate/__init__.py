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

from sluicegate._core import (
    CacheStats,
    LRUCache,
    SharedUsage,
    ShareMember,
    Task,
    Throttler,
    TTLCache,
    Usage,
    __version__,
    parse_period,
)
from sluicegate.cache import LoadingCache, NotLoadedError
from sluicegate.errors import ClosedError, RateLimitTimeout, StoreError, UnknownLimitError
from sluicegate.limits import LinkedLimitWeightPair, RateLimit
from sluicegate.share import Share

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
    "UnknownLimitError",
    "Usage",
    "__version__",
    "parse_period",
]
