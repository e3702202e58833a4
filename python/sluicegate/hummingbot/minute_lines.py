"""`MinuteLines`: one line a minute in Hummingbot's log while requests wait."""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from sluicegate._spans import span
from sluicegate.hummingbot import priorities

if TYPE_CHECKING:
    from sluicegate._core import Throttler

#: Seconds between two lines.
INTERVAL = 60.0


class MinuteLines:
    """Logs which limit requests wait for, how many, how long, and how long those waited that left.

    A timer runs only from a request that must wait until a minute in which nobody did.
    """

    def __init__(self, throttler: Throttler, logger: logging.Logger, shared: bool = False) -> None:
        """Nobody waits.

        Args:
            throttler: It is not kept alive.
            logger: Hummingbot's, which shows notices on the screen, or any.
            shared: Whether others take from the same limits: then nobody knows how long a request
                is going to wait.
        """
        self._shared = shared
        self._throttler = weakref.ref(throttler)
        self._logger = logger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: dict[str, tuple[float, float]] = {}  # waits that are over, and their seconds

    def begin(self) -> None:
        """A request must wait: in a minute there is a line, unless one is due anyway."""
        if self._loop is not None and not self._loop.is_closed():
            return
        throttler = self._throttler()
        with suppress(RuntimeError):  # No event loop runs: then no timer, either.
            loop = asyncio.get_running_loop()
            self._before = self._counted(throttler) if throttler else {}
            loop.call_later(INTERVAL, self._tell)
            self._loop = loop

    def _tell(self) -> None:
        loop, self._loop = self._loop, None
        priorities.look()
        throttler = self._throttler()
        if throttler is None or loop is None:
            return
        text, goes_on = self.line(throttler)
        if text:
            # Hummingbot's screen may not be there yet; a request must not fail for that.
            with suppress(Exception):
                getattr(self._logger, "notify", self._logger.info)(text)
        if goes_on:
            loop.call_later(INTERVAL, self._tell)
            self._loop = loop

    def line(self, throttler: Throttler) -> tuple[str, bool]:
        """What the last minute was like, if anybody waited; and whether anybody waits now."""
        before, self._before = self._before, self._counted(throttler)
        usages = throttler.usage()
        rows = []
        for limit_id, (waits, waited) in self._before.items():
            more = waits - before.get(limit_id, (0.0, 0.0))[0]
            seconds = waited - before.get(limit_id, (0.0, 0.0))[1]
            usage = usages[limit_id]
            if usage.waiting or more:
                fullness = usage.used / max(usage.limit, 1)
                rows.append((usage.waiting, fullness, limit_id, more, seconds))
        if not rows:
            return "", False
        # What most wait for; of several, the fullest.
        waiting, _, limit_id, more, seconds = max(rows)
        wait = "request waits" if waiting == 1 else "requests wait"
        text = f"API rate limit on {limit_id}: {waiting:,} {wait} now"
        if waiting:
            text += self._how_long(throttler, limit_id)
        if more:
            text += (
                f"; {more:,.0f} left in the last minute, after {seconds / more:.1f} s on average"
            )
        return text, waiting > 0

    def _how_long(self, throttler: Throttler, limit_id: str) -> str:
        oldest = throttler.counters()[limit_id]["oldest_wait"]
        text = f", the first for {span(oldest)}" if oldest > 0 else ""
        still = math.inf
        if not self._shared:
            with suppress(ValueError):  # One unit never passes where each request takes more.
                still = throttler.wait_time(limit_id)
        return text + (f"; a new one would wait {span(still)}" if 0 < still < math.inf else "")

    @staticmethod
    def _counted(throttler: Throttler) -> dict[str, tuple[float, float]]:
        return {
            limit_id: (counts["waits"], counts["waited"])
            for limit_id, counts in throttler.counters().items()
        }
