"""`Meter`: how much of a limit was used over time: a timeline for plots, and the mean."""

from sluicegate.testing.timeline import Timeline


class Meter:
    """Follows the count of one limit, and tells its time line and its mean.

    The mean is that of the level: right where a window rolls, because each unit is in it for one
    interval. It begins with the first request of a client, and not with what others used before.

    Args:
        timeline: What it writes down.
    """

    def __init__(self, timeline: Timeline) -> None:
        """Nothing was used yet."""
        self.timeline = timeline
        self.begun = False
        """Whether a client had a request."""

    def begin(self, now: int, end: int) -> None:
        """A client has its first request now, and the window would end at `end`."""
        self.begun = True

    def add(self, now: int, level: int, units: int) -> None:
        """`units` more count from `now` on, and the level is `level` with them."""
        if self.begun:
            self.timeline.step(now, level)

    def fall(self, now: int, level: int) -> None:
        """The level is `level` from `now` on, because something left."""
        if self.begun:
            self.timeline.step(now, level)

    def mean(self, now: int) -> float | None:
        """Mean units in the window at the instant `now`; None before it can be told."""
        return self.timeline.mean(now)


class WindowMeter(Meter):
    """Of windows that follow each other: mean units of those that have ended.

    Their level is no measure: a window that is full from its first instant has passed no more units
    than one that fills up at its end.

    Args:
        timeline: What it writes down.
        interval: Length of a window, in nanoseconds.
        opened: Whether a request opens a window. If not, windows follow each other without a
            pause, and the first one is left out, because a part of it was over. If so, the pauses
            between them count as if nothing was used.
    """

    def __init__(self, timeline: Timeline, interval: int, *, opened: bool) -> None:
        """No window has ended yet."""
        super().__init__(timeline)
        self._interval, self._opened = interval, opened
        self._open = self._closed = 0
        self._origin: int | None = None
        self._last = 0

    def begin(self, now: int, end: int) -> None:
        """A client has its first request now, in a window that ends at `end`."""
        self._open = 0
        self._origin = self._last = now if self._opened else end
        super().begin(now, end)

    def add(self, now: int, level: int, units: int) -> None:
        """`units` more are in the window that is open."""
        self._open += units
        super().add(now, level, units)

    def fall(self, now: int, level: int) -> None:
        """A window ends at `now`."""
        if self._origin is not None and now > self._origin:
            self._closed += self._open
            self._last = now
        self._open = 0
        super().fall(now, level)

    def mean(self, now: int) -> float | None:
        """Mean units of the windows that have ended; None before the first has."""
        if self._origin is None:
            return None
        span = self._last - self._origin
        if not self._opened:
            span = (now - self._origin) // self._interval * self._interval
        return self._closed * self._interval / span if span > 0 else None


class RateMeter(Meter):
    """Of a bucket: units in an interval on the average, once the first burst is over.

    Its level is no measure: a bucket that is never empty may be one that nothing passes.

    Args:
        timeline: What it writes down.
        interval: Nanoseconds in which a full bucket becomes empty.
    """

    def __init__(self, timeline: Timeline, interval: int) -> None:
        """Nothing was used yet."""
        super().__init__(timeline)
        self._interval = interval
        self._since: int | None = None
        self._units = 0

    def begin(self, now: int, end: int) -> None:
        """A client has its first request now; what comes within an interval is its burst."""
        self._since = now + self._interval
        super().begin(now, end)

    def add(self, now: int, level: int, units: int) -> None:
        """`units` more are in the bucket."""
        if self._since is not None and now >= self._since:
            self._units += units
        super().add(now, level, units)

    def mean(self, now: int) -> float | None:
        """Mean units in an interval, from one interval after the first request."""
        if self._since is None or now <= self._since:
            return None
        return self._units * self._interval / (now - self._since)


def meter(kind: str, interval: int, timeline: Timeline) -> Meter:
    """What fits a kind of limit (see `counter`).

    Args:
        kind: The kind.
        interval: Length of its window, in nanoseconds.
        timeline: What it writes down.
    """
    if kind == "fixed":
        return WindowMeter(timeline, interval, opened=False)
    if kind == "first":
        return WindowMeter(timeline, interval, opened=True)
    if kind == "bucket":
        return RateMeter(timeline, interval)
    return Meter(timeline)
