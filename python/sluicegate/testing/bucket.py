"""`Bucket`: a counter that falls steadily, as those of Kraken, Coinbase and Deribit."""


class Bucket:
    """Counts units up, and `limit` units down in each interval, continuously, never below 0.

    A burst of `limit` passes, and then one unit each `interval / limit`. What others call a token
    bucket is the same seen from above: `limit` less this count are its tokens.

    The level is kept exactly: as a whole number of the parts of which a unit has `interval`, and of
    which `limit` fall in a nanosecond.

    Args:
        limit: Units that fall in an interval.
        interval: Nanoseconds in which the counter falls from `limit` to 0.

    Attributes:
        rate: Units that fall in an interval: `limit` at first. It may be changed.
    """

    __slots__ = ("_level", "_now", "_worst", "interval", "rate")

    def __init__(self, limit: int, interval: int) -> None:
        """A counter at 0."""
        if interval <= 0:
            raise ValueError(f"interval must be at least 1 nanosecond, got {interval!r}")
        self.interval = interval
        self.rate = limit
        self._level = 0
        self._now: int | None = None
        self._worst = 0

    @property
    def used(self) -> int:
        """The counter, rounded up, at the latest instant that it was given."""
        return -(-self._level // self.interval)

    @property
    def worst(self) -> int:
        """The highest that the counter ever was, rounded up."""
        return self._worst

    @property
    def next_change(self) -> int | None:
        """When it is a whole unit lower, rounded up; None if it is 0."""
        if not self._level:
            return None
        assert self._now is not None
        above = self._level - (self.used - 1) * self.interval
        return self._now + -(-above // self.rate)

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the counter, rounded up."""
        if self._level and self._now is not None:
            self._level = max(0, self._level - (now - self._now) * self.rate)
        self._now = now
        return self.used

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive at `now`, and return the counter with them, rounded up."""
        self.advance(now)
        self._level += units * self.interval
        used = self.used
        self._worst = max(self._worst, used)
        return used

    def has_room(self, units: int, limit: int) -> bool:
        """Whether `units` more are within `limit`, at the latest instant that it was given."""
        return self._level + units * self.interval <= limit * self.interval

    def room_at(self, now: int, units: int, limit: int) -> int:
        """The earliest instant, not before `now`, at which `units` more stay within `limit`.

        Raises:
            ValueError: `units` is above `limit`, so that there is no such instant.
        """
        if units > limit:
            raise ValueError(f"{units} units can never stay within a limit of {limit}")
        self.advance(now)
        excess = self._level - (limit - units) * self.interval
        return now + max(0, -(-excess // self.rate))

    def empty_at(self, now: int) -> int:
        """When the counter is 0."""
        self.advance(now)
        return now + -(-self._level // self.rate)
