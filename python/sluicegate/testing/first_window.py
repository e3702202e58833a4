"""`FirstWindow`: a count that begins anew with the first request after the last window's end."""


class FirstWindow:
    """Counts the units that arrived in the current window, as KuCoin and dYdX do.

    The first arrival opens a window, which ends one interval later. The first arrival from then on
    opens the next one. A window holds its first instant, and not its last.

    Args:
        interval: Length of a window, in nanoseconds.
    """

    __slots__ = ("_end", "_used", "_worst", "interval")

    def __init__(self, interval: int) -> None:
        """No window is open."""
        if interval <= 0:
            raise ValueError(f"interval must be at least 1 nanosecond, got {interval!r}")
        self.interval = interval
        self._end: int | None = None
        self._used = self._worst = 0

    @property
    def used(self) -> int:
        """Units in the window at the latest instant that it was given."""
        return self._used

    @property
    def worst(self) -> int:
        """The most units that one window held."""
        return self._worst

    @property
    def next_change(self) -> int | None:
        """When the window ends; None if none is open."""
        return self._end

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the units in the window then."""
        if self._end is not None and now >= self._end:
            self._end, self._used = None, 0
        return self._used

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive at `now`, and return the units in the window with them."""
        self.advance(now)
        if self._end is None:
            self._end = now + self.interval
        self._used += units
        self._worst = max(self._worst, self._used)
        return self._used

    def has_room(self, units: int, limit: int) -> bool:
        """Whether `units` more are within `limit`, at the latest instant that it was given."""
        return self._used + units <= limit

    def room_at(self, now: int, units: int, limit: int) -> int:
        """The earliest instant, not before `now`, at which `units` more stay within `limit`.

        Raises:
            ValueError: `units` is above `limit`, so that there is no such instant.
        """
        if units > limit:
            raise ValueError(f"{units} units can never stay within a limit of {limit}")
        if self.advance(now) + units <= limit:
            return now
        assert self._end is not None
        return self._end

    def empty_at(self, now: int) -> int:
        """When the window ends; `now` if none is open."""
        self.advance(now)
        return now if self._end is None else self._end
