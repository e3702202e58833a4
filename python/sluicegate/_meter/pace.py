"""`Pace`: how many requests a second have passed, from two looks at the counters."""

from __future__ import annotations

from collections.abc import Sequence

from sluicegate._meter.sockets import Bot, limits_of


class Pace:
    """Remembers the counters of the last look."""

    def __init__(self) -> None:
        """Nobody has looked yet."""
        self._last: dict[tuple[int, int, str], tuple[float, int]] = {}

    def look(self, bots: Sequence[Bot]) -> None:
        """Adds ``passed_per_second`` to every limit: ``None`` at the first look."""
        new = {}
        for bot in bots:
            for throttler, limit in limits_of(bot):
                key = (bot.pid, throttler, limit["limit_id"])
                new[key] = (bot.data["at"], limit["passed"])
                limit["passed_per_second"] = self._between(self._last.get(key), new[key])
        self._last = new

    @staticmethod
    def _between(before: tuple[float, int] | None, now: tuple[float, int]) -> float | None:
        if before is None or now[0] <= before[0]:
            return None
        return max(0.0, (now[1] - before[1]) / (now[0] - before[0]))
