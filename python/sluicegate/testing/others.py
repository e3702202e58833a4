"""`Others`: foreign traffic, which uses a share of a limit that the client does not see leave."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from sluicegate.tables.values import is_length, is_number, is_whole, shown

FINEST = 100
"""Arrivals in an interval in which the others' units come, if they come steadily."""

STEPS = 10_000
"""Others that nobody looked at for long are followed in about so many steps."""

SHORTEST = 0.001
"""Seconds that no phase and no pause is shorter than."""


@dataclass(frozen=True, slots=True)
class Others:
    """Other programs at the same address or account, which use a share of a limit.

    Their units count whether there is room for them or not, as those of any client do. They are
    never banned, and get no other client banned.

    Args:
        share: The share of the limit that they use, above 0 and at most 1. Or phases of
            `(seconds, share)`, which follow each other, again and again: `[(20, 0.35), (10, 0)]` is
            a third of the limit for 20 seconds, then nothing for 10.
        every: Seconds from one of their arrivals to the next. A long time makes bursts: with 10,
            all that they use in 10 seconds arrives at once. By default they come steadily: in a
            hundred arrivals an interval, or one for each unit if there are fewer units.
        seed: Draws each pause between two arrivals, from 0 to twice `every`, and the same ones for
            the same seed; None keeps them all equal.

    Raises:
        ValueError: A value is not as above.
    """

    share: float | tuple[tuple[float, float], ...]
    every: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if isinstance(self.share, list | tuple):
            phases = tuple(tuple(x) if isinstance(x, list | tuple) else x for x in self.share)
            object.__setattr__(self, "share", phases)
            _check_phases(phases)
        elif not _is_share(self.share) or not self.share:
            raise ValueError(
                "share must be above 0 and at most 1, or a list of [seconds, share] such as "
                f"[[20, 0.35], [10, 0]], got {shown(self.share)}"
            )
        if self.every is not None and not _is_phase(self.every):
            raise ValueError(
                f"every must be seconds of at least {SHORTEST} (and at most 100 years), "
                f"got {shown(self.every)}"
            )
        if self.seed is not None and not is_whole(self.seed):
            raise ValueError(f"seed must be a whole number, or left out, got {shown(self.seed)}")

    def to_json(self) -> dict[str, Any]:
        """A dictionary that JSON can hold; its names are those of the arguments."""
        return asdict(self)


class Arrivals:
    """The instants at which others take from one limit, and how many units each time.

    Args:
        others: What they do.
        limit: Units of the limit in an interval.
        interval: Nanoseconds.
        begin: The instant from which on they are there.
    """

    def __init__(self, others: Others, limit: int, interval: int, begin: int) -> None:
        """None has come yet."""
        self.limit = limit
        self._interval = interval
        if others.every is None:
            # One unit at a time where there are few.
            parts = max(1, min(FINEST, round(limit * _highest(others.share))))
            self._pause = max(1, interval // parts)
        else:
            self._pause = round(others.every * 1e9)
        self._random = None if others.seed is None else random.Random(others.seed)  # noqa: S311
        phases = others.share if isinstance(others.share, tuple) else ((0.0, others.share),)
        self._phases = cycle(phases)
        self._seconds, self._share = next(self._phases)
        self._only = len(phases) == 1
        self._phase_end = begin + round(self._seconds * 1e9)
        self._owed = 0.0
        self._last = begin
        self.next = begin + self._gap()
        """When the next ones come."""

    def take(self, now: int) -> int:
        """The units that come at `next`, which moves on; 0 if a phase has none.

        Args:
            now: How far the others are to be followed. If that is far, they are followed in larger
                steps, of a tenth of an interval at most: nobody looked at the limit meanwhile.
        """
        at = self.next
        # What is not a whole unit comes with a later arrival.
        self._owed += self._used_until(at)
        units = int(self._owed + 1e-9)
        self._owed -= units
        coarse = min((now - at) // STEPS, self._interval // 10)
        self.next = at + max(self._gap(), coarse)
        return units

    def skip_to(self, now: int) -> None:
        """Leave out all that would have come before the instant `now`."""
        if now > self.next:
            self._used_until(now)
            self._owed = 0.0
            self.next = now + self._gap()

    def _gap(self) -> int:
        if self._random is None:
            return self._pause
        return max(1, round(self._random.uniform(0, 2) * self._pause))

    def _used_until(self, now: int) -> float:
        """Units of the time since they were asked for last, through as many phases as it has."""
        used, since = 0.0, self._last
        while not self._only and now >= self._phase_end:
            used += (self._phase_end - since) * self._share
            since = self._phase_end
            self._seconds, self._share = next(self._phases)
            self._phase_end += max(1, round(self._seconds * 1e9))
        self._last = now
        return (used + (now - since) * self._share) * self.limit / self._interval


def _is_share(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1


def _is_phase(value: object) -> bool:
    return is_length(value) and value >= SHORTEST


def _highest(share: float | tuple[tuple[float, float], ...]) -> float:
    return max(x for _, x in share) if isinstance(share, tuple) else share


def _check_phases(phases: Sequence[Any]) -> None:
    for phase in phases:
        if (
            not isinstance(phase, tuple)
            or len(phase) != 2
            or not _is_phase(phase[0])
            or not _is_share(phase[1])
        ):
            raise ValueError(
                f"a phase must be [seconds of at least {SHORTEST}, share from 0 to 1] such as "
                f"[20, 0.35], got {shown(phase)}"
            )
    if not any(share for _, share in phases):
        raise ValueError(
            f"a phase must have a share above 0, or nobody comes, got {shown(list(phases))}"
        )
