"""`Account`: all that an exchange counts about one limit (or, of a limit by key, one key of it)."""

from collections.abc import Callable
from dataclasses import dataclass

from sluicegate.tables.header import Header
from sluicegate.tables.limit import Limit
from sluicegate.testing.aligned_window import AlignedWindow
from sluicegate.testing.bucket import Bucket
from sluicegate.testing.concurrency import Concurrency
from sluicegate.testing.counter import Counter, counter
from sluicegate.testing.hold import Hold
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
        self._all, self.arrived = self._part(), self._counter()
        self.charged = self._all.count
        self.hold = Hold()
        """When clients were told not to take from it."""
        self._others: Arrivals | None = None
        self._beside: Beside | None = None

    def follow(self, others: Others | None, now: int) -> None:
        """From the instant `now` on, these others use the limit, too; None: nobody else does."""
        self.advance(now)
        if others is None:
            self._others = None
            return
        self._others = Arrivals(others, self.limit.limit, self._interval, now)
        if self._beside is None:
            self._beside = Beside(self._part(), self._part())

    def change(self, limit: Limit, now: int) -> None:
        """From the instant `now` on, the limit has other units; others keep their share of it."""
        self.advance(now)
        self.limit = limit
        for count in (self.arrived, *(part.count for part in self._parts())):
            if isinstance(count, Bucket):
                count.rate = limit.limit
        if self._others is not None:
            self._others.limit = limit.limit

    def set_clock(self, now: int) -> None:
        """The exchange's clock was set: a window that follows it begins anew."""
        if isinstance(self.arrived, AlignedWindow):
            self.arrived.realign(now)
        for part in self._parts():
            if isinstance(part.count, AlignedWindow):
                part.count.realign(now)
                part.level.fall(now, 0)

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

    def charge(self, now: int, units: int, *, accepted: bool = True) -> None:
        """Count a client's `units` against the limit, of a request that was accepted or refused."""
        end = self.charged.empty_at(now) if not self._all.level.begun else 0
        self._all.add(now, units, end)
        if self._beside is not None:
            # At the same instants, so that windows which a request opens are the same ones.
            self._beside.own.add(now, units if accepted else 0, end)
            self._beside.foreign.add(now, 0, end)

    def release(self, now: int, units: int, *, charged: bool) -> None:
        """Let go what was under way, if the limit is one of concurrency."""
        if isinstance(self.arrived, Concurrency) and isinstance(self.charged, Concurrency):
            self.arrived.release(units)
            if charged:
                self._all.level.fall(now, self.charged.release(units))

    def statistics(self, name: str, now: int, origin: int) -> LimitStatistics:
        """What happened so far, at the instant `now`, under this name."""
        self.advance(now)
        level, beside = self._all.level, self._beside
        foreign = None if beside is None else beside.foreign.level
        return LimitStatistics(
            name=name,
            limit=self.limit.limit,
            interval=self.limit.interval,
            worst_window=self.arrived.worst,
            used=self.charged.used,
            mean=level.mean(now),
            timeline=tuple(level.timeline.points(origin)),
            kind=self.limit.kind,
            own_mean=None if beside is None else beside.own.level.mean(now),
            others_mean=None if foreign is None else foreign.mean(now),
            others_timeline=() if foreign is None else tuple(foreign.timeline.points(origin)),
        )

    def _counter(self) -> Counter:
        return counter(self.limit.kind, self.limit.limit, self._interval, self._wall)

    def _part(self) -> "Part":
        timeline = Timeline(self._interval // SLICES, self._interval)
        return Part(self._counter(), meter(self.limit.kind, self._interval, timeline))

    def _parts(self) -> "tuple[Part, ...]":
        beside = self._beside
        return (self._all,) if beside is None else (self._all, beside.own, beside.foreign)

    def _let_others_in(self, others: Arrivals, now: int) -> None:
        assert self._beside is not None
        others.skip_to(now - FORGOTTEN * self._interval)
        while (at := others.next) <= now:
            units = others.take(now)
            if units:
                self._advance(at)
                self.arrived.add(at, units)
                self._all.add(at, units)
                self._beside.own.add(at, 0)
                self._beside.foreign.add(at, units)

    def _advance(self, now: int) -> None:
        self._all.advance(now)
        if self._beside is not None:
            self._beside.own.advance(now)
            self._beside.foreign.advance(now)
        self.arrived.advance(now)


@dataclass(slots=True)
class Part:
    """A count of some of the units, and how it was over time."""

    count: Counter
    level: Meter

    def add(self, now: int, units: int, end: int | None = None) -> None:
        """Count units; with `end`, the client's first ones begin its mean (see `Meter.begin`)."""
        if end is not None and not self.level.begun:
            self.level.begin(now, end)
        self.level.add(now, self.count.add(now, units), units)

    def advance(self, now: int) -> None:
        """Move to `now` through each instant at which the count falls."""
        count = self.count
        while (change := count.next_change) is not None and change <= now:
            self.level.fall(change, count.advance(change))
        count.advance(now)


@dataclass(frozen=True, slots=True)
class Beside:
    """What was accepted of the client's, and what others used, where there are others."""

    own: Part
    foreign: Part
