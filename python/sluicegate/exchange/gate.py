"""`Gate`: the rules that cover a function, which a call must pass all together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sluicegate._core import Task, Throttler
from sluicegate.errors import RateLimitTimeout
from sluicegate.exchange.rules import Rule


class Pass:
    """Leave to send a call that has entered; the context in which it is under way.

    Args:
        task: What to leave when it is over; ``None`` where nothing limits the call.
    """

    __slots__ = ("_task",)

    def __init__(self, task: Task | None = None) -> None:
        """The task is entered already."""
        self._task = task

    def __enter__(self) -> None:
        """Nothing to do: it has entered."""

    def __exit__(self, *_: object) -> None:
        """The call is over, however it ended."""
        if self._task is not None:
            self._task.__exit__(None, None, None)


_SHORTEST = 0.001
"""Seconds to wait at least before the next check whether a rule that refuses has become full."""

_LONGEST = 1.0
"""Seconds to wait at most before that check."""

_FETCHING = 0.1
"""Seconds that it may take to fetch units of a shared limit that nobody uses."""


@dataclass(frozen=True)
class Gate:
    """What a call must pass: all of the rules that cover it, together.

    Attributes:
        throttler: The throttler that decides.
        rules: The rules.
        route: The id that takes one call from each of them.
        refusing: The id that takes from those only whose calls are not sent when they are over the
            limit; ``None`` where all of them delay.
        priority: Who goes first of the calls that wait.
    """

    throttler: Throttler
    rules: tuple[Rule, ...]
    route: str
    refusing: str | None
    priority: int = 0

    def may(self) -> bool:
        """Takes what a call takes that counts from its start, if there is room; whether there is.

        Raises:
            UnknownLimitError: The rules were changed meanwhile.
        """
        return self.throttler.try_acquire(self.route, None, self.priority)

    def enter(self, *, wait: bool = True, priority: int | None = None) -> Pass | None:
        """Enters, in this thread; ``None`` if the call must not be sent.

        Args:
            wait: Whether to wait where the rules delay.
            priority: That of this call, if it is not the gate's.

        Raises:
            UnknownLimitError: The rules were changed meanwhile.
        """
        priority = self.priority if priority is None else priority
        for timeout in self._timeouts(wait, priority):
            task = self.throttler.execute_task(self.route, timeout=timeout, priority=priority)
            try:
                task.__enter__()
            except RateLimitTimeout:
                continue
            return Pass(task)
        return None

    async def enter_async(self, *, priority: int | None = None) -> Pass | None:
        """Enters, in an event loop; see `enter`."""
        priority = self.priority if priority is None else priority
        for timeout in self._timeouts(True, priority):
            task = self.throttler.execute_task(self.route, timeout=timeout, priority=priority)
            try:
                await task.__aenter__()
            except RateLimitTimeout:
                continue
            return Pass(task)
        return None

    def _timeouts(self, wait: bool, priority: int) -> Iterator[float | None]:
        """For how long to wait at each attempt, until no more of them are to be made."""
        delays = any(rule.delay for rule in self.rules)
        if wait and self.refusing is None:
            yield None
            return
        yield self._patience() if wait else 0.0
        while wait and delays:
            # Only rules that delay may keep it waiting. One that refuses may become full meanwhile.
            wait_time = self.throttler.wait_time
            if self.refusing is not None and wait_time(self.refusing, None, priority) > 0:
                return
            # Nobody knows when units come that other processes have.
            yield min(max(wait_time(self.route, None, priority), _SHORTEST), _LONGEST)

    def _patience(self) -> float:
        """For how long a call waits that is refused if it cannot pass.

        A process that shares a limit may have to fetch units that nobody uses.
        """
        part = self.throttler.limits_share_percentage / 100
        shares = any(
            self.throttler.usage(rule.id).limit < max(1, math.floor(rule.max_calls * part))
            for rule in self.rules
            if rule.max_calls is not None
        )
        return _FETCHING if shares else 0.0

    def why(self) -> str:
        """Which rules have no room for a call now, and for how long."""
        full = [
            str(rule)
            for rule, usage in ((rule, self.throttler.usage(rule.id)) for rule in self.rules)
            if usage.used >= usage.limit
        ]
        wait = self.throttler.wait_time(self.route, None, self.priority)
        limits = "; ".join(full or map(str, self.rules))
        if math.isinf(wait):
            return f"over the limit of {limits}, which other processes use"
        return f"over the limit of {limits}; there is room in {wait:.3f} s"
