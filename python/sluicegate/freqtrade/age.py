"""The time by which rates grow old."""

from __future__ import annotations

import threading
import time


class AgeClock:
    """Seconds that pass at least as fast as on both of the machine's clocks, and never step back.

    The monotonic clock stands still while a machine sleeps, and the wall clock can be set back: by
    either alone a rate could be returned that is older than its TTL. By this one it can only
    expire too early, when the wall clock is set forward.
    """

    def __init__(self) -> None:
        """A clock that shows the monotonic time."""
        self._ahead = time.time() - time.monotonic()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """The time, in seconds."""
        monotonic = time.monotonic()
        ahead = time.time() - monotonic
        if ahead > self._ahead:
            with self._lock:
                self._ahead = max(self._ahead, ahead)
        return monotonic + self._ahead
