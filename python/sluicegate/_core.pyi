# What `src/python/` gives to Python: every class, with its signatures and docstrings.
# Long because a module has one stub, and `help()` must tell all that it tells.

from collections.abc import (
    Callable,
    Coroutine,
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
    NoReturn,
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
from sluicegate.share import Share

__all__ = [
    "Cache",
    "CacheStats",
    "CacheTimer",
    "HummingbotTask",
    "HummingbotThrottler",
    "LRUCache",
    "ManualClock",
    "Ready",
    "ShareMember",
    "SharedUsage",
    "TTLCache",
    "Task",
    "Throttler",
    "ThrottlerEvent",
    "Usage",
    "__version__",
    "check_link",
    "check_rate_limit",
    "check_share",
    "check_timezone",
    "hide_password",
    "meter_snapshot",
    "parse_period",
    "share_overview",
    "share_visits",
]

__version__: str

_K = TypeVar("_K")
_V = TypeVar("_V")
_D = TypeVar("_D")
#: A function that `Throttler.limit` decorates.
_F = TypeVar("_F", bound=Callable[..., Any])
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
    """A map with room for ``maxsize``, whose entries expire ``ttl`` after they were stored.

    If there is no room for a new entry, the entry that was used least recently is removed. It may
    be used from several threads at once.

    Args:
        maxsize: The size for which there is room. The default is 100.
        ttl: How long an entry lasts: seconds, or anything that can be added to what ``timer``
            returns. The default is 300.
        timer: A function that returns the time. The default is a monotonic clock, in seconds,
            that costs no Python call.
        getsizeof: A function that returns the size of a value. By default every value has size 1.

    Examples:
        >>> cache = TTLCache(maxsize=100, ttl=300)
        >>> cache["BTC/USDT"] = 97000.0
        >>> cache.get("BTC/USDT"), cache.get("ETH/USDT")
        (97000.0, None)
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
        """Remove the entries that have expired at ``time`` (by default now), and return them."""

class LRUCache(Cache[_K, _V]):
    """A map with room for ``maxsize``, from which the least recently used entry is removed.

    That happens if there is no room for a new entry. It may be used from several threads at once.

    Args:
        maxsize: The size for which there is room. The default is 100.
        getsizeof: A function that returns the size of a value. By default every value has size 1.

    Examples:
        >>> cache = LRUCache(maxsize=100)
        >>> cache["BTC/USDT"] = 97000.0
        >>> "BTC/USDT" in cache
        True
    """

    def __init__(
        self, maxsize: float = 100, getsizeof: Callable[[_V], float] | None = None
    ) -> None: ...
    @overload
    def get(self, key: _K, default: None = None) -> _V | None:
        """Return the value of `key`, or `default`."""
    @overload
    def get(self, key: _K, default: _V | _D) -> _V | _D: ...

_Callback = TypeVar("_Callback", bound=Callable[["ThrottlerEvent"], object])

class _RateLimitLike(Protocol):
    """Any object with the attributes of `RateLimit`: Hummingbot's own fits."""

    @property
    def limit_id(self) -> str: ...
    @property
    def limit(self) -> SupportsFloat | SupportsIndex | None: ...
    @property
    def time_interval(self) -> SupportsFloat | SupportsIndex | str | None: ...

@disjoint_base
class Throttler:
    """Decides when a request may leave, so that no limit of its table is exceeded.

    One throttler may be used by any number of threads and event loops at once. It also works
    after ``os.fork``: the child starts with the same used units, and then counts on its own. With
    ``share``, the child takes part in the budget as one more process, which has nothing at first.

    Args:
        rate_limits: The table of limits: a list, or any other iterable. The limits are read at
            once, by their attributes: ``limit_id``, ``limit`` and ``time_interval``, and, where an
            object has them, ``weight``, ``linked_limits``, ``kind``, ``timezone``, ``scope``,
            ``priority`` and ``reserve``. To change a limit afterwards has no effect. If two limits
            have the same id, the last one counts; if they differ, a ``RuntimeWarning`` says so.
        safety_margin_pct: A share of each interval, from 0 to 1, by which units stay used longer.
            0.05 makes 60 s count as 63 s. The default is 0. A quota ends at its boundary anyway.
        limits_share_percentage: The share of every limit that this throttler may use, in percent:
            above 0 and at most 100, which is the default. The share of a limit is rounded down,
            and is at least 1.
        hold: When the interval of a request's units begins. ``"response"``, the default: when the
            block ends, so that the exchange never sees more than the limit, however long requests
            take to arrive. ``"start"``: when the block begins; if the latency varies, the exchange
            may see more than the limit.
        clock: A `sluicegate.testing.ManualClock`, for tests. By default the machine's monotonic
            clock.
        share: Where the limits are shared with other processes: the address of a store, such as
            ``"sqlite:////var/lib/bots/budget.db"`` or ``"redis://host:6379/0"``, or a
            `sluicegate.Share`. All throttlers that name the same store have one budget together.
            By default nothing is shared.
        patience: How many seconds a waiting request takes to rise by one class, so that nobody
            starves while requests of higher priorities keep coming: over 0, up to 2592000 (30
            days). Once it has risen to the highest priority, it goes before all that come later.
            The default is ``None``: a request waits for as long as higher ones come.

    Raises:
        ValueError: A value is out of range, a link names an id that is not in the table or the
            limit itself, or a weight is so large that a request could never pass; or another
            process that shares a limit has other values for it. The message shows the value and
            says what would be right.
        TypeError: A value has the wrong type.
        StoreError: The store of ``share`` cannot be used. The message says why, and what helps.

    Examples:
        >>> throttler = Throttler([RateLimit("/depth", limit=20, time_interval=1)])
        >>> with throttler.execute_task("/depth"):
        ...     pass  # send the request, read the answer
        >>> throttler.usage("/depth").used
        1
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
        share: str | Share | None = None,
        patience: SupportsFloat | SupportsIndex | None = None,
    ) -> None: ...
    def execute_task(
        self,
        limit_id: str,
        units: int | None = None,
        timeout: SupportsFloat | SupportsIndex | None = None,
        priority: int | None = None,
    ) -> Task:
        """Returns the context of one request, for ``async with`` or, in a thread, for ``with``.

        To enter it waits until the request may leave. The block is where the request is sent and
        its answer is read. A context that is never entered limits nothing, and a
        ``RuntimeWarning`` says so.

        Requests of the same priority for the same id leave in the order in which they came. A later
        request never delays an earlier one, unless its priority is higher. A request of a lower
        priority never delays one of a higher that waits.

        Args:
            limit_id: The id of a limit of the table.
            units: How many times its weights the request takes: a whole number, 1 or more. The
                default is 1.
            timeout: The most seconds to wait. 0 does not wait at all: of a shared limit it sees
                only the units that this process has. By default there is no timeout.
            priority: Who goes first of those that wait: a whole number from -1000 to 1000. The
                higher goes first, also before those of its id that came earlier; equal ones go in
                the order of arrival. The default is the ``priority`` of the id in the table, which
                is 0 if the table does not say it.

        Raises:
            UnknownLimitError: No limit of the table has this id. The message names the closest id.
            ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
                could never pass; or ``timeout`` is negative; or ``priority`` is out of range.
            TypeError: ``limit_id`` is not a ``str``, or ``units``, ``timeout`` or ``priority`` is
                not a number.
            RateLimitTimeout: When it is entered: the request could not leave within ``timeout``.
                Nothing was charged. `Task` tells what else can be raised there.

        Examples:
            >>> async def depth(session):
            ...     async with throttler.execute_task("/depth", timeout=5):
            ...         async with session.get("/depth") as response:
            ...             return await response.read()
        """

    def limit(
        self,
        limit_id: str,
        *,
        units: int | None = None,
        timeout: SupportsFloat | SupportsIndex | None = None,
        priority: int | None = None,
    ) -> Callable[[_F], _F]:
        """Returns a decorator: each call of its function is one request.

        The call waits until the request may leave. The function's code is the block of the
        request, as within `execute_task`: a coroutine function waits without blocking its event
        loop, and any other function blocks its thread. Methods can be decorated, too. Generators
        cannot, because their code runs after the call.

        Args:
            limit_id: The id of a limit of the table. It is looked up at each call.
            units: How many times its weights each call takes: a whole number, 1 or more. The
                default is 1.
            timeout: The most seconds that a call waits, which then raises `RateLimitTimeout`. By
                default there is no timeout.
            priority: The priority of each call: see `execute_task`.

        Raises:
            TypeError: ``limit_id`` is not a ``str``, as in ``@throttler.limit`` without an id; or
                the decorated object is a generator function, a class, or nothing that can be
                called. A call raises what `execute_task` does, and a ``TypeError`` if a plain
                function returns a coroutine, whose code has not run yet.

        Examples:
            >>> @throttler.limit("/depth")
            ... def depth(symbol):
            ...     return f"the book of {symbol}"  # send the request, read the answer
            >>> depth("BTCUSDT")
            'the book of BTCUSDT'
        """

    def charge(self, limit_id: str, units: int | None = None, priority: int | None = None) -> bool:
        """Charges a request now, for good, if there is room. Returns whether there was room.

        Nothing needs to be left or given back: the interval of the units begins now, whatever
        ``hold`` is. It never waits. Use it for requests whose end is not known, and for units that
        another program used; in all other cases use `execute_task`.

        Of a shared limit it sees only the units that this process has. It asks the others for more,
        so that the next one may pass.

        Args:
            limit_id: The id of a limit of the table.
            units: How many times its weights the request takes: a whole number, 1 or more. The
                default is 1.
            priority: As in `execute_task`: those of a lower priority that wait are not in its way.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
                could never pass; or ``priority`` is out of range.
            TypeError: ``limit_id`` is not a ``str``, or ``units`` or ``priority`` is not a number.

        Examples:
            >>> if throttler.charge("/depth"):
            ...     print("send the request now")
            send the request now
        """
    def try_acquire(
        self, limit_id: str, units: int | None = None, priority: int | None = None
    ) -> bool:
        """The older name of `charge`, which does the same."""

    def wait_time(
        self, limit_id: str, units: int | None = None, priority: int | None = None
    ) -> float:
        """Returns the seconds until a request that came now could leave. Nothing is charged.

        It is 0.0 only if the request could leave now. It is an estimate if requests are in flight,
        because nobody knows when they end: they count as if they had ended now. It is exact if one
        limit decides and ``hold`` is ``"start"``.

        Of a shared limit it sees only the units that this process has. It is infinite if they are
        too few, whatever comes free; others may have some. It asks them, so that the next one may
        pass.

        Args:
            limit_id: The id of a limit of the table.
            units: How many times its weights the request takes: a whole number, 1 or more. The
                default is 1.
            priority: As in `execute_task`: those of a lower priority that wait are not in its way.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            ValueError: ``units`` is not a whole number of 1 or more, or so large that the request
                could never pass; or ``priority`` is out of range.
            TypeError: ``limit_id`` is not a ``str``, or ``units`` or ``priority`` is not a number.

        Examples:
            >>> throttler.wait_time("/depth")
            0.0
        """

    @overload
    def usage(self, limit_id: str) -> Usage:
        """Returns how much of a limit is used now, as a `Usage`; without an id, of every limit.

        Args:
            limit_id: The id of a limit of the table. Without it the result is a dictionary of all
                limits, by id, all read at the same instant.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            TypeError: ``limit_id`` is not a ``str``.

        Examples:
            >>> throttler.usage("/depth").remaining
            18
        """

    @overload
    def usage(self, limit_id: None = None) -> dict[str, Usage]:
        """How much of every limit is used, all at one instant, by id."""

    def __contains__(self, limit_id: object, /) -> bool: ...
    def _forget_routes(self, limit_ids: list[str]) -> None: ...
    def counters(self) -> dict[str, dict[str, float]]:
        """Returns what has become of the requests of every limit, by id.

        A request counts for each limit that it takes from, and for the limit of its own id. The
        counters begin at 0 when the throttler is made, and in the child of a fork.

        Each value is a dictionary for ``json.dumps``:

        - ``passed``: how many requests passed, at once or after a wait
        - ``refused``: how many were told at once that there is no room: by `charge`, or with
          ``timeout=0``
        - ``timed_out``: how many raised `RateLimitTimeout` after a wait
        - ``pauses``: how often the limit was paused
        - ``waits``: how many waited before they passed
        - ``waited``: how many seconds these waited, together
        - ``oldest_wait``: for how many seconds the oldest has waited that waits now; 0.0 if none
          does

        Examples:
            >>> throttler.counters()["/depth"].get("passed")
            1
        """

    def observe(
        self,
        limit_id: str,
        *,
        used: int | None = None,
        remaining: int | None = None,
        limit: SupportsFloat | SupportsIndex | None = None,
        reset: SupportsFloat | SupportsIndex | None = None,
        expect: bool = False,
        age: SupportsFloat | SupportsIndex | None = None,
    ) -> int:
        """Learns from an answer of the exchange how much of a limit everybody uses.

        It only ever adds. What others have used is at least the exchange's number less all own
        units that may be in it: those in flight, and those that were in the window since the
        request left. So many units at least count until the window ends, and for one interval after
        this answer at most. A smaller number frees nothing. A smaller limit holds at once. A larger
        limit holds as far as the table allows: what the table says is never exceeded.

        With ``kind="bucket"`` there is one counter for everybody, here as at the exchange. It shows
        no less than the exchange's number from now on, less own units in flight that may be in it,
        and falls by ``limit`` an interval once, whoever has used the units. A limit that was told
        is its rate as well. With ``kind="concurrent"`` only ``limit`` is learned: nobody says when
        the requests of others end.

        Call it as soon as the answer is there, within the block of the request or after it.

        Args:
            limit_id: The id of a limit of the table.
            used: How many units everybody has used in this window, this request included.
            remaining: How many units are left. If both are given, the smaller number of free units
                counts.
            limit: How large the limit is, for everybody together. By default as the exchange last
                said, or as the table says.
            reset: The seconds until the window ends. By default units of others count for one
                interval, and those of a quota until its boundary. Of a bucket it tells nothing.
            expect: Whether others are expected to go on as they did. If so, what they used in one
                window is kept for them in the next, and given up as it turns out unused. Of what is
                in flight, nothing counts as if it were in the number already. Of a bucket, room is
                kept for twice what they use in the time that the answer took and one unit takes to
                drain; the next answer gives it back.
            age: How many seconds ago the request of this answer left: the numbers are of some
                moment since then. By default a quarter of the interval, and at most 1 s.

        Returns:
            How many units of others were not known before.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            ValueError: None of ``used``, ``remaining`` and ``limit`` is given, or a value is
                negative, not a number, or a ``limit`` below 1.
            TypeError: A value has the wrong type.

        Examples:
            >>> throttler.observe("/depth", used=5)  # 2 of them are our own
            3
        """

    def pause(
        self,
        limit_id: str | None = None,
        seconds: SupportsFloat | SupportsIndex | None = None,
        reason: str = "",
    ) -> bool:
        """Lets nothing leave for so many seconds: after a refusal, or during a ban.

        Of two pauses the one that ends later holds. So the refusals of requests that were in flight
        change nothing. Requests that wait keep their places, and leave in the same order when the
        pause is over. Requests in flight are not stopped.

        Args:
            limit_id: The id of a limit of the table: nothing leaves that takes from it, nor a
                request for this id. ``None``, the default: nothing leaves at all.
            seconds: How long, from now on: 0 or more, at most 100 years.
            reason: Why, for the log and for `Usage.pause_reason`.

        Returns:
            Whether this pause ends later than one before it.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            ValueError: ``seconds`` is negative, not a number, infinite, or over 100 years.
            TypeError: A value has the wrong type.

        Examples:
            >>> throttler.pause("/depth", 60, reason="HTTP 429")
            True
            >>> throttler.charge("/depth")
            False
        """

    def pause_scope(
        self,
        scope: Literal["account", "address"],
        seconds: SupportsFloat | SupportsIndex,
        reason: str = "",
    ) -> bool:
        """Lets nothing leave for so many seconds that takes from a limit of one scope.

        For a ban of one account and not of all who ask from this address, or the other way round.
        Limits that are added meanwhile are paused, too. Everything else is as for `pause`.

        Args:
            scope: ``"account"`` or ``"address"``, as `RateLimit` has it.
            seconds: How long, from now on: 0 or more, at most 100 years.
            reason: Why, for the log and for `Usage.pause_reason`.

        Returns:
            Whether any limit is paused for longer than before.

        Raises:
            ValueError: ``scope`` is none of these; or ``seconds`` is negative, not a number,
                infinite, or over 100 years.
            TypeError: A value has the wrong type.

        Examples:
            >>> throttler.pause_scope("address", 600, reason="HTTP 403")
            False
            >>> throttler.charge("/depth")  # a limit of the account
            True
        """

    def correct(self, limit_id: str, units: int) -> int:
        """Corrects what is counted, if the cost of a request is known only after it.

        Call it as soon as the answer is there, within the block of the request or right after it:
        later, what comes back may be missing twice, as it came free meanwhile. If you have the
        request's task, `Task.correct` gives back that request's own units.

        Args:
            limit_id: The id of the limit. Limits linked to it are corrected on their own.
            units: How many units more were used, which count from now on; or, below 0, how many
                were not used after all. The oldest in the window are given back first, and then
                those in flight: it is never over, whichever request it was. Units of others are
                not given back.

        Returns:
            How many units were counted or, below 0, given back: never more than there were.

        Raises:
            UnknownLimitError: No limit of the table has this id.
            ValueError: ``units`` is not a whole number.
            TypeError: ``limit_id`` is not a ``str``, or ``units`` is not a number.

        Examples:
            >>> throttler.correct("/depth", 3)  # it was a deep page
            3
        """

    def on(
        self,
        callback: _Callback,
        *,
        waited_longer_than: SupportsFloat | SupportsIndex | None = None,
    ) -> _Callback:
        """Has a function called with each event: a pause, its end, use by others, a changed limit.

        Each event is a `ThrottlerEvent`. It is also one line of the log (``"sluicegate"``), at most
        one for each limit and kind in ten seconds, and 20 of one kind. A line tells how many events
        it stands for.

        The callback is called in the thread that made it happen, or in one that waits; one event
        at a time, in order. It may use the throttler. It should be short, because that thread or
        event loop waits for it. If it raises an exception, ``sys.unraisablehook`` reports it. While
        no request waits, nothing is woken: the end of a pause is then told with the next request.

        Args:
            callback: A function of one argument. It is kept for as long as the throttler is.
            waited_longer_than: Has it called as well for each request that has waited for so many
                seconds, once, while the request waits on. By default it is not.

        Returns:
            The callback, so that ``@throttler.on`` can decorate it.

        Raises:
            TypeError: ``callback`` cannot be called, or is a coroutine function; or
                ``waited_longer_than`` is not a number.
            ValueError: ``waited_longer_than`` is negative, not a number, or infinite.

        Examples:
            >>> def tell(event):
            ...     print(event.kind, event.limit_id, event.seconds, event.reason)
            >>> _ = throttler.on(tell)
            >>> throttler.pause("/depth", 60, reason="HTTP 429")
            paused /depth 60.0 HTTP 429
            True
        """

    def off(self, callback: Callable[[ThrottlerEvent], object]) -> bool:
        """Has a callback of `on` called no more. Another thread may be within it at this moment.

        Args:
            callback: The function that was given to `on`. If it was given several times, all of
                them end.

        Returns:
            Whether it was there.
        """

    def set_rate_limits(self, rate_limits: Iterable[_RateLimitLike]) -> None:
        """Replaces the whole table. If it raises, nothing has changed.

        Used units stay used for every id that is in both tables. Requests that wait for an id that
        is no longer there fail with `UnknownLimitError`. Requests that could never pass in the new
        table fail with ``ValueError``.

        Args:
            rate_limits: The new table, as for `Throttler`.

        Raises:
            ValueError: As for `Throttler`.
            TypeError: As for `Throttler`.
        """

    def add_rate_limits(self, rate_limits: Iterable[_RateLimitLike]) -> None:
        """Adds limits to the table. If it raises, nothing has changed.

        Args:
            rate_limits: Limits, as for `Throttler`. An id that the table has already is left as it
                is.

        Raises:
            ValueError: As for `Throttler`.
            TypeError: As for `Throttler`.
        """

    def set_server_time(
        self, seconds: SupportsFloat | SupportsIndex, uncertainty: SupportsFloat | SupportsIndex
    ) -> None:
        """Tells what the clock of the exchange shows now: limits of ``kind="fixed"`` follow it.

        Each call adds to what is known: many coarse times make a fine one. If a call contradicts
        the ones before it, the exchange has set its clock, and the last one counts. The clock of
        this machine may step as it likes. Call it every few minutes, because clocks drift: what is
        known is taken to be worse by 6 ms for each minute since the last call.

        Args:
            seconds: What the clock of the exchange shows, in seconds since 1970-01-01 00:00 UTC.
                The header ``Date`` has whole seconds: it showed half a second more, give or take
                half a second.
            uncertainty: The most seconds by which ``seconds`` may be wrong, both ways: half of what
                the request took, and half of the resolution.

        Raises:
            ValueError: A value is not finite, ``uncertainty`` is negative, or ``seconds`` is more
                than 9e9 before or after 1970.
            TypeError: A value is not a number.

        Examples:
            >>> throttler.set_server_time(1_790_000_000.25, uncertainty=0.05)
        """

    def close(self, timeout: SupportsFloat | SupportsIndex | None = None) -> bool:
        """Gives back what this throttler has of a shared budget, so that others have it at once.

        From now on nothing passes: requests that wait fail with `ClosedError`, and so do later
        ones. The end of the program does the same by itself. Nothing happens to a throttler that is
        not shared. To close it twice does no harm. ``contextlib.closing`` closes it at the end of a
        block.

        Args:
            timeout: The most seconds to wait for the store. The default is 2. If it takes longer,
                the throttler goes on giving back by itself.

        Returns:
            Whether all is given back. If not, others get it as they would after a crash.

        Raises:
            ValueError: ``timeout`` is negative or not a number.
            TypeError: ``timeout`` is not a number.
        """

    @property
    def rate_limits(self) -> list[RateLimit]:
        """The table that is in force, as new `RateLimit` objects."""

    @property
    def safety_margin_pct(self) -> float:
        """The share of each interval by which units stay used longer, from 0 to 1."""

    @property
    def patience(self) -> float | None:
        """How many seconds a waiting request takes to rise by one class; ``None``: it does not."""

    @property
    def limits_share_percentage(self) -> float:
        """The share of every limit that this throttler may use, in percent."""

    @property
    def hold(self) -> Literal["response", "start"]:
        """When the interval of a request's units begins: ``"response"`` or ``"start"``."""

    def __enter__(self) -> NoReturn: ...
    def __exit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> NoReturn: ...
    def __aenter__(self) -> NoReturn: ...
    def __aexit__(
        self,
        _exc_type: type[BaseException] | None,
        _exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> NoReturn: ...

@disjoint_base
class Task:
    """The context of one request. `Throttler.execute_task` makes it; do not make it yourself.

    While the block runs, the units of the request are *in flight*. When the block ends, in any
    way, they stay used for one interval. A task can be entered again after it was left. If a task
    is dropped while its block runs, its units stay used for one interval, too.

    To enter raises:
        RateLimitTimeout: The request could not leave within its timeout. Nothing was charged.
        UnknownLimitError: The table was replaced during the wait, and no longer has the id.
        ValueError: The table was replaced during the wait, and the request could never pass now.
        ClosedError: The throttler shares its limits, and was closed.
        RuntimeError: The task was entered already; or ``async with`` was used outside of an
            asyncio event loop; or ``with`` was used in the thread of an event loop whose own
            blocks hold what it waits for.

    To drop a task that was never entered warns:
        RuntimeWarning: It limited nothing.
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
    def correct(self, units: int, limit_id: str | None = None) -> int:
        """Corrects what this request is counted as, if its cost is known only from its answer.

        Call it in the block, after the answer. Other requests keep what they hold, so no limit is
        ever exceeded by it. Units that were not used after all are free at once.

        Args:
            units: How many more were used, which count from now on; or, below 0, how many were not
                used after all. Without ``limit_id``, so many times the request's weights, as the
                ``units`` of `Throttler.execute_task` are: all its limits are corrected.
            limit_id: Corrects this limit alone, by so many units of it. The request must take from
                it.

        Returns:
            How many were counted or, below 0, given back: at most what this request holds. With
            ``hold="start"`` it holds nothing any more, so that nothing is given back: see
            `Throttler.correct`.

        Raises:
            RuntimeError: The block has not begun, or is over.
            UnknownLimitError: No limit of the table has this id.
            ValueError: ``units`` is not a whole number, or the request does not take from this
                limit.
            TypeError: ``limit_id`` is not a ``str``, or ``units`` is not a number.

        Examples:
            >>> task = throttler.execute_task("/depth", units=5)  # a page of up to 100 levels
            >>> with task:
            ...     task.correct(-3)  # 40 levels came
            -3
        """

    def __await__(self) -> NoReturn: ...
    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn: ...

@final
class Ready(Coroutine[None, None, None]):
    """An awaitable that is over before it begins; it may be awaited again and again."""

    def __new__(cls) -> Self: ...
    def __await__(self) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> None: ...
    def send(self, _value: object) -> None: ...
    def throw(self, exception: Any, value: Any = None, _traceback: Any = None) -> None: ...
    def close(self) -> None: ...

class HummingbotThrottler(Throttler):
    """What `sluicegate.hummingbot.AsyncThrottler` is made from.

    Its subclass calls `_begin` first. It calls three methods of its subclass:
    ``_without_limit(limit_id, error)`` for the context of an id without a limit,
    ``_must_wait(limit_id)`` before a request waits, and ``_task_attribute(limit_id, name)`` for
    what a task has beside its own.
    """

    def __new__(cls, *_args: object, **_kwargs: object) -> Self: ...
    def _begin(
        self,
        clock: ManualClock | None = None,
        share: str | Share | None = None,
        limits_share_percentage: float = 100.0,
    ) -> None:
        """Begins with an empty table.

        Args:
            clock: The time to live by; by default the machine's.
            share: Where the limits are shared with other processes, as for `Throttler`.
            limits_share_percentage: How much of each limit it may use, in percent. What is shared
                is the whole limit.
        """

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
    """How much of one limit is used, at one instant. `Throttler.usage` makes it.

    Examples:
        >>> import json
        >>> usage = throttler.usage("/depth")
        >>> usage.used, usage.remaining
        (2, 18)
        >>> json.loads(json.dumps(usage.as_dict()))["limit"]
        20
    """

    def __new__(
        cls,
        limit_id: str,
        limit: int,
        used: int,
        in_flight: int,
        waiting: int,
        time_interval: float,
        resets_in: float,
        foreign: int = 0,
        paused: float = 0.0,
        pause_reason: str = "",
        reserved: int = 0,
    ) -> Self: ...
    def __getnewargs__(
        self,
    ) -> tuple[str, int, int, int, int, float, float, int, float, str, int]: ...
    @property
    def limit_id(self) -> str:
        """The id of the limit."""

    @property
    def limit(self) -> int:
        """How many units fit in a window: this throttler's share of the limit.

        Of a limit that is shared, it is what this process has now, which changes; `shared` tells
        the whole.
        """

    @property
    def used(self) -> int:
        """How many units are used: in the window, or in flight.

        Of a shared limit with an interval of over a minute, `shared` alone tells all: what a
        process has used there is the store's to count.
        """

    @property
    def remaining(self) -> int:
        """How many units are free now: ``limit`` less ``used``, and never below 0."""
    @property
    def in_flight(self) -> int:
        """How many of the used units belong to requests whose block runs now."""

    @property
    def waiting(self) -> int:
        """How many requests wait for this limit."""

    @property
    def time_interval(self) -> float:
        """The length of the window in seconds, the safety margin included."""

    @property
    def resets_in(self) -> float:
        """Seconds until the next units become free; of a quota, until its next boundary.

        It is 0.0 if nothing is used. If all used units are in flight, it is one interval: the
        shortest time that it can take.
        """

    @property
    def foreign(self) -> int:
        """How many of the used units belong to others: see `Throttler.observe`.

        It includes the units that are kept for others, who are expected to go on as they did.
        """

    @property
    def paused(self) -> float:
        """For how many seconds nothing leaves, whatever is used: see `Throttler.pause`.

        It is 0.0 if the limit is not paused.
        """

    @property
    def pause_reason(self) -> str:
        """Why it is paused. It is empty if it is not, or if nobody said why."""

    @property
    def reserved(self) -> int:
        """How many units are free, and kept for requests of a higher priority than the lowest.

        It is what is left of the limit's ``reserve``: 0 if it has none.
        """
    @property
    def shared(self) -> SharedUsage | None:
        """How much all processes use that share the limit, as a `SharedUsage`.

        It is ``None`` if the limit is not shared, and of a pickled copy. It is read from the store
        now, and not when the usage was read: it may take a millisecond, and over a network a round
        trip.

        Raises:
            StoreError: The store cannot be read now, or the throttler was closed.
        """

    def as_dict(self) -> dict[str, str | int | float]:
        """All of these values but `shared` by name, as a dictionary for ``json.dumps``."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class ThrottlerEvent:
    """Something that happened to the limits of a throttler. `Throttler.on` says who gets it.

    As text it is the line that the log gets.

    Examples:
        >>> events = []
        >>> _ = throttler.on(events.append)
        >>> throttler.pause("/depth", 31, reason="HTTP 429")
        True
        >>> print(events[0])
        "/depth" is paused for 31 s: HTTP 429
    """

    __hash__: None  # type: ignore[assignment]
    @property
    def kind(self) -> Literal["paused", "resumed", "foreign", "limit", "waited"]:
        """What happened: one of five words.

        ``"paused"``, ``"resumed"``, ``"foreign"`` (others have used units), ``"limit"`` (the
        exchange changed it) or ``"waited"`` (a request has waited for long).
        """

    @property
    def limit_id(self) -> str | None:
        """The id of the limit. ``None``: all limits.

        Of ``"waited"`` it is the id that the request named.
        """

    @property
    def time(self) -> float:
        """When it happened, in seconds since 1970-01-01 00:00 UTC, by the clock of this machine."""

    @property
    def seconds(self) -> float:
        """Of ``"paused"``, how many seconds the pause lasts. It is 0.0 if the event tells none.

        Of ``"waited"``, how many seconds the request has waited so far.
        """

    @property
    def units(self) -> int:
        """Of ``"foreign"``, how many units of others were not known before.

        Of ``"waited"``, how many times its weights the request takes. Otherwise it is 0.
        """

    @property
    def limit(self) -> int | None:
        """Of ``"limit"``, how many units may be used from now on. Otherwise it is ``None``.

        It is this throttler's share, and no more than the table says.
        """

    @property
    def reason(self) -> str:
        """Of ``"paused"``, why. It is empty if nobody said why."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class SharedUsage:
    """How much of a limit all processes use that share it. `Usage.shared` makes it."""

    __hash__: None  # type: ignore[assignment]
    @property
    def limit_id(self) -> str:
        """The id of the limit."""

    @property
    def scope(self) -> str:
        """Whose budget it is: ``"account:NAME"`` or ``"address:NAME"``."""

    @property
    def limit(self) -> int:
        """How many units fit in a window, for all processes together."""

    @property
    def used(self) -> int:
        """How many of them are used or in flight.

        What this process uses is exact. Of the others it is what they used when they last told, and
        the few units that they held ready for their next requests.
        """

    @property
    def free(self) -> int:
        """How many of them no process has: who needs them takes them."""

    @property
    def time_interval(self) -> float:
        """The length of the window in seconds."""

    @property
    def members(self) -> list[ShareMember]:
        """The processes that share it."""

    def as_dict(self) -> dict[str, Any]:
        """All of these values by name, as a dictionary that ``json.dumps`` can write."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class ShareMember:
    """One process's part of a shared limit."""

    __hash__: None  # type: ignore[assignment]
    @property
    def pid(self) -> int:
        """The number of the process on its host."""

    @property
    def host(self) -> str:
        """The name of its host."""

    @property
    def command(self) -> str:
        """How it was started."""

    @property
    def held(self) -> int:
        """How many units it has, used or free."""

    @property
    def demand(self) -> int:
        """How many units it used and waited for when it last told."""

    @property
    def called_for(self) -> float | None:
        """For how many seconds it has been asked for units and has not come: it may be stopped.

        It is ``None`` if it is not asked.
        """

    def as_dict(self) -> dict[str, str | int | float | None]:
        """All of these values by name, as a dictionary that ``json.dumps`` can write."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class ManualClock:
    """A clock for tests: time stands still until the test moves it.

    A request that waits leaves at the very instant at which it can, however far one step goes.
    In an event loop its task runs when the loop runs next: call ``await asyncio.sleep(0)`` after
    `advance`.

    Examples:
        >>> clock = ManualClock()
        >>> throttler = Throttler([RateLimit("/depth", 1, time_interval=60)], clock=clock)
        >>> throttler.charge("/depth"), throttler.charge("/depth")
        (True, False)
        >>> clock.advance(60)
        >>> throttler.charge("/depth")
        True
    """

    def __new__(cls) -> ManualClock: ...
    @property
    def now(self) -> float:
        """Seconds since the clock was made."""

    def advance(self, seconds: SupportsFloat | SupportsIndex) -> None:
        """Moves the time forward. The wall clock moves with it.

        Args:
            seconds: How far: 0 or more.

        Raises:
            ValueError: ``seconds`` is negative or not finite.
            TypeError: ``seconds`` is not a number.
        """

    @property
    def wall(self) -> float:
        """What the wall clock shows, in seconds since 1970-01-01 00:00 UTC. It begins at 0.0."""

    def set_wall(self, seconds: SupportsFloat | SupportsIndex) -> None:
        """Sets the wall clock, forward or back, while no time passes. It runs on from there.

        Args:
            seconds: Seconds since 1970-01-01 00:00 UTC.

        Raises:
            ValueError: ``seconds`` is not finite, or more than 9e9 before or after 1970.
            TypeError: ``seconds`` is not a number.
        """

def meter_snapshot() -> str:
    """Returns all that is known of this process's throttlers and caches, as JSON."""

def parse_period(text: str, *, quota: bool = False) -> float:
    """Returns the seconds of a period, as `RateLimit.time_interval` takes it.

    A period is a whole number and a unit: ``ns``, ``us`` or ``µs``, ``ms``, ``s``, ``m``, ``h``
    or ``d``.

    Args:
        text: The period.
        quota: Whether ``text`` may also be a time of day, such as ``"@0815"`` or ``"@081530"``,
            which stands for one day. The default is False.

    Raises:
        ValueError: ``text`` is not a period, is 0 or is longer than 100 years. The message shows
            it and says what would be right.
        TypeError: ``text`` is not a ``str``.

    Examples:
        >>> parse_period("100ms")
        0.1
    """

def check_timezone(name: str) -> None:
    """Checks that the IANA database has a time zone of this name.

    Args:
        name: The name, such as ``"Asia/Shanghai"`` or ``"UTC"``.

    Raises:
        ValueError: There is no such time zone. The message names the closest one.
        TypeError: ``name`` is not a ``str``.
    """

def check_rate_limit(rate_limit: object) -> None:
    """Checks one limit of a table: its types, and the range of its values.

    Args:
        rate_limit: An object with the attributes of `RateLimit`.

    Raises:
        ValueError: A value is out of range. The message shows it and says what would be right.
        TypeError: A value has the wrong type.
    """

def check_share(share: object) -> None:
    """Checks one `Share`: its address, and the range of its values. The store is not opened.

    Args:
        share: An object with the attributes of `Share`.

    Raises:
        ValueError: A value is out of range. The message shows it and says what would be right.
        TypeError: A value has the wrong type.
    """

def hide_password(url: str) -> str:
    """Returns the address of a store with ``***`` in place of its password.

    Args:
        url: The address.
    """

def share_overview(url: str) -> list[dict[str, Any]]:
    """Returns who holds what of the budgets in a store, without disturbing anybody.

    It is a list with a dictionary for each account and address. All values are such that
    ``json.dumps`` can write them; spans are in seconds.

    - ``scope``: ``"account:NAME"`` or ``"address:NAME"``
    - ``learning``: whether the store has lost something, so that nobody gets more for a while
    - ``members``: dictionaries with ``id``, ``pid``, ``host``, ``command``, ``started`` (seconds
      since 1970), ``dead`` (whether it has ended without giving back what it held), ``lease``
      (until it counts as dead; None for a file), ``called_for`` (since it was called and has not
      come; None if it is not called), ``ticket`` (None, or a dictionary with ``waited`` and
      ``needs``, units by limit id)
    - ``limits``: dictionaries with ``limit_id``, ``limit``, ``time_interval``, ``kind``
      (``"rolling"`` or ``"quota"``), ``resets`` (a text, or None), ``used``, ``free`` (that no
      member has; below 0 while a lowered limit is paid off), ``coming_free`` (lists of [seconds,
      units]), ``foreign`` (of these, what others have used), ``kept`` (of ``foreign``, what the
      exchange does not count now: it is kept for others who may come again), ``locked_up`` (what
      members held that have died), ``reserved`` (free units that are kept for higher
      priorities than the lowest; None of an entry that stands for what lower ones may use of
      another), ``paused`` (seconds) and ``pause_reason``, and ``members``: for each of the members
      above None, or a dictionary with ``held``, and ``used`` and ``demand`` as it last told

    Args:
        url: The address of the store.

    Raises:
        StoreError: The store cannot be read.
    """

def share_visits() -> tuple[int, float, float]:
    """Returns how often this process asked its stores, and the seconds of waiting and of asking."""

def check_link(link: object) -> None:
    """Checks one `LinkedLimitWeightPair`.

    Args:
        link: An object with the attributes ``limit_id`` and ``weight``.

    Raises:
        ValueError: The weight is out of range.
        TypeError: A value has the wrong type.
    """
