from collections.abc import Iterable
from types import TracebackType
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex, final, overload

from typing_extensions import Self, disjoint_base

from sluicegate.limits import RateLimit

__all__ = [
    "ManualClock",
    "Task",
    "Throttler",
    "Usage",
    "__version__",
    "check_timezone",
    "parse_period",
]

__version__: str

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

@final
class Task:
    """The context of one request, from `Throttler.execute_task`.

    When the block ends, however it ends, the request's units go from *in flight* into the window. A
    task may be entered again once it was left; a task that is dropped inside gives its units to the
    window, too.

    Raises (from entering):
        RateLimitTimeout: It could not leave within its timeout. Nothing was charged.
        UnknownLimitError: The table was replaced meanwhile, and no longer has the id.
        ValueError: The table was replaced meanwhile, and the request could never pass any more.
        RuntimeError: It was entered already; or ``async with`` outside of an asyncio event loop.
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
