from collections.abc import Callable, ItemsView, Iterator, KeysView, MutableMapping, ValuesView
from types import GenericAlias
from typing import Any, Generic, TypeVar, final, overload

from typing_extensions import Never, Self, disjoint_base
from typing_extensions import TypeVar as TypeVarWithDefault

__all__ = ["Cache", "CacheStats", "CacheTimer", "LRUCache", "TTLCache", "__version__"]

__version__: str

_K = TypeVar("_K")
_V = TypeVar("_V")
_D = TypeVar("_D")
#: What the timer tells.
_T = TypeVarWithDefault("_T", default=float)
_Told = TypeVar("_Told")

@final
class CacheStats:
    """Counters of one cache, all read at the same moment."""

    __hash__: None  # type: ignore[assignment]
    def __eq__(self, other: object, /) -> bool: ...
    @property
    def hits(self) -> int:
        """Reads that found a value."""
    @property
    def misses(self) -> int:
        """Reads that found none, or an expired one."""
    @property
    def hit_rate(self) -> float:
        """The share of reads that found a value, from 0 to 1; 0 when nothing was read."""
    @property
    def evictions(self) -> int:
        """Entries removed to make room."""
    @property
    def expirations(self) -> int:
        """Entries removed because their time was over."""
    @property
    def loads(self) -> int:
        """Keys that a loader was asked for."""
    @property
    def joined(self) -> int:
        """Reads that waited for a load which somebody else had begun."""
    @property
    def errors(self) -> int:
        """Keys that a loader failed to load."""
    @property
    def error_hits(self) -> int:
        """Reads answered with a remembered error."""
    @property
    def refreshes(self) -> int:
        """Keys loaded ahead of their end: a part of `loads`."""
    @property
    def calls(self) -> int:
        """Calls of a loader; a batch is one."""
    @property
    def load_time(self) -> float:
        """Seconds spent in loaders."""
    @property
    def longest_load(self) -> float:
        """The longest time spent in one call of a loader, in seconds."""

@final
class CacheTimer(Generic[_Told]):
    """The timer of a cache: called, it tells the time; as a context manager, it holds it still.

    Time is held still for the thread that asks for it. Another thread's reads still see entries
    expire. Any other attribute is the timer function's own.
    """

    def __new__(cls, timer: Callable[[], _Told] | None = None) -> Self: ...
    def __call__(self, *args: Never, **kwargs: Never) -> _Told: ...
    def __enter__(self) -> _Told: ...
    def __exit__(self, *_exc: object) -> None: ...
    def __getattribute__(self, name: str, /) -> Any: ...
    def __copy__(self) -> Self: ...

@disjoint_base
class Cache(MutableMapping[_K, _V]):
    """The common part of the caches."""

    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    def __getitem__(self, key: _K, /) -> _V: ...
    def __setitem__(self, key: _K, value: _V, /) -> None: ...
    def __delitem__(self, key: _K, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __missing__(self, key: _K) -> _V:
        """Called by `cache[key]` for a missing key; raises KeyError."""
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[_K]: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    @overload
    def pop(self, key: _K) -> _V:
        """Remove `key` and return its value; if missing, return `default` or raise KeyError."""
    @overload
    def pop(self, key: _K, default: _V | _D) -> _V | _D: ...
    @overload
    def setdefault(self: Cache[_K, _D | None], key: _K, default: None = None) -> _D | None:
        """Return the value of `key`; if it is missing, store `default` first."""
    @overload
    def setdefault(self, key: _K, default: _V) -> _V: ...
    def popitem(self) -> tuple[_K, _V]:
        """Remove and return the pair least recently used that has not expired."""
    def clear(self) -> None:
        """Remove all entries."""
    def keys(self) -> KeysView[_K]:
        """The keys that have not expired, as a view."""
    def values(self) -> ValuesView[_V]:
        """The values that have not expired, as a view."""
    def items(self) -> ItemsView[_K, _V]:
        """The pairs that have not expired, as a view."""
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Store all pairs of a mapping or an iterable, and all keyword arguments."""
    @staticmethod
    def getsizeof(value: Any) -> float:
        """The size that counts for a value: 1, unless a subclass or the constructor says else."""
    @property
    def maxsize(self) -> float:
        """The maximum size of the cache."""
    @property
    def currsize(self) -> float:
        """The current size of the cache."""
    def stats(self) -> CacheStats:
        """Counters since the cache was made."""
    def _entry(self, key: _K, read: bool = False) -> tuple[_V, Any, int] | None: ...
    def _count(
        self,
        *,
        loads: int = 0,
        joined: int = 0,
        errors: int = 0,
        error_hits: int = 0,
        refreshes: int = 0,
        seconds: float | None = None,
    ) -> None: ...
    def __copy__(self) -> Self: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __getstate__(self) -> dict[str, Any]: ...
    def __setstate__(self, state: dict[str, Any]) -> None: ...

class TTLCache(Cache[_K, _V], Generic[_K, _V, _T]):
    """A map with room for `maxsize`, whose entries last for `ttl` after they were stored.

    When there is no room, the entry used longest ago goes. May be used from several threads.

    Args:
        maxsize: How much there is room for.
        ttl: How long an entry lasts: seconds, or whatever can be added to what `timer` tells.
        timer: Tells the time; by default a monotonic clock that costs no Python call.
        getsizeof: Tells what a value counts for; by default 1.
    """

    @overload
    def __init__(
        self: TTLCache[_K, _V, float],
        maxsize: float = 100,
        ttl: float = 300,
        timer: None = None,
        getsizeof: Callable[[_V], float] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        maxsize: float = 100,
        ttl: Any = 300,
        timer: Callable[[], _T] | None = None,
        getsizeof: Callable[[_V], float] | None = None,
    ) -> None: ...
    @overload
    def get(self, key: _K, default: None = None) -> _V | None:
        """Return the value of `key`, or `default`."""
    @overload
    def get(self, key: _K, default: _V | _D) -> _V | _D: ...
    @property
    def ttl(self) -> Any:
        """How long the cache's entries last."""
    @property
    def timer(self) -> CacheTimer[_T]:
        """The timer of the cache; `with cache.timer as time:` holds its time still."""
    def expire(self, time: _T | None = None) -> list[tuple[_K, _V]]:
        """Remove the entries that have expired by `time` (by default: now), and return them."""

class LRUCache(Cache[_K, _V]):
    """A map with room for `maxsize`, from which the entry used longest ago goes when there is none.

    May be used from several threads at once.

    Args:
        maxsize: How much there is room for.
        getsizeof: Tells what a value counts for; by default 1.
    """

    def __init__(
        self, maxsize: float = 100, getsizeof: Callable[[_V], float] | None = None
    ) -> None: ...
    @overload
    def get(self, key: _K, default: None = None) -> _V | None:
        """Return the value of `key`, or `default`."""
    @overload
    def get(self, key: _K, default: _V | _D) -> _V | _D: ...
