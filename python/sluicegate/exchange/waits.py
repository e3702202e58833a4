"""`Waits`: counts how long calls waited and which were not sent, for a summary."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

SHORTEST = 0.001
"""Seconds: a call that entered sooner has not waited."""


@dataclass(frozen=True)
class Summary:
    """What happened since the last summary.

    Attributes:
        waited: The calls that waited and went, by their names.
        seconds: For how long they waited, all together.
        longest: The longest of these waits, in seconds.
        refused: The calls that were not sent, by their names.
        waiting: How many calls wait now.
        oldest: For how many seconds the first of these has waited.
    """

    waited: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    longest: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    oldest: float = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.waited or self.refused or self.waiting)

    def __str__(self) -> str:
        """The summary in a line."""
        parts = []
        if self.refused:
            parts.append(f"{_calls(self.refused, 'not sent')}")
        if self.waited:
            parts.append(
                f"{_calls(self.waited, 'delayed')}, by {self.seconds:.1f} s in all and "
                f"{self.longest:.1f} s at most"
            )
        if self.waiting:
            calls = "1 call is" if self.waiting == 1 else f"{self.waiting:,} calls are"
            parts.append(f"{calls} waiting now, for {self.oldest:.1f} s so far")
        return "; ".join(parts)


class Waits:
    """Counts the calls of several exchange objects. May be used from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was counted yet.

        Args:
            clock: Seconds that never step back.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[object, float] = {}
        self._done = Summary()
        self._seconds = self._longest = 0.0

    def begin(self) -> object:
        """A call may have to wait from now on. `end` takes what this gives."""
        token = object()
        with self._lock:
            self._waiting[token] = self._clock()
        return token

    def end(self, token: object, call: str | None) -> None:
        """The wait is over.

        Args:
            token: What `begin` gave.
            call: The name of the call that goes now; None if none does.
        """
        with self._lock:
            seconds = self._clock() - self._waiting.pop(token)
            if call is not None and seconds >= SHORTEST:
                self._done.waited[call] += 1
                self._seconds += seconds
                self._longest = max(self._longest, seconds)

    def refuse(self, call: str) -> None:
        """A call was not sent."""
        with self._lock:
            self._done.refused[call] += 1

    def take(self) -> Summary:
        """What happened since this was called last."""
        with self._lock:
            now = self._clock()
            since = [now - began for began in self._waiting.values()]
            since = [seconds for seconds in since if seconds >= SHORTEST]
            done, self._done = self._done, Summary()
            seconds, longest = self._seconds, self._longest
            self._seconds = self._longest = 0.0
        return Summary(
            done.waited, seconds, longest, done.refused, len(since), max(since, default=0.0)
        )


def _calls(names: Counter[str], what: str) -> str:
    count = sum(names.values())
    verb = "call was" if count == 1 else "calls were"
    most = ", ".join(f"{name} {number:,}" for name, number in names.most_common(5))
    return f"{count:,} {verb} {what} ({most})"
