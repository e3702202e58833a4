"""`AsyncThrottler`: Hummingbot's throttler, with its interface, on sluicegate's gate."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import sys
import time
from abc import abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from sluicegate import limits as core
from sluicegate._core import HummingbotThrottler, ManualClock
from sluicegate._share.both_scopes import both_scopes
from sluicegate.errors import UnknownLimitError
from sluicegate.exchange.added_limits import AddedLimit, beside, read_added_limit, warn_of_slips
from sluicegate.hummingbot import listening, priorities
from sluicegate.hummingbot.connector import connector_of
from sluicegate.hummingbot.context import (
    AsyncRequestContext,
    AsyncRequestContextBase,
    GateContext,
    UnlimitedContext,
)
from sluicegate.hummingbot.data_types import RateLimit, TaskLog
from sluicegate.hummingbot.gate_table import (
    ENDLESS,
    GateIds,
    LimitMap,
    Takes,
    row_of,
    takes_of,
    units_of,
)
from sluicegate.hummingbot.minute_lines import MinuteLines
from sluicegate.hummingbot.notices import Notices
from sluicegate.hummingbot.percentage import part_of, warn_of_small
from sluicegate.hummingbot.published import Published
from sluicegate.hummingbot.sharing import Sharing, remember_whole, whole_of, with_whole
from sluicegate.hummingbot.stands_for import PACKAGE, StandsFor
from sluicegate.hummingbot.task_logs import TaskLogs
from sluicegate.share import Share
from sluicegate.tables import Limit


class AsyncThrottlerBase(StandsFor):
    """A table of limits, and this bot's share of each. Subclasses decide how requests wait."""

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
        self.limits_pct = part_of(limits_share_percentage)
        warn_of_small(self.limits_pct, limits_share_percentage)
        self._retry_interval = retry_interval
        self._safety_margin_pct = safety_margin_pct or 0.0
        self._lock = asyncio.Lock()
        self.set_rate_limits(rate_limits)
        self._task_logs = []

    def _own_share(self, limit: RateLimit) -> RateLimit:
        own = copy.deepcopy(limit)
        whole = whole_of(limit)
        share = math.floor(Decimal(str(limit.limit)) * self.limits_pct)
        own.limit = share if share > 1 else Decimal("1")
        remember_whole(own, whole)
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
        self._id_to_limit_map = limits
        self._rate_limits = table

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
        # `sluicegate.RateLimit` has None where it takes from no other limit.
        links = [] if limit is None else limit.linked_limits or []
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

    def __init__(
        self,
        rate_limits: list[RateLimit],
        retry_interval: float = 0.1,
        safety_margin_pct: float | None = 0.05,
        limits_share_percentage: Decimal | None = None,
        *,
        share: str | Share | None = None,
    ) -> None:
        """A throttler with a copy of the table; see `AsyncThrottlerBase`.

        Args:
            rate_limits: The table.
            retry_interval: For throttlers that poll.
            safety_margin_pct: Units stay this share of the interval longer.
            limits_share_percentage: The most that this bot uses of every limit, in percent.
            share: Where the limits are shared with other processes, as for `sluicegate.Throttler`.
                By default the environment says it: with the bots that have the same connector.
        """
        maker = sys._getframe(1)
        self._shared = Sharing.asked(share, self._clock, maker)
        self.connector = connector_of(maker)
        self._published = Published(self.connector if listening.is_wanted() else "")
        percentage = min(float(part_of(limits_share_percentage)) * 100, 100.0)
        if self._shared is None:
            self._begin(clock=self._clock)
        else:
            self._begin(share=self._shared.share, limits_share_percentage=percentage)
        self._started = time.time() - self._now()
        self._logs: TaskLogs | None = None
        self._notices = Notices()
        self._minutes = MinuteLines(self, AsyncRequestContextBase.logger(), bool(self._shared))
        self._added: dict[str, AddedLimit] = {}
        self._ids = GateIds()
        self._rows: list[core.RateLimit] = []
        self._routes: dict[str, tuple[core.RateLimit, Takes]] = {}
        self._give_priorities = priorities.giver(maker)
        self._priority: dict[str, int] = {}
        super().__init__(rate_limits, retry_interval, safety_margin_pct, limits_share_percentage)
        if listening.is_wanted():
            listening.join(self, self.connector)

    if TYPE_CHECKING:

        def execute_task(  # type: ignore[override]
            self, limit_id: str
        ) -> AsyncRequestContext:
            """The context of one request. Without a limit for the id, entering it fails."""

    else:
        # The gate's own: a detour through Python would be most of a request's cost.
        execute_task = HummingbotThrottler.execute_task

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass that overrides `get_related_limits` is asked by each request what it takes."""
        super().__init_subclass__(**kwargs)
        asks = cls.get_related_limits is not AsyncThrottlerBase.get_related_limits
        if asks and cls.execute_task is HummingbotThrottler.execute_task:
            cls.execute_task = cls._execute_related  # type: ignore[method-assign]

    def __reduce_ex__(self, _protocol: object) -> Any:
        """Refuses to be copied or pickled: two throttlers would each use the whole limit."""
        name = type(self).__name__
        raise TypeError(
            f"{name} cannot be copied or pickled, because the copy would not count what this one "
            f"sends: use the same object, or make a new one from the table: {name}(rate_limits)"
        )

    # ---- the table

    @property
    def _id_to_limit_map(self) -> dict[Any, RateLimit]:
        """The limits by their ids. What is written into it, the gate hears of."""
        return self._limit_map

    @_id_to_limit_map.setter
    def _id_to_limit_map(self, limits: dict[Any, RateLimit]) -> None:
        self._use_limits(limits)
        self._limit_map = LimitMap(limits, self._use_limits)

    def _use_limits(self, limits: dict[Any, RateLimit]) -> None:
        rows = [self._row(limit_id, limit, limits) for limit_id, limit in limits.items()]
        priority = self._give_priorities(rows)
        known = {row.limit_id for row in rows}
        # What a subclass defined for a limit that is gone is forgotten with it.
        routes = {
            route_id: (row, takes)
            for route_id, (row, takes) in self._routes.items()
            if all(link.limit_id in known for link in row.linked_limits or [])
        }
        self._set_rows([*rows, *(row for row, _ in routes.values())])
        self._routes = routes
        self._priority = priority
        self._tell_hopeless(rows, limits)
        self._tell_fractions(limits)

    def _set_rows(self, rows: list[core.RateLimit]) -> None:
        # Hummingbot's own tables, which are handed back and shared anew, have nothing of `IO`'s.
        self._set_gate(rows, self._added)
        self._rows = rows

    def _set_gate(self, rows: list[core.RateLimit], added: dict[str, AddedLimit]) -> None:
        table = beside(rows, added.values())
        if self._shared is None:
            table = self._published.beside(table, float(self._safety_margin_pct))
        else:
            table = both_scopes(table)
        HummingbotThrottler.set_rate_limits(self, table)

    def _row(self, limit_id: Any, limit: RateLimit, limits: dict[Any, RateLimit]) -> core.RateLimit:
        links = [
            core.LinkedLimitWeightPair(self._ids.of(pair.limit_id, limits), units_of(pair.weight))
            for pair in limit.linked_limits or []
            if pair.limit_id in limits
        ]
        margin = float(self._safety_margin_pct)
        if self._shared is not None:
            # What is shared is the whole limit; the gate knows this bot's share of it.
            limit = with_whole(limit)
        limit = self._published.held(limit_id, limit, None if self._shared else self.limits_pct)
        return row_of(limit, self._ids.of(limit_id, limits), margin, links)

    def _learn(self, limit_id: str, endpoint_id: str, own: Limit) -> None:
        """A request for an id was to an endpoint that has a limit of its own."""
        limit = self._limit_map.get(limit_id)
        if limit is not None and self._published.learn(limit_id, limit, endpoint_id, own):
            self._use_limits(self._limit_map)

    # ---- a subclass that decides what requests take

    def _execute_related(self, limit_id: Any) -> Any:
        """The context of one request, which takes what `get_related_limits` returns."""
        limit, related = self.get_related_limits(limit_id)
        if limit is None:
            text = f"get_related_limits has no limit for {limit_id!r}"
            return UnlimitedContext(self, UnknownLimitError(text, str(limit_id), None))
        priority = self._priority.get(self._ids.of(limit_id, self._limit_map), 0)
        route = self._route_for([(limit, limit.weight), *related], priority)
        return HummingbotThrottler.execute_task(self, route)

    def _route_for(self, takes: Takes, priority: int) -> str:
        """The gate's id of a route that takes this, for requests of a priority."""
        units: dict[str, int] = {}
        for limit, weight in takes:
            gate_id = self._ids.of(limit.limit_id, self._limit_map)
            units[gate_id] = units.get(gate_id, 0) + units_of(weight)
        route_id = "related: " + ", ".join(f"{count} of {name}" for name, count in units.items())
        route_id += f" (priority {priority})" if priority else ""
        if route_id not in self._routes:
            new = [limit for limit, _ in takes if limit.limit_id not in self._limit_map]
            if new:
                raise ValueError(
                    f"get_related_limits gives {new[0].limit_id!r}, which is not in the table: add "
                    "it with add_rate_limits()"
                )
            links = [core.LinkedLimitWeightPair(*taken) for taken in units.items()]
            row = core.RateLimit(route_id, ENDLESS, 1.0, 0, links, priority=priority)
            self._set_rows([*self._rows, row])
            self._routes[route_id] = (row, takes)
        return route_id

    def _related(self, gate_id: str) -> tuple[RateLimit | None, Takes]:
        """The limit of a route, and the others that it takes from."""
        if gate_id in self._routes:
            (limit, _), *related = self._routes[gate_id][1]
            return limit, related
        return self.get_related_limits(self._ids.own(gate_id))

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
        it; what is used of this and all other limits stays used, and waiters keep their places.

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
        self._set_gate(self._rows, added)
        self._added = added

    def _tell_fractions(self, limits: dict[Any, RateLimit]) -> None:
        weights = [
            (limit_id, weight)
            for limit_id, limit in limits.items()
            for weight in (limit.weight, *(pair.weight for pair in limit.linked_limits or []))
        ]
        parts = [
            f"{limit_id} {weight}" for limit_id, weight in weights if weight != units_of(weight)
        ]
        if parts:
            self.logger().warning(
                f"Weights count in whole units, so these are rounded up: {', '.join(parts)}. To "
                "have them exactly, multiply the limit and all weights that take from it."
            )

    def _tell_hopeless(self, rows: list[core.RateLimit], limits: dict[Any, RateLimit]) -> None:
        # Where it is shared, a row has the whole limit, and the table this bot's share.
        available = {
            row.limit_id: row.limit if row.limit == ENDLESS else int(limit.limit)
            for row, limit in zip(rows, limits.values(), strict=True)
        }
        hopeless = [
            f"{row.limit_id} takes {weight} of {limit_id}, which has {available[limit_id]}"
            for row in rows
            for limit_id, weight in takes_of(row)
            if weight > available[limit_id]
        ]
        if hopeless:
            share = f"{float(self.limits_pct * 100):g} % of the API rate limits"
            self.logger().warning(
                f"With {share}, these requests can never leave and will be refused: "
                f"{'; '.join(hopeless)}"
            )

    # ---- what the gate asks for

    def _without_limit(self, limit_id: Any, error: Exception) -> Any:
        # An id that is no text has another name at the gate.
        if not isinstance(limit_id, str) and limit_id in self._limit_map:
            return HummingbotThrottler.execute_task(self, self._ids.of(limit_id, self._limit_map))
        return UnlimitedContext(self, error)

    def _task_attribute(self, limit_id: str, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"a request's context has no attribute {name!r}")
        return getattr(GateContext(self, limit_id), name)

    def _must_wait(self, limit_id: str) -> None:
        self._minutes.begin()
        limit, related = self._related(limit_id)
        takes: list[tuple[RateLimit | core.RateLimit, Any]] = [*related]
        if limit is not None:
            takes.insert(0, (limit, limit.weight))
        takes_from = {limit_id, *(self._ids.of(other.limit_id) for other, _ in related)}
        covering = (each.limit for each in self._added.values() if each.covers(takes_from))
        takes += [(added, 1) for added in covering if added is not None]
        for full, weight in takes:
            if self._notices.is_quiet(full.limit_id):
                continue
            usage = self.usage(self._ids.of(full.limit_id))
            if usage.used + weight > usage.limit:
                context = AsyncRequestContextBase.logger()
                # Of a limit that is shared, this bot has a part, and at first none.
                part = None if self._shared is None else usage.limit
                if part != 0:
                    self._notices.almost_reached(context, full, usage.used, usage.resets_in, part)

    # ---- the log

    def _log(self) -> list[tuple[Any, float, int]]:
        return [(self._ids.own(name), at, units) for name, at, units in super()._log()]

    def _rewrite_log(self, log: list[tuple[Any, float, int]]) -> None:
        super()._rewrite_log([(self._ids.of(name), at, units) for name, at, units in log])

    @property
    def _task_logs(self) -> list[TaskLog]:
        """What was taken and still counts; made when it is read."""
        if self._logs is None:
            self._logs = TaskLogs(self, self._started)
        return self._logs

    @_task_logs.setter
    def _task_logs(self, logs: Iterable[TaskLog]) -> None:
        logs = list(logs)
        if logs or self._logs is not None or self._log():
            self._task_logs[:] = logs
