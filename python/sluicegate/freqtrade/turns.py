"""`Turns`: one report at a time; threads that compute side by side only slow each other down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds for which a report waits for its turn at most. Then it goes on beside the other.
_LONGEST = 1.0


class Turns:
    """Lets reports take turns, but not while they wait for the exchange.

    Python runs one thread at a time anyway, and Freqtrade's reports change hands at each of their
    hundreds of queries: 8 at once take half as long again as 8 one after another.
    """

    def __init__(self) -> None:
        """No report is being made."""
        self._lock = threading.Lock()
        self._mine = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn, which lasts as long as the block; within one of its own, for none."""
        if getattr(self._mine, "turn", False):
            yield
            return
        self._take()
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Lets others have their turns as long as the block lasts."""
        if not getattr(self._mine, "turn", False):
            yield
            return
        self._leave()
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        self._mine.turn = self._lock.acquire(timeout=_LONGEST)

    def _leave(self) -> None:
        if self._mine.turn:
            self._mine.turn = False
            self._lock.release()
