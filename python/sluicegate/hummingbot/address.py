"""`Address`: what one exchange counts together in this process, and is closed for all of it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

if TYPE_CHECKING:
    from sluicegate.hummingbot.throttler import AsyncThrottler

log = logging.getLogger("sluicegate.hummingbot")

PATIENCE = 2.0
"""Seconds for which requests wait for the first answer of an exchange."""


class Closed(NamedTuple):
    """What is closed.

    Attributes:
        limit_id: A limit, as connectors call it; ``None`` for all.
        is_everybodys: Whether all who ask the exchange take from it, also if their tables have no
            such limit: these ask nothing at all then.
    """

    limit_id: str | None = None
    is_everybodys: bool = True

    def __str__(self) -> str:
        """For a line of the log."""
        return "" if self.limit_id is None else f" that takes from {self.limit_id}"


class Address:
    """All throttlers of a process that ask one exchange: connectors, data feeds, the rate oracle.

    Nobody knows at first what others, or this bot before it was restarted, have used. So the first
    request goes alone, and the others wait for its answer, for 2 s at most.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.throttlers: WeakSet[AsyncThrottler] = WeakSet()
        self._closed: dict[Closed, tuple[float, str]] = {}
        self._answered = False
        self._asking: asyncio.Future[None] | None = None

    def join(self, throttler: AsyncThrottler) -> bool:
        """A throttler takes part from now on. Returns whether that closed something of it."""
        if throttler in self.throttlers:
            return False
        self.throttlers.add(throttler)
        closed = False
        for what, (until, reason) in list(self._closed.items()):
            left = until - time.monotonic()
            if left > 0:
                closed |= _pause(throttler, what, left, reason)
        return closed

    def close(self, what: Closed, seconds: float, reason: str) -> None:
        """Nobody takes from a limit for so many seconds, those who join later neither.

        Args:
            what: The limit.
            seconds: How long.
            reason: Why, for the log.
        """
        now = time.monotonic()
        until, _ = self._closed.get(what, (0.0, ""))
        if now + seconds > until:
            self._closed[what] = now + seconds, reason
        if until <= now:
            # Each throttler warns of its pause. Those in flight are refused, too: no second line.
            log.debug("%s: nothing%s is sent for %.1f s", reason, what, seconds)
        for throttler in list(self.throttlers):
            _pause(throttler, what, seconds, reason)

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


def _pause(throttler: AsyncThrottler, what: Closed, seconds: float, reason: str) -> bool:
    """Pauses what one throttler takes from it. Returns whether there was something."""
    limit_id = what.limit_id
    try:
        if limit_id is not None and limit_id not in throttler._id_to_limit_map:
            if not what.is_everybodys:
                return False
            limit_id = None
        throttler.pause(limit_id, seconds=seconds, reason=reason)
    except Exception:
        # One that cannot be told must not keep the others from it.
        log.warning("a throttler could not be paused (%s)", reason, exc_info=True)
    return True
