"""`Concurrency`: how many requests are under way at once."""


class Concurrency:
    """Counts units from their arrival until they are released, whenever that is."""

    __slots__ = ("_used", "_worst")

    def __init__(self) -> None:
        """Nothing is under way."""
        self._used = self._worst = 0

    @property
    def used(self) -> int:
        """Units under way."""
        return self._used

    @property
    def worst(self) -> int:
        """The most units that were under way at once."""
        return self._worst

    @property
    def next_change(self) -> int | None:
        """None: time alone releases nothing."""
        return None

    def advance(self, now: int) -> int:
        """The units under way."""
        return self._used

    def add(self, now: int, units: int) -> int:
        """Count `units` that arrive, and return the units under way with them."""
        self._used += units
        self._worst = max(self._worst, self._used)
        return self._used

    def release(self, units: int) -> int:
        """Let go `units` that were counted, and return the units that are still under way."""
        self._used -= units
        return self._used

    def has_room(self, units: int, limit: int) -> bool:
        """Whether `units` more are within `limit`."""
        return self._used + units <= limit

    def room_at(self, now: int, units: int, limit: int) -> int | None:
        """`now` if there is room, and otherwise None: nobody knows when a request is answered."""
        return now if self.has_room(units, limit) else None

    def empty_at(self, now: int) -> int:
        """`now`: no reset is known."""
        return now
