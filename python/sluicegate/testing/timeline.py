"""`Timeline`: how a level moved over time, in bounded memory: for plots, never for a verdict."""

CAPACITY = 2048
"""Most points that a timeline keeps: enough for a plot, and little to send."""


class Timeline:
    """Remembers the highest level in each slice of time, and the exact mean.

    The slices are of equal width. Once there are more than `CAPACITY`, each two neighbours become
    one, which keeps the higher level: a peak never disappears, it is only placed less finely.

    Args:
        width: Width of a slice at first, in nanoseconds.
        settle: Nanoseconds from the first step that the mean leaves out: a window is still filling
            up for one interval, and that is not the level it is held at.
    """

    def __init__(self, width: int, settle: int) -> None:
        """A timeline with no step yet."""
        self._width = max(1, width)
        self._settle = settle
        self._peaks: dict[int, int] = {}
        self._origin: int | None = None
        self._last = 0
        self._level = 0
        self._area = 0

    def step(self, now: int, level: int) -> None:
        """The level is `level` from the instant `now` (nanoseconds) on."""
        if self._origin is None:
            self._origin = self._last = now
        self._pass(now)
        self._level = level
        index = (now - self._origin) // self._width
        self._peaks[index] = max(level, self._peaks.get(index, 0))
        if len(self._peaks) > CAPACITY:
            self._halve()

    def mean(self, now: int) -> float | None:
        """Mean level from `settle` after the first step until `now`; None before there is any."""
        if self._origin is None:
            return None
        self._pass(now)
        span = now - self._origin - self._settle
        return self._area / span if span > 0 else None

    def points(self, origin: int) -> list[tuple[float, int]]:
        """(seconds from `origin` to the start of a slice, highest level in it), in order."""
        if self._origin is None:
            return []
        shift = self._origin - origin
        return [((shift + i * self._width) / 1e9, self._peaks[i]) for i in sorted(self._peaks)]

    def _pass(self, now: int) -> None:
        """Add what the level amounted to since the last step."""
        assert self._origin is not None
        begin = max(self._last, self._origin + self._settle)
        if now > begin:
            self._area += (now - begin) * self._level
        self._last = now

    def _halve(self) -> None:
        self._width *= 2
        merged: dict[int, int] = {}
        for index, peak in self._peaks.items():
            merged[index // 2] = max(peak, merged.get(index // 2, 0))
        self._peaks = merged
