"""`AsyncThrottler`, with Hummingbot's surface, on the gate."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from sluicegate import limits as core
from sluicegate._core import HummingbotThrottler, ManualClock
from sluicegate.exchange.added_limits import (
    AddedLimit,
    beside,
    read_added_limit,
    warn_of_slips,
)
from sluicegate.hummingbot.context import (
    AsyncRequestContext,
    AsyncRequestContextBase,
    GateContext,
    UnlimitedContext,
)
from sluicegate.hummingbot.data_types import RateLimit, TaskLog
from sluicegate.hummingbot.notices import Notices
from sluicegate.hummingbot.stands_for import PACKAGE, StandsFor
from sluicegate.hummingbot.task_logs import TaskLogs


def _share(percentage: Decimal | float | None) -> Decimal:
    must = f"limits_share_percentage must be a percentage over 0 or None, not {percentage!r}"
    try:
        share = Decimal(str(percentage or 100)) / 100
        if 0 < share < Decimal("0.01"):
            warnings.warn(
                f"limits_share_percentage={percentage} is less than one percent; for a share of "
                f"{percentage}, write {Decimal(str(percentage)) * 100}",
                RuntimeWarning,
                stacklevel=4,
            )
        if share > 0:
            return share
    except InvalidOperation:
        raise ValueError(must) from None
    raise ValueError(must)


class AsyncThrottlerBase(StandsFor):
    """A table of limits, and this bot's share of each. Subclasses say how requests wait."""

    hummingbot_module = "async_throttler_base"

    _task_logs: list[TaskLog]

    @classmethod
    def logger(cls) -> logging.Logger:
        """Hummingbot's log of throttlers."""
        return logging.getLogger(f"{PACKAGE}.async_throttler_base")

    def __init__(
        self,
        rate_limits: list[RateLimit],
        retry_interval: float = 0.1,
        safety_margin_pct: float | None = 0.05,
        limits_share_percentage: Decimal | None = None,
    ) -> None:
        """A throttler with a copy of the table.

        Args:
            rate_limits: The table. Of limits with the same id, the last one stands.
            retry_interval: For throttlers that poll; the gate does not.
            safety_margin_pct: Units stay this share of the interval longer: 0.05 makes 60 s count
                as 63 s.
            limits_share_percentage: This bot's share of every limit, in percent, where several
                share an account; all of it by default. Rounded down, and at least 1.
        """
        self.limits_pct = _share(limits_share_percentage)
        self._retry_interval = retry_interval
        self._safety_margin_pct = safety_margin_pct or 0.0
        self._lock = asyncio.Lock()
        self.set_rate_limits(rate_limits)
        self._task_logs = []

    def _own_share(self, limit: RateLimit) -> RateLimit:
        own = copy.deepcopy(limit)
        share = math.floor(Decimal(str(limit.limit)) * self.limits_pct)
        own.limit = share if share > 1 else Decimal("1")
        return own

    def set_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        """Replaces the table by a copy of this one."""
        table = [self._own_share(limit) for limit in rate_limits]
        self._use_table(table, {limit.limit_id: limit for limit in table})

    def add_rate_limits(self, rate_limits: list[RateLimit]) -> None:
        """Adds copies of these limits; ids that the table has already are left as they are."""
        new: dict[str, RateLimit] = {}
        for limit in rate_limits:
            if limit.limit_id not in self._id_to_limit_map and limit.limit_id not in new:
                new[limit.limit_id] = self._own_share(limit)
        self._use_table([*self._rate_limits, *new.values()], {**self._id_to_limit_map, **new})

    def _use_table(self, table: list[RateLimit], limits: dict[str, RateLimit]) -> None:
        self._rate_limits = table
        self._id_to_limit_map = limits

    def _client_config_map(self) -> Any:
        from hummingbot.client.hummingbot_application import (  # type: ignore[import-not-found]
            HummingbotApplication,
        )

        return HummingbotApplication.main_application().client_config_map

    def get_related_limits(
        self, limit_id: str
    ) -> tuple[RateLimit | None, list[tuple[RateLimit, int]]]:
        """The limit of an id, and the others that it takes from, each with how much.

        A link to an unknown id is left out; an unknown id has no limit.
        """
        limits = self._id_to_limit_map
        limit = limits.get(limit_id)
        links = [] if limit is None else limit.linked_limits
        return limit, [
            (limits[pair.limit_id], pair.weight) for pair in links if pair.limit_id in limits
        ]

    @abstractmethod
    def execute_task(self, limit_id: str) -> AsyncRequestContextBase:
        """The context of one request."""
        raise NotImplementedError


class AsyncThrottler(AsyncThrottlerBase, HummingbotThrottler):  # type: ignore[misc]
    """Hummingbot's throttler on the gate: exact, first come first served, at hardly any cost.

    A request's units stay until one interval (and the margin) after its answer, so that the
    exchange never sees more than the limit, however long requests are under way.

    Beside Hummingbot's methods it has those of `sluicegate.Throttler`: ``usage``, ``wait_time`` and
    ``try_acquire``; and `IO`, for limits of the user's own.
    """

    hummingbot_module = "async_throttler"

    #: For tests: the time by which throttlers of a subclass live.
    _clock: ClassVar[ManualClock | None] = None

    def __new__(cls, *_args: object, **_kwargs: object) -> AsyncThrottler:
        """Subclasses may take other arguments than ours."""
        return super().__new__(cls, clock=cls._clock)

    def __init__(
        self,
        rate_limits: list[RateLimit],
        retry_interval: float = 0.1,
        safety_margin_pct: float | None = 0.05,
        limits_share_percentage: Decimal | None = None,
    ) -> None:
        """A throttler with a copy of the table; see `AsyncThrottlerBase`."""
        self._started = time.time() - self._now()
        self._logs: TaskLogs | None = None
        self._notices = Notices()
        self._added: dict[str, AddedLimit] = {}
        super().__init__(rate_limits, retry_interval, safety_margin_pct, limits_share_percentage)

    if TYPE_CHECKING:

        def execute_task(  # type: ignore[override]
            self, limit_id: str
        ) -> AsyncRequestContext:
            """The context of one request. Without a limit for the id, entering it fails."""

    else:
        # The gate's own: a detour through Python would be most of a request's cost.
        execute_task = HummingbotThrottler.execute_task

    # ---- the table

    def _use_table(self, table: list[RateLimit], limits: dict[str, RateLimit]) -> None:
        rows = [self._row(limit, limits) for limit in limits.values()]
        # Hummingbot's own tables, which are handed back and shared anew, have nothing of `IO`'s.
        HummingbotThrottler.set_rate_limits(self, beside(rows, self._added.values()))
        super()._use_table(table, limits)
        self._rows = rows
        self._tell_hopeless(rows)

    def IO(  # noqa: N802
        self,
        mode: str,
        limit_id: str,
        max_calls: int | None,
        period: str | None = None,
        behavior: str | None = None,
        *,
        timezone: str | None = None,
    ) -> None:
        """Limits the requests for an id, beside what limits them already; all of it must have room.

        It counts exactly so many calls: neither the share nor the safety margin of this throttler
        applies. It stays when connectors replace their table. The same mode and ids again replace
        it; what is used of this and all other limits stays used, and who waits keeps its place.

        Args:
            mode: ``"rate"`` for any window of that length, ``"quota"`` for those between two
                resets.
            limit_id: The id; several with commas between them, which share the budget; or ``"*"``
                for all that there are, now or later. A pool's id counts every request that takes
                from the pool, once each. An id without a limit has only this one.
            max_calls: How many requests fit; ``None`` takes away what was added for this mode and
                ids.
            period: Such as ``"100ms"`` or, for a quota, ``"@0815"``.
            behavior: ``"delay"`` or ``None``, which are the same here: requests always wait.
            timezone: The IANA name of a quota's time zone; ``None`` for the machine's.

        Raises:
            TypeError: Something of the wrong type; nothing has changed.
            ValueError: Something that cannot be; nothing has changed.
        """
        new = read_added_limit(mode, limit_id, max_calls, period, behavior, timezone)
        if new.limit is None and new.id not in self._added:
            return
        if new.limit is not None:
            warn_of_slips(new.limit_ids, self.usage())
        added = {**self._added, new.id: new}
        HummingbotThrottler.set_rate_limits(self, beside(self._rows, added.values()))
        self._added = added

    def _row(self, limit: RateLimit, limits: dict[str, RateLimit]) -> core.RateLimit:
        return core.RateLimit(
            limit.limit_id,
            int(limit.limit),
            float(limit.time_interval) * (1 + self._safety_margin_pct),
            limit.weight,
            [
                core.LinkedLimitWeightPair(pair.limit_id, pair.weight)
                for pair in limit.linked_limits or []
                if pair.limit_id in limits
            ],
        )

    def _tell_hopeless(self, rows: list[core.RateLimit]) -> None:
        available = {row.limit_id: row.limit for row in rows}
        hopeless = [
            f"{row.limit_id} takes {weight} of {limit_id}, which has {available[limit_id]}"
            for row in rows
            for limit_id, weight in _takes(row)
            if weight > available[limit_id]
        ]
        if hopeless:
            share = f"{float(self.limits_pct * 100):g} % of the API rate limits"
            self.logger().warning(
                f"With {share}, these requests can never leave and will be refused: "
                f"{'; '.join(hopeless)}"
            )

    # ---- what the gate asks for

    def _without_limit(self, _limit_id: object, error: Exception) -> AsyncRequestContext:
        return UnlimitedContext(self, error)

    def _task_attribute(self, limit_id: str, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"a request's context has no attribute {name!r}")
        return getattr(GateContext(self, limit_id), name)

    def _must_wait(self, limit_id: str) -> None:
        limit, related = self.get_related_limits(limit_id)
        takes: list[tuple[RateLimit | core.RateLimit, int]] = [*related]
        if limit is not None:
            takes.insert(0, (limit, limit.weight))
        takes_from = {limit_id, *(other.limit_id for other, _ in related)}
        covering = (each.limit for each in self._added.values() if each.covers(takes_from))
        takes += [(added, 1) for added in covering if added is not None]
        for full, weight in takes:
            if self._notices.is_quiet(full.limit_id):
                continue
            usage = self.usage(full.limit_id)
            if usage.used + weight > usage.limit:
                context = AsyncRequestContextBase.logger()
                self._notices.almost_reached(context, full, usage.used, usage.resets_in)

    # ---- the log

    @property
    def _task_logs(self) -> list[TaskLog]:
        """What was taken and still counts; made when somebody looks."""
        if self._logs is None:
            self._logs = TaskLogs(self, self._started)
        return self._logs

    @_task_logs.setter
    def _task_logs(self, logs: Iterable[TaskLog]) -> None:
        logs = list(logs)
        if logs or self._logs is not None or self._log():
            self._task_logs[:] = logs


def _takes(row: core.RateLimit) -> list[tuple[str, int]]:
    links = [(pair.limit_id, pair.weight) for pair in row.linked_limits or []]
    return [(row.limit_id, row.weight), *links]
