"""`AlignedWindow`: a count that begins anew at whole intervals of the exchange's own clock."""

from collections.abc import Callable


class AlignedWindow:
    """Counts the units that arrived in the current window, as Binance does.

    Windows begin at whole multiples of the interval since 1970, on the exchange's clock: a minute
    at second 0, a day at 00:00 UTC. A window holds its first instant, and not its last. When the
    exchange's clock is set while it runs, a new window begins.

    Args:
        interval: Length of a window, in nanoseconds.
        wall: The exchange's own time in nanoseconds since 1970, at one of the counter's instants.
    """

    __slots__ = ("_index", "_now", "_used", "_wall", "_worst", "interval")

    def __init__(self, interval: int, wall: Callable[[int], int]) -> None:
        """No unit yet."""
        if interval <= 0:
            raise ValueError(f"interval must be at least 1 nanosecond, got {interval!r}")
        self.interval = interval
        self._wall = wall
        self._index: int | None = None
        self._now = 0
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
        """When the window ends; None if nothing is in it."""
        return self._end(self._now) if self._used else None

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the units in the window then."""
        index = self._wall(now) // self.interval
        if index != self._index:
            self._index, self._used = index, 0
        self._now = now
        return self._used

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive at `now`, and return the units in the window with them."""
        self.advance(now)
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
        return now if self.advance(now) + units <= limit else self._end(now)

    def empty_at(self, now: int) -> int:
        """When the window ends."""
        return self._end(now)

    def _end(self, now: int) -> int:
        return now + self.interval - self._wall(now) % self.interval
