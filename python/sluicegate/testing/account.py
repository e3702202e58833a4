"""`Account`: all that an exchange counts about one limit (or, of a limit by key, one key of it)."""

from collections.abc import Callable

from sluicegate.tables.header import Header
from sluicegate.tables.limit import Limit
from sluicegate.testing.aligned_window import AlignedWindow
from sluicegate.testing.bucket import Bucket
from sluicegate.testing.concurrency import Concurrency
from sluicegate.testing.counter import Counter, counter
from sluicegate.testing.meter import Meter, meter
from sluicegate.testing.others import Arrivals, Others
from sluicegate.testing.stats import LimitStatistics
from sluicegate.testing.timeline import Timeline

SLICES = 200
"""Slices of a limit's interval that its timeline starts with."""

FORGOTTEN = 10_000
"""Intervals after which the others' arrivals are left out, if nobody asked for them so long."""


class Account:
    """One limit: what counts against it, all that was sent, and what others used of it.

    Args:
        limit: The limit.
        wall: The exchange's own time in nanoseconds since 1970, at an instant.
        headers: The response headers that tell of it.
    """

    def __init__(
        self, limit: Limit, wall: Callable[[int], int], headers: tuple[Header, ...] = ()
    ) -> None:
        """Nothing counts yet."""
        self.limit = limit
        self.headers = headers
        self._wall = wall
        self._interval = round((limit.interval or 1.0) * 1e9)
        self.charged, self.arrived = self._counter(), self._counter()
        self.told_until = -(1 << 63)
        """The instant until which clients were told not to take from it."""
        self._level = self._meter()
        self._others: Arrivals | None = None
        self._foreign: Counter | None = None
        self._foreign_level: Meter | None = None

    def follow(self, others: Others | None, now: int) -> None:
        """From the instant `now` on, these others use the limit, too; None: nobody else does."""
        self.advance(now)
        if others is None:
            self._others = None
            return
        self._others = Arrivals(others, self.limit.limit, self._interval, now)
        if self._foreign is None:
            self._foreign, self._foreign_level = self._counter(), self._meter()

    def change(self, limit: Limit, now: int) -> None:
        """From the instant `now` on, the limit has other units; others keep their share of it."""
        self.advance(now)
        self.limit = limit
        for each in (self.charged, self.arrived, self._foreign):
            if isinstance(each, Bucket):
                each.rate = limit.limit
        if self._others is not None:
            self._others.limit = limit.limit

    def set_clock(self, now: int) -> None:
        """The exchange's clock was set: a window that follows it begins anew."""
        if self.limit.kind != "fixed":
            return
        for count in (self.charged, self.arrived, self._foreign):
            if isinstance(count, AlignedWindow):
                count.realign(now)
        self._level.fall(now, self.charged.used)
        if self._foreign is not None and self._foreign_level is not None:
            self._foreign_level.fall(now, self._foreign.used)

    def advance(self, now: int) -> None:
        """Let go what has left by `now`; the timeline sees each departure at its own instant."""
        if self._others is not None:
            self._let_others_in(self._others, now)
        self._advance(now)

    def has_room(self, units: int) -> bool:
        """Whether `units` more are within the limit, at the instant advanced to."""
        return self.charged.has_room(units, self.limit.limit)

    def room_at(self, now: int, units: int) -> int | None:
        """When `units` more are within the limit; None if nobody knows, or if they never are."""
        if units > self.limit.limit:
            return None
        return self.charged.room_at(now, units, self.limit.limit)

    def arrive(self, now: int, units: int) -> None:
        """Note that a client sent `units`, whatever comes of them."""
        self.arrived.add(now, units)

    def charge(self, now: int, units: int) -> None:
        """Count a client's `units` against the limit."""
        if not self._level.begun:
            self._level.begin(now, self.charged.empty_at(now))
        self._level.add(now, self.charged.add(now, units), units)
        if self._foreign is not None and self._foreign_level is not None:
            # At the same instants, so that windows which a request opens are the same ones.
            if not self._foreign_level.begun:
                self._foreign_level.begin(now, self.charged.empty_at(now))
            self._foreign_level.add(now, self._foreign.add(now, 0), 0)

    def release(self, now: int, units: int, *, charged: bool) -> None:
        """Let go what was under way, if the limit is one of concurrency."""
        if isinstance(self.arrived, Concurrency) and isinstance(self.charged, Concurrency):
            self.arrived.release(units)
            if charged:
                self._level.fall(now, self.charged.release(units))

    def statistics(self, name: str, now: int, origin: int) -> LimitStatistics:
        """What happened so far, at the instant `now`, under this name."""
        self.advance(now)
        foreign = self._foreign_level
        return LimitStatistics(
            name=name,
            limit=self.limit.limit,
            interval=self.limit.interval,
            worst_window=self.arrived.worst,
            used=self.charged.used,
            mean=self._level.mean(now),
            timeline=tuple(self._level.timeline.points(origin)),
            kind=self.limit.kind,
            others_mean=None if foreign is None else foreign.mean(now),
            others_timeline=() if foreign is None else tuple(foreign.timeline.points(origin)),
        )

    def _counter(self) -> Counter:
        return counter(self.limit.kind, self.limit.limit, self._interval, self._wall)

    def _meter(self) -> Meter:
        timeline = Timeline(self._interval // SLICES, self._interval)
        return meter(self.limit.kind, self._interval, timeline)

    def _let_others_in(self, others: Arrivals, now: int) -> None:
        assert self._foreign is not None
        assert self._foreign_level is not None
        others.skip_to(now - FORGOTTEN * self._interval)
        while (at := others.next) <= now:
            units = others.take(now)
            if units:
                self._advance(at)
                self.arrived.add(at, units)
                self._level.add(at, self.charged.add(at, units), units)
                self._foreign_level.add(at, self._foreign.add(at, units), units)

    def _advance(self, now: int) -> None:
        _fall(self.charged, self._level, now)
        if self._foreign is not None and self._foreign_level is not None:
            _fall(self._foreign, self._foreign_level, now)
        self.arrived.advance(now)


def _fall(count: Counter, level: Meter, now: int) -> None:
    """Move to `now` through each instant at which the count falls."""
    while (change := count.next_change) is not None and change <= now:
        level.fall(change, count.advance(change))
    count.advance(now)
