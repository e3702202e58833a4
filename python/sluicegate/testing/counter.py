"""`Counter`: what each kind of limit counts with. The kinds are in modules of their own."""

from collections.abc import Callable
from typing import Protocol

from sluicegate.testing.aligned_window import AlignedWindow
from sluicegate.testing.bucket import Bucket
from sluicegate.testing.concurrency import Concurrency
from sluicegate.testing.first_window import FirstWindow
from sluicegate.testing.window import RollingWindow


class Counter(Protocol):
    """Counts units by the instants at which they arrive, in nanoseconds that never decrease.

    It decides nothing: what is over the limit can be added, too.
    """

    @property
    def used(self) -> int:
        """Units that count at the latest instant it was given; a part of a unit counts whole."""

    @property
    def worst(self) -> int:
        """The most units that ever counted at once."""

    @property
    def next_change(self) -> int | None:
        """When the count falls next if nothing arrives; None if it does not."""

    def advance(self, now: int) -> int:
        """Move to the instant `now`, and return the units that count then."""

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive at `now`, and return the units that count with them."""

    def has_room(self, units: int, limit: int) -> bool:
        """Whether `units` more are within `limit`, at the latest instant it was given."""

    def room_at(self, now: int, units: int, limit: int) -> int | None:
        """The first instant from `now` on with room for `units`; None if no instant is known."""

    def empty_at(self, now: int) -> int:
        """When nothing that counts at `now` counts any more: what headers call the reset."""


def counter(kind: str, limit: int, interval: int, wall: Callable[[int], int]) -> Counter:
    """An empty counter of a kind.

    Args:
        kind: `rolling`, `fixed`, `first`, `bucket` or
            `concurrent`.
        limit: Units; the rate of a bucket follows from it.
        interval: Nanoseconds; `concurrent` has none.
        wall: The exchange's own time in nanoseconds since 1970, at one of the counter's instants.

    Raises:
        ValueError: There is no such kind.
    """
    if kind == "rolling":
        return RollingWindow(interval)
    if kind == "fixed":
        return AlignedWindow(interval, wall)
    if kind == "first":
        return FirstWindow(interval)
    if kind == "bucket":
        return Bucket(limit, interval)
    if kind == "concurrent":
        return Concurrency()
    raise ValueError(f"kind must be rolling, fixed, first, bucket or concurrent, got {kind!r}")
