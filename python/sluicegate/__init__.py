"""An exact rate limiter and rate cache for trading bots."""

from sluicegate._core import CacheStats, LRUCache, TTLCache, __version__

__all__ = ["CacheStats", "LRUCache", "TTLCache", "__version__"]
