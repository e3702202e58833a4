"""`FirstAnswer`: nobody knows what was used before the first answer of an exchange."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from weakref import WeakKeyDictionary, WeakSet

from sluicegate import Throttler

PATIENCE = 2.0
"""Seconds for which requests wait for the first answer of an exchange."""


_all: WeakSet[FirstAnswer] = WeakSet()


class FirstAnswer:
    """Lets the first request go alone.

    Others, or this program before it was restarted, may have used all of a limit already. Many
    requests at once would all be refused then, and the program banned. So the others wait for the
    first answer, for 2 s at most. If the first request has none, the next one goes alone.

    Threads and event loops may wait at once.
    """

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._is_answered = False
        self._start()
        _all.add(self)

    def _start(self) -> None:
        """Nobody asks, and nobody waits: in the child of a fork those who did are in the parent."""
        self._lock = threading.Lock()
        self._is_asked = False
        self._waiting: list[Future[None]] = []

    async def turn_async(self, patience: float) -> bool:
        """Waits for the first answer, for so many seconds at most.

        Returns:
            Whether this request is the first: `end` must follow.
        """
        deadline = time.monotonic() + patience
        while True:
            joined = self._join()
            left = deadline - time.monotonic()
            if isinstance(joined, bool):
                return joined
            if left <= 0:
                joined.cancel()
                return False
            waiting = asyncio.wrap_future(joined)
            try:
                await asyncio.wait([waiting], timeout=left)
            finally:
                # Nobody tells a loop that may be closed by then.
                waiting.cancel()

    def turn(self, patience: float) -> bool:
        """The same for threads."""
        deadline = time.monotonic() + patience
        while True:
            joined = self._join()
            left = deadline - time.monotonic()
            if isinstance(joined, bool):
                return joined
            if left <= 0:
                joined.cancel()
                return False
            try:
                joined.result(left)
            except FutureTimeoutError:
                joined.cancel()
                return False

    def end(self, turn: bool) -> None:
        """The request with this turn is over, whatever came of it."""
        if turn:
            self._release(answered=False)

    def answered(self) -> None:
        """The exchange has answered, and what it said is known."""
        self._release(answered=True)

    def _join(self) -> bool | Future[None]:
        with self._lock:
            if self._is_answered:
                return False
            if not self._is_asked:
                self._is_asked = True
                return True
            future: Future[None] = Future()
            self._waiting.append(future)
            return future

    def _release(self, *, answered: bool) -> None:
        with self._lock:
            self._is_answered |= answered
            self._is_asked = False
            waiting, self._waiting = self._waiting, []
        for future in waiting:
            # One whose task was cancelled is not waited for.
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    @property
    def is_answered(self) -> bool:
        """Whether the exchange has answered."""
        return self._is_answered


def _start_all() -> None:
    """Another thread may have held a lock at the fork, or be the one that others wait for."""
    for first in list(_all):
        first._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_all)


_known: WeakKeyDictionary[Throttler, FirstAnswer] = WeakKeyDictionary()


def first_answer(throttler: Throttler) -> FirstAnswer | None:
    """That of all clients with this throttler; None if there was an answer already."""
    # One step of Python's own: no lock, which another thread could hold when the process forks.
    found = _known.setdefault(throttler, FirstAnswer())
    return None if found.is_answered else found
