"""What `cache.items()` and `cache.values()` return: they skip keys that are removed meanwhile.

Not in `cache/`: the package imports it at once, so that no import is under way when a process
forks, and `cache/` with asyncio only when it is used.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class CacheItems(ItemsView[K, V]):
    """The `(key, value)` pairs of a cache."""

    __slots__ = ()
    _mapping: Mapping[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        """Yield the pairs; reading a value counts as using it, as in cachetools."""
        for key in self._mapping:
            try:
                value = self._mapping[key]
            except KeyError:
                continue  # gone since the iterator came to it
            yield key, value


class CacheValues(ValuesView[V]):
    """The values of a cache."""

    __slots__ = ()
    _mapping: Mapping[object, V]

    def __iter__(self) -> Iterator[V]:
        """Yield the values; reading one counts as using it, as in cachetools."""
        for key in self._mapping:
            try:
                value = self._mapping[key]
            except KeyError:
                continue  # gone since the iterator came to it
            yield value
