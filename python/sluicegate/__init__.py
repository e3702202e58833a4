"""An exact rate limiter and rate cache for trading bots."""

from sluicegate._core import CacheStats, LRUCache, TTLCache, __version__
from sluicegate.cache import LoadingCache, NotLoadedError

__all__ = [
    "CacheStats",
    "LRUCache",
    "LoadingCache",
    "NotLoadedError",
    "TTLCache",
    "__version__",
]
