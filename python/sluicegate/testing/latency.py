"""`Latency`: how long a request takes to arrive, and how long until its answer."""

import random

from sluicegate.tables.values import is_number, is_whole, shown

LONGEST = 86_400.0
"""Seconds of a day: a longer latency is a slip of the pen."""


class Latency:
    """Draws how long requests take, and at which point of that time they arrive.

    Both are drawn evenly: the whole from the range, and the arrival from the whole. So a client
    knows that its request counts at some instant between sending it and being answered, and cannot
    know at which.

    Args:
        shortest: Seconds; 0 or more, and at most a day.
        longest: Seconds; at least `shortest`.
        seed: The same seed draws the same latencies; None draws others each time.

    Raises:
        ValueError: The range cannot be.
    """

    def __init__(self, shortest: float, longest: float, seed: int | None = None) -> None:
        """A range to draw from."""
        self.change(shortest, longest)
        if seed is not None and not is_whole(seed):
            raise ValueError(f"seed must be a whole number or None, got {shown(seed)}")
        self._random = random.Random(seed)  # noqa: S311 - nothing is kept secret with it

    @property
    def range(self) -> tuple[float, float]:
        """(shortest, longest), in seconds."""
        return self._range

    def change(self, shortest: float, longest: float) -> None:
        """Draw from another range from now on.

        Raises:
            ValueError: The range cannot be; then it stays as it was.
        """
        for seconds in (shortest, longest):
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
                raise ValueError(f"latency must be two numbers of seconds, got {shown(seconds)}")
            if not is_number(seconds) or not 0 <= seconds <= LONGEST:
                raise ValueError(
                    "latency must be 0 seconds or more (and at most 86,400, a day), "
                    f"got {shown(seconds)}"
                )
        if shortest > longest:
            raise ValueError(
                "latency must be (shortest, longest) in seconds, "
                f"got ({shortest!r}, {longest!r}), whose first is the longer one"
            )
        self._range = (shortest, longest)

    def draw(self) -> tuple[float, float]:
        """(seconds until the request arrives, seconds from there until it is answered)."""
        total = self._random.uniform(*self._range)
        before = total * self._random.random()
        return before, total - before
