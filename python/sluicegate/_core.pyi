from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    MutableMapping,
    ValuesView,
)
from types import GenericAlias, TracebackType
from typing import (
    Any,
    Generic,
    Literal,
    Protocol,
    SupportsFloat,
    SupportsIndex,
    TypeVar,
    final,
    overload,
)

from typing_extensions import Never, Self, disjoint_base
from typing_extensions import TypeVar as TypeVarWithDefault

from sluicegate.limits import RateLimit

__all__ = [
    "Cache",
    "CacheStats",
    "CacheTimer",
    "HummingbotTask",
    "HummingbotThrottler",
    "LRUCache",
    "ManualClock",
    "TTLCache",
    "Task",
    "Throttler",
    "Usage",
    "__version__",
    "check_timezone",
    "parse_period",
]

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
    def _grow(self, maxsize: float) -> None: ...
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

class _RateLimitLike(Protocol):
    """Any object with the attributes of `RateLimit`: Hummingbot's own fits."""

    @property
    def limit_id(self) -> str: ...
    @property
    def limit(self) -> SupportsFloat | SupportsIndex: ...
    @property
    def time_interval(self) -> SupportsFloat | SupportsIndex | str: ...

@disjoint_base
class Throttler:
    """Decides when requests may leave.

    One throttler may be shared by any number of threads and event loops at once. It works after
    ``os.fork`` too: the child starts with what was used before, and counts on its own.

    Args:
        rate_limits: The table. Limits are read by their attributes (``limit_id``, ``limit``,
            ``time_interval``, and where present ``weight``, ``linked_limits``, ``kind`` and
            ``timezone``), at once: changing them later changes nothing. Of limits with the same
            id, the last one stands.
        safety_margin_pct: Units stay this share of the interval longer, from 0 to 1: 0.05 makes 60
            s count as 63 s. Quotas end at their boundaries all the same.
        limits_share_percentage: This bot's share of every limit, in percent: over 0, up to 100. A
            limit's share is rounded down, and at least 1.
        hold: When a request's units start to leave. ``"response"``: when its block ends, so that no
            window of the server sees more than the limit, however long requests take to arrive.
            ``"start"``: when its block begins; a server behind a varying latency may see more.
        clock: A `sluicegate.testing.ManualClock` for tests; by default the machine's monotonic
            clock.

    Raises:
        ValueError: A value that cannot be, a link to an id that the table does not have, or a
            weight that could never pass. The message names it and says what would be right.
        TypeError: Something of the wrong type.
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self: ...
    def __init__(
        self,
        rate_limits: Iterable[_RateLimitLike],
        *,
        safety_margin_pct: SupportsFloat | SupportsIndex | None = None,
        limits_share_percentage: SupportsFloat | SupportsIndex | None = None,
        hold: Literal["response", "start"] | None = None,
        clock: ManualClock | None = None,
    ) -> None: ...
    def execute_task(
        self,
        limit_id: str,
        units: int | None = None,
        timeout: SupportsFloat | SupportsIndex | None = None,
    ) -> Task:
        """The context of one request: ``async with`` in an event loop, ``with`` in a thread.

        Entering waits until the request may leave. Requests for the same id pass in the order in
        which they came, and none is ever delayed by one that came after it.

        Args:
            limit_id: What is requested: the id of a limit.
            units: The request takes this many times each of its weights; 1 by default.
            timeout: Waits for at most this many seconds (0: not at all); by default as long as it
                takes.

        Raises:
            UnknownLimitError: No limit has this id. The message names the closest one.
            ValueError: ``units`` that are no whole number from 1, or could never pass; a negative
                ``timeout``.
            TypeError: An id that is no ``str``, units or a timeout that are no numbers.
        """

    def try_acquire(self, limit_id: str, units: int | None = None) -> bool:
        """Charges a request now if it may leave now, with nothing to exit; whether it did.

        Its units count from now, whatever ``hold`` says: nobody tells when the answer has come.

        Raises:
            UnknownLimitError: No limit has this id.
            ValueError: ``units`` that are no whole number from 1, or could never pass.
            TypeError: An id that is no ``str``.
        """

    def wait_time(self, limit_id: str, units: int | None = None) -> float:
        """Seconds until a request that came now could leave; 0.0 only if it could leave now.

        An estimate where requests are in flight: they count as answered now. Exact where one limit
        decides and ``hold="start"``.

        Raises:
            UnknownLimitError: No limit has this id.
            ValueError: ``units`` that are no whole number from 1, or could never pass.
            TypeError: An id that is no ``str``.
        """

    @overload
    def usage(self, limit_id: str) -> Usage:
        """How much of a limit is used now.

        Raises:
            UnknownLimitError: No limit has this id.
            TypeError: An id that is no ``str``.
        """

    @overload
    def usage(self, limit_id: None = None) -> dict[str, Usage]:
        """How much of every limit is used, all at one instant, by id."""

    def set_rate_limits(self, rate_limits: Iterable[_RateLimitLike]) -> None:
        """Replaces the table: whole, or not at all.

        What is used of ids that stay, stays used. Requests that wait for an id that is gone fail
        with `UnknownLimitError`; those that could never pass any more, with `ValueError`.

        Raises:
            ValueError: As for the throttler itself; then nothing has changed.
            TypeError: As for the throttler itself; then nothing has changed.
        """

    def add_rate_limits(self, rate_limits: Iterable[_RateLimitLike]) -> None:
        """Adds limits to the table: all, or none. Ids that it has already are left as they are.

        Raises:
            ValueError: As for the throttler itself; then nothing has changed.
            TypeError: As for the throttler itself; then nothing has changed.
        """

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The table in force, as new objects."""

    @property
    def safety_margin_pct(self) -> float:
        """Units stay this share of the interval longer."""

    @property
    def limits_share_percentage(self) -> float:
        """This bot's share of every limit, in percent."""

    @property
    def hold(self) -> Literal["response", "start"]:
        """When a request's units start to leave."""

@disjoint_base
class Task:
    """The context of one request, from `Throttler.execute_task`.

    When the block ends, however it ends, the request's units go from *in flight* into the window. A
    task may be entered again once it was left; a task that is dropped inside gives its units to the
    window, too.

    Raises (from entering):
        RateLimitTimeout: It could not leave within its timeout. Nothing was charged.
        UnknownLimitError: The table was replaced meanwhile, and no longer has the id.
        ValueError: The table was replaced meanwhile, and the request could never pass any more.
        RuntimeError: It was entered already; ``async with`` outside of an asyncio event loop; or
            ``with`` in the thread of an event loop whose own blocks hold what it waits for.

    Warns (when it is dropped):
        RuntimeWarning: It was never entered, so it limited nothing.
    """

    async def __aenter__(self) -> None: ...
    async def __aexit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None: ...

class HummingbotThrottler(Throttler):
    """What `sluicegate.hummingbot.AsyncThrottler` is made from.

    It begins with an empty table. It calls three methods of its subclass:
    ``_without_limit(limit_id, error)`` for the context of an id without a limit,
    ``_must_wait(limit_id)`` before a request waits, and ``_task_attribute(limit_id, name)`` for
    what a task has beside its own.

    Args:
        clock: The time to live by; by default the machine's.
    """

    def __new__(cls, clock: ManualClock | None = None) -> Self: ...
    def execute_task(self, limit_id: str) -> Any:  # type: ignore[override]
        """The context of one request."""

    def _now(self) -> float:
        """Seconds on the throttler's clock."""

    def _log(self) -> list[tuple[str, float, int]]:
        """What is in the windows, since they were last rewritten: (limit id, instant, units)."""

    def _rewrite_log(self, log: list[tuple[str, float, int]]) -> None:
        """Makes the windows hold this and nothing else. What is in flight stays so."""

@final
class HummingbotTask(Task):
    """The context of one request, from `HummingbotThrottler.execute_task`.

    Whatever else Hummingbot's context has, its throttler serves.
    """

@final
class Usage:
    """How much of a limit is used, at one instant."""

    def __new__(
        cls,
        limit_id: str,
        limit: int,
        used: int,
        in_flight: int,
        waiting: int,
        time_interval: float,
        resets_in: float,
    ) -> Self: ...
    def __getnewargs__(self) -> tuple[str, int, int, int, int, float, float]: ...
    @property
    def limit_id(self) -> str:
        """The limit's id."""

    @property
    def limit(self) -> int:
        """Units that fit in a window: this bot's share of the limit."""

    @property
    def used(self) -> int:
        """Units used up: in the window, or in flight."""

    @property
    def in_flight(self) -> int:
        """Of these, the units of requests that have entered and not yet left."""

    @property
    def waiting(self) -> int:
        """Requests that wait to pass this limit."""

    @property
    def time_interval(self) -> float:
        """The length of the window in seconds, margin included."""

    @property
    def resets_in(self) -> float:
        """Seconds until the next units come free: of a quota, until its next boundary.

        0.0 where nothing is used; one interval, the shortest it can take, where all that is used is
        in flight.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class ManualClock:
    """Time that stands still until a test moves it.

    Requests that wait pass at the very instant at which they can, however far one step goes. In an
    event loop, their tasks run when the loop next does: ``await asyncio.sleep(0)`` after `advance`.
    """

    def __new__(cls) -> ManualClock: ...
    @property
    def now(self) -> float:
        """Seconds since the clock was made."""

    def advance(self, seconds: SupportsFloat | SupportsIndex) -> None:
        """Moves time on, and the clock on the wall with it.

        Raises:
            ValueError: Seconds that are negative, or not finite.
            TypeError: Seconds that are no number.
        """

    @property
    def wall(self) -> float:
        """Seconds since the Unix epoch that the clock on the wall shows: 0.0 at first."""

    def set_wall(self, seconds: SupportsFloat | SupportsIndex) -> None:
        """Sets the clock on the wall, forward or back, in no time. From there it runs along again.

        Raises:
            ValueError: Seconds that are not finite, or more than 9e9 from the epoch.
            TypeError: Seconds that are no number.
        """

def parse_period(text: str, *, quota: bool = False) -> float:
    """The seconds of a period, as `RateLimit.time_interval` takes it.

    A whole number and a unit: ``ns``, ``us`` or ``µs``, ``ms``, ``s``, ``m``, ``h``, ``d``.

    >>> parse_period("100ms")
    0.1

    Args:
        text: The period.
        quota: Whether a time of day may stand for it, such as ``"@0815"`` or ``"@081530"``: a day.

    Raises:
        ValueError: Anything else; fractions, 0, and over 100 years. The message shows the value
            and says what would be right.
        TypeError: No ``str``.
    """

def check_timezone(name: str) -> None:
    """Checks that the IANA database has a time zone of this name.

    Raises:
        ValueError: It has not. The message names the closest one.
        TypeError: No ``str``.
    """
