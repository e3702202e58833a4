"""`RollingWindow`: the exchange's count over its last interval, with no clock and no server."""

from collections import deque


class RollingWindow:
    """Counts the units that arrived within the last interval, exactly.

    The window is half-open: units that arrive at `t` count at every instant from `t` up to, and
    without, `t + interval`. Nothing is merged or rounded, and nothing is forgiven: every arrival is
    kept, as whole nanoseconds, until it leaves.

    Args:
        interval: Length of the window, in nanoseconds.
    """

    __slots__ = ("_arrivals", "_now", "_used", "_worst", "interval")

    def __init__(self, interval: int) -> None:
        """An empty window."""
        if interval <= 0:
            raise ValueError(f"interval must be at least 1 nanosecond, got {interval!r}")
        self.interval = interval
        self._arrivals: deque[tuple[int, int]] = deque()
        self._used = 0
        self._worst = 0
        self._now: int | None = None

    @property
    def used(self) -> int:
        """Units in the window at the latest instant that it was given."""
        return self._used

    @property
    def worst(self) -> int:
        """The most units that were ever in the window at once."""
        return self._worst

    @property
    def next_change(self) -> int | None:
        """The instant at which the oldest arrival leaves; None when the window is empty."""
        return self._arrivals[0][0] + self.interval if self._arrivals else None

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the units that are in the window then.

        Args:
            now: Nanoseconds, on any clock that never steps back.

        Raises:
            ValueError: `now` is before an instant that the window was given already.
        """
        if self._now is not None and now < self._now:
            raise ValueError(f"instants must not decrease: got {now} after {self._now}")
        self._now = now
        arrivals = self._arrivals
        gone = now - self.interval
        while arrivals and arrivals[0][0] <= gone:
            self._used -= arrivals.popleft()[1]
        return self._used

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive at `now`, and return the units in the window with them."""
        self.advance(now)
        self._arrivals.append((now, units))
        self._used += units
        self._worst = max(self._worst, self._used)
        return self._used

    def has_room(self, units: int, limit: int) -> bool:
        """Whether `units` more are within `limit`, at the latest instant that it was given."""
        return self._used + units <= limit

    def room_at(self, now: int, units: int, limit: int) -> int:
        """The earliest instant, not before `now`, at which `units` more stay within `limit`.

        It holds as long as nothing else arrives.

        Raises:
            ValueError: `units` is above `limit`, so that there is no such instant.
        """
        if units > limit:
            raise ValueError(f"{units} units can never stay within a limit of {limit}")
        excess = self.advance(now) + units - limit
        if excess <= 0:
            return now
        for arrival, left in self._arrivals:
            excess -= left
            if excess <= 0:
                return arrival + self.interval
        raise AssertionError("an empty window has room for any units within the limit")

    def empty_at(self, now: int) -> int:
        """When the latest arrival leaves; `now` if the window is empty."""
        self.advance(now)
        return self._arrivals[-1][0] + self.interval if self._arrivals else now
