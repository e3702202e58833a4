"""`ServerClock`: the exchange's own time, which need not be that of the machine."""

import time
from collections.abc import Callable
from email.utils import formatdate

from sluicegate.tables.values import is_number, shown

LARGEST_SKEW = 10 * 365 * 86_400.0
"""Seconds of ten years: a larger skew is a slip of the pen."""


class ServerClock:
    """Tells instants that never step back, and the time of day that the exchange takes for right.

    Args:
        clock: Nanoseconds that never step back.
        skew: Seconds that the exchange's time of day is ahead of the machine's; negative if it is
            behind.

    Raises:
        ValueError: The skew is not as `set_skew` says.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns, skew: float = 0.0) -> None:
        """It reads the time of day of the machine now, and from then on only `clock`."""
        self.now = clock
        """The present instant, in nanoseconds."""
        self._right = time.time_ns() - clock()
        self._offset = self._right
        self._skew = 0.0
        # Written once a second, not once an answer.
        self._dated = (-1, "")
        self.skew = skew

    @property
    def skew(self) -> float:
        """Seconds that the exchange's time of day is ahead of the machine's.

        Raises:
            ValueError: It is set to what is no number, or more than ten years.
        """
        return self._skew

    @skew.setter
    def skew(self, seconds: float) -> None:
        if not is_number(seconds) or abs(seconds) > LARGEST_SKEW:
            raise ValueError(
                "skew must be a number of seconds from minus to plus ten years (315,360,000), "
                f"got {shown(seconds)}"
            )
        self._skew = seconds
        self._offset = self._right + round(seconds * 1e9)

    def wall(self, instant: int) -> int:
        """The exchange's time at an instant, in nanoseconds since 1970."""
        return instant + self._offset

    def milliseconds(self) -> int:
        """The exchange's time now, in milliseconds since 1970, as most exchanges tell it."""
        return self.wall(self.now()) // 1_000_000

    def date(self) -> str:
        """The exchange's time now, as the header `Date` tells it."""
        second = self.wall(self.now()) // 1_000_000_000
        if second != self._dated[0]:
            self._dated = (second, http_date(second * 1_000_000_000))
        return self._dated[1]


def http_date(wall: int) -> str:
    """A time of day in nanoseconds since 1970, as HTTP writes dates."""
    return formatdate(wall // 1_000_000_000, usegmt=True)
