"""How long a request is under way: a part before it counts, the remainder before it is answered."""

import math
import random


class Latency:
    """Draws how long requests take, and at which point of that time they arrive.

    Both are drawn evenly: the whole from the range, and the arrival from the whole. So a client
    knows that its request counts at some instant between sending it and being answered, and cannot
    know at which.

    Args:
        shortest: Seconds; 0 or more.
        longest: Seconds; at least `shortest`.
        seed: The same seed draws the same latencies; None draws others each time.

    Raises:
        ValueError: The range cannot be.
    """

    def __init__(self, shortest: float, longest: float, seed: int | None = None) -> None:
        """A range to draw from."""
        self.change(shortest, longest)
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
                raise ValueError(f"latency must be two numbers of seconds, got {seconds!r}")
            if not 0 <= seconds < math.inf:
                raise ValueError(f"latency must be 0 seconds or more, got {seconds!r}")
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
