"""`AgeClock`: the clock by which cached rates and prices expire."""

from __future__ import annotations

import threading
import time

#: Seconds by which the wall clock may fall behind before it counts as set back. (Between reading
#: one clock and the other, the thread may have to wait.)
_SLACK = 0.1


class AgeClock:
    """Seconds that pass at least as fast as on both of the machine's clocks, and never step back.

    The monotonic clock stands still while a machine sleeps, and the wall clock can be set back: by
    either alone a rate could be returned that is older than its TTL. By this one it can only
    expire too early, when the wall clock is set forward.
    """

    def __init__(self) -> None:
        """A clock that shows the monotonic time."""
        self._lead = time.time() - time.monotonic()
        self._ahead = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """The time, in seconds."""
        monotonic = time.monotonic()
        lead = time.time() - monotonic
        if not self._lead - _SLACK <= lead <= self._lead:
            self._step(lead)
        return monotonic + self._ahead

    def _step(self, lead: float) -> None:
        with self._lock:
            # From where it was set back to, it may be set forward again, or the machine may sleep.
            self._ahead += max(lead - self._lead, 0.0)
            self._lead = lead
