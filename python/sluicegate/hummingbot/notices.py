"""`Notices`: the log line that a limit is almost reached, at most once in 30 s for each limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from sluicegate import limits as core
from sluicegate.hummingbot.data_types import RateLimit

#: A limit is in the log at most once in so many seconds.
QUIET_SECONDS = 30.0


class Notices:
    """Logs each limit at most once in 30 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was logged yet."""
        self._clock = clock
        self._quiet_until: dict[str, float] = {}

    def is_quiet(self, limit_id: str) -> bool:
        """Whether this limit was logged in the last 30 s."""
        return self._clock() < self._quiet_until.get(limit_id, 0.0)

    def almost_reached(
        self,
        logger: logging.Logger,
        limit: RateLimit | core.RateLimit,
        used: int,
        free_in: float | None = None,
        part: int | None = None,
    ) -> None:
        """Logs that a request must wait for a limit.

        Args:
            logger: Hummingbot's, which shows notices on the screen, or any.
            limit: The limit. One that ``IO`` added has its period as its user wrote it.
            used: How many of its units are used.
            free_in: Seconds until the next of them come free, where that is known.
            part: How much of a limit that bots share this bot has now.
        """
        if self.is_quiet(limit.limit_id):
            return
        self._quiet_until[limit.limit_id] = self._clock() + QUIET_SECONDS
        period = limit.time_interval
        within = f"(period {period})" if isinstance(period, str) else f"in the last {period:g} s"
        whole = f"{limit.limit}" if part is None else f"{part} that this bot now has of all"
        text = f"API rate limit on {limit.limit_id} has almost reached: {used} of {whole} used "
        text += within
        if free_in is not None:
            text += f"; the next come free in {free_in:.1f} s"
        # Hummingbot's screen may not be there yet; a request must not fail for that.
        with suppress(Exception):
            getattr(logger, "notify", logger.info)(text)
