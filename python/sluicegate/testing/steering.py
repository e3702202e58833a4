"""`Steered`: what an exchange is told to do, in Python, before it serves and while it does."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from sluicegate.tables.ban import BanRule
from sluicegate.tables.endpoint import Endpoint
from sluicegate.tables.limit import Limit
from sluicegate.tables.table import Table
from sluicegate.tables.values import is_count, shown
from sluicegate.testing.answers import Handler, binance_handlers
from sluicegate.testing.failing import Failing
from sluicegate.testing.habits import Habits
from sluicegate.testing.latency import Latency
from sluicegate.testing.ledger import Ledger
from sluicegate.testing.market import Market, default_market
from sluicegate.testing.others import Others
from sluicegate.testing.server_clock import ServerClock
from sluicegate.testing.tables import binance_spot


class Steered:
    """Holds a table, a market and a ledger, and changes them as it is told.

    All of it may be changed from any thread, also while the exchange serves. See `StandInExchange`
    for the arguments.
    """

    def __init__(
        self,
        table: Table | None,
        *,
        market: Market | None,
        latency: tuple[float, float],
        seed: int | None,
        handlers: Mapping[tuple[str, str], Handler] | None,
        charge_rejected: bool,
        clock: Callable[[], int],
        skew: float,
        habits: Habits | None,
    ) -> None:
        """As it begins."""
        if table is not None and not isinstance(table, Table):
            raise TypeError(
                "table must be a Table, such as load_table(…) returns, or None for that of Binance "
                f"spot, got {shown(table)}"
            )
        self._table = binance_spot() if table is None else table
        self._market = default_market() if market is None else market
        shortest, longest = latency
        self._latency = Latency(shortest, longest, seed)
        self._failing: Failing | None = None
        self._clock = ServerClock(clock, skew)
        self._habits = Habits() if habits is None else habits
        _check_habits(self._habits, self._table)
        self._others: dict[str, Others] = {}
        self._handlers: dict[tuple[str, str], Handler] = {
            **binance_handlers(lambda: self._table, self._market, self._clock),
            **{
                (method.upper(), path): answer
                for (method, path), answer in (handlers or {}).items()
            },
        }
        self._charge_rejected = charge_rejected
        # The server may run in a thread while another one asks for statistics.
        self._lock = threading.Lock()
        self._ledger = self._new_ledger()

    @property
    def table(self) -> Table:
        """The limits, and what endpoints cost."""
        return self._table

    @property
    def market(self) -> Market:
        """The symbols and their prices; delist and set prices here, also while it runs."""
        return self._market

    @property
    def latency(self) -> tuple[float, float]:
        """(shortest, longest) seconds from a request to its answer.

        May be set while it runs; requests under way keep theirs.

        Raises:
            ValueError: A latency that cannot be.
        """
        return self._latency.range

    @latency.setter
    def latency(self, range_: tuple[float, float]) -> None:
        self._latency.change(*range_)

    @property
    def habits(self) -> Habits:
        """How its answers tell what it counted, and how long to wait. May be set while it runs.

        Raises:
            ValueError: They name a header that the table does not have.
            TypeError: They are no `Habits`.
        """
        return self._habits

    @habits.setter
    def habits(self, habits: Habits) -> None:
        _check_habits(habits, self._table)
        self._habits = habits

    @property
    def skew(self) -> float:
        """Seconds that the exchange's clock is ahead of the machine's; negative if it is behind.

        The header `Date`, `serverTime`, and windows of the kind `fixed` follow this clock. May be
        set while it runs; a window in which it is set may begin anew.

        Raises:
            ValueError: It is no number of seconds, or more than ten years.
        """
        return self._clock.skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        with self._lock:
            self._clock.skew = seconds
            self._ledger.set_clock(self._clock.now())

    def time_ms(self) -> int:
        """The exchange's own time, in milliseconds since 1970."""
        return self._clock.milliseconds()

    def set_others(self, others: Mapping[str, Others | float | None]) -> None:
        """Let other programs use limits from now on, as they do at the same address or account.

        The others of limits that are not named go on as before.

        Args:
            others: By name of limit: what they do, or the share of it that they use steadily, or
                None if nobody else uses it any longer.

        Raises:
            ValueError: The table has no such limit, the limit is `concurrent`, or no share is a
                share. Then nothing has changed.
            TypeError: It is no mapping.
        """
        _check_by_limit("others", others, "0.35")
        found = {}
        for name, given in others.items():
            if self._limit(name).kind == "concurrent":
                raise ValueError(f"others cannot use {name!r}: it counts what is under way")
            found[name] = given if given is None or isinstance(given, Others) else Others(given)
        with self._lock:
            now = self._clock.now()
            for name, given in found.items():
                self._ledger.set_others(name, given, now)
                if given is None:
                    self._others.pop(name, None)
                else:
                    self._others[name] = given

    def set_limits(self, limits: Mapping[str, int]) -> None:
        """Lower or raise limits from now on. What is used already counts against the new ones.

        Args:
            limits: Units by name of limit.

        Raises:
            ValueError: The table has no such limit, or an endpoint costs more than that. Then
                nothing has changed.
            TypeError: It is no mapping.
        """
        _check_by_limit("limits", limits, "3000")
        changed = {}
        for name, units in limits.items():
            if not is_count(units):
                raise ValueError(
                    f"limit of {name!r} must be a whole number of at least 1 (and at most "
                    f"2**63 - 1), got {shown(units)}"
                )
            changed[name] = replace(self._limit(name), limit=units)
        table = replace(
            self._table, limits=tuple(changed.get(x.name, x) for x in self._table.limits)
        )
        with self._lock:
            now = self._clock.now()
            self._table = table
            for limit in changed.values():
                self._ledger.set_limit(limit, now)

    def set_ban(self, rule: BanRule) -> None:
        """Ban by another rule from now on. A ban that has begun ends when it would have ended."""
        with self._lock:
            self._table = replace(self._table, ban=rule)
            self._ledger.set_ban(rule)

    def fail(
        self,
        *,
        share: float | None = None,
        every: int | None = None,
        status: int | None = None,
        drop: bool = False,
        overload: bool = False,
        paths: tuple[str, ...] | list[str] = (),
        seed: int | None = None,
    ) -> None:
        """Fail requests from now on, instead of those that it failed so far.

        A request that fails has arrived: it counts against its limits. One that is over a limit is
        answered 429 or 418 all the same.

        Args:
            share: The share of the requests to fail, above 0 and at most 1, each drawn on its own.
            every: Fail each n-th request, instead. With neither, all fail.
            status: What they are answered: 500 to 599; 503 by default.
            drop: Close their connections with no answer, instead.
            overload: Answer that the exchange is overloaded, instead, in its own words and without
                the headers that tell what is used. That is not the client's usage.
            paths: Fail only requests for these paths; all if it is empty.
            seed: Makes the requests of a share the same ones each time; None draws others.

        Raises:
            ValueError: A value cannot be, or both a share and `every` are given, or `overload` and
                another answer.
        """
        self._failing = Failing(
            share=share,
            every=every,
            status=status,
            drop=drop,
            overload=overload,
            paths=paths,
            seed=seed,
        )

    def heal(self) -> None:
        """Fail no more requests (see `fail`)."""
        self._failing = None

    def add_endpoint(self, endpoint: Endpoint, handler: Handler | None = None) -> None:
        """Serve one endpoint more, or the same one at another cost; also while it runs.

        Args:
            endpoint: Method, path and cost. It takes the place of one with the same id, and goes
                ahead of others for the same method and path.
            handler: What it answers; by default `{}`, or what its path answered before.

        Raises:
            ValueError: It names a limit that the table does not have, or could never pass.
        """
        self._table = self._table.with_endpoint(endpoint)
        if handler is not None:
            self._handlers[endpoint.method, endpoint.path] = handler

    def _limit(self, name: str) -> Limit:
        for limit in self._table.limits:
            if limit.name == name:
                return limit
        known = ", ".join(repr(limit.name) for limit in self._table.limits)
        raise ValueError(f"no limit {shown(name)}: the table has {known}")

    def _new_ledger(self) -> Ledger:
        """Books with nothing in them, and the others at work."""
        ledger = Ledger(self._table, charge_rejected=self._charge_rejected, wall=self._clock.wall)
        for name, others in self._others.items():
            ledger.set_others(name, others, self._clock.now())
        return ledger


def _check_by_limit(what: str, given: object, value: str) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(
            f'{what} must be by name of limit, as {{"REQUEST_WEIGHT": {value}}}, got {shown(given)}'
        )


def _check_habits(habits: Habits, table: Table) -> None:
    if not isinstance(habits, Habits):
        raise TypeError(f"habits must be Habits(…), got {shown(habits)}")
    told_by = [*(header for limit in table.limits for header in limit.told_by), *table.headers]
    known = dict.fromkeys(header.name for header in told_by)
    for name in habits.headers:
        if name != "*" and name not in known:
            names = ", ".join(map(repr, known)) or "none"
            raise ValueError(f"no header {shown(name)}: the table has {names}")
