"""`Address`: what one exchange counts together in this process, and is closed for all of it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler

log = logging.getLogger("sluicegate.hummingbot")

PATIENCE = 2.0
"""Seconds for which requests wait for the first answer of an exchange."""


class Address:
    """All throttlers of a process that ask one exchange: connectors, data feeds, the rate oracle.

    Nobody knows at first what others, or this bot before it was restarted, have used. So the first
    request goes alone, and the others wait for its answer, for 2 s at most.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.throttlers: WeakSet[AsyncThrottler] = WeakSet()
        self._until = 0.0
        self._reason = ""
        self._answered = False
        self._asking: asyncio.Future[None] | None = None

    def join(self, throttler: AsyncThrottler) -> bool:
        """A throttler takes part from now on. Returns whether that closed it."""
        if throttler in self.throttlers:
            return False
        self.throttlers.add(throttler)
        left = self._until - time.monotonic()
        if left > 0:
            throttler.pause(None, seconds=left, reason=self._reason)
        return left > 0

    def close(self, seconds: float, reason: str) -> None:
        """Nobody asks this exchange for so many seconds, those who join later neither."""
        until = time.monotonic() + seconds
        if until > self._until:
            self._until, self._reason = until, reason
        for throttler in list(self.throttlers):
            try:
                throttler.pause(None, seconds=seconds, reason=reason)
            except Exception:
                # One that cannot be told must not keep the others from it.
                log.warning("a throttler could not be paused (%s)", reason, exc_info=True)

    async def turn(self) -> tuple[asyncio.Future[None] | None, bool]:
        """Waits for the first answer.

        Returns:
            The turn, if this request is the first and nobody else has asked: `end_turn` ends it.
            And whether it has waited for another.
        """
        waited = False
        if self._answered:
            return None, waited
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while not self._answered:
            asking = self._asking
            if asking is None or asking.done() or asking.get_loop() is not loop:
                self._asking = loop.create_future()
                return self._asking, waited
            left = deadline - loop.time()
            if left <= 0:
                break
            waited = True
            await asyncio.wait([asking], timeout=left)
        return None, waited

    def end_turn(self, turn: asyncio.Future[None] | None) -> None:
        """The first request is over. If it had no answer, the next one goes alone."""
        if turn is not None and not turn.done():
            turn.set_result(None)

    def answered(self) -> None:
        """The exchange has answered: what it said is known."""
        self._answered = True
