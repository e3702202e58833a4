"""`ForkLock`: a lock that the child of a fork finds open."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

_all: WeakSet[ForkLock] = WeakSet()


class ForkLock:
    """A lock of threads. In the child of a fork nobody holds it.

    The thread that holds it at the fork may be another one, which the child does not have. So what
    is done under it must stand being left half done, and begun again.
    """

    def __init__(self) -> None:
        """Open."""
        self._lock = threading.Lock()
        _all.add(self)

    def __enter__(self) -> None:
        """Waits for it."""
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        """Lets others in."""
        self._lock.release()


def _open_all() -> None:
    for lock in list(_all):
        lock._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
