"""`AlignedWindow`: a count that begins anew at whole intervals of the exchange's own clock."""

from collections.abc import Callable


class AlignedWindow:
    """Counts the units that arrived in the current window, as Binance does.

    Windows begin at whole multiples of the interval since 1970, on the exchange's clock: a minute
    at second 0, a day at 00:00 UTC. A window holds its first instant, and not its last.

    Args:
        interval: Length of a window, in nanoseconds.
        wall: The exchange's own time in nanoseconds since 1970, at one of the counter's instants.
    """

    __slots__ = ("_end", "_used", "_wall", "_worst", "interval")

    def __init__(self, interval: int, wall: Callable[[int], int]) -> None:
        """No unit yet."""
        if interval <= 0:
            raise ValueError(f"interval must be at least 1 nanosecond, got {interval!r}")
        self.interval = interval
        self._wall = wall
        self._end = -(1 << 63)
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
        return self._end if self._used else None

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the units in the window then."""
        if now >= self._end:
            self.realign(now)
        return self._used

    def realign(self, now: int) -> None:
        """Begin the window anew that the exchange's clock says, because it ended or was set."""
        self._end = now + self.interval - self._wall(now) % self.interval
        self._used = 0

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
        return now if self.advance(now) + units <= limit else self._end

    def empty_at(self, now: int) -> int:
        """When the window ends."""
        self.advance(now)
        return self._end
