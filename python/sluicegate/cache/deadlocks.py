"""Waits for a load that could never end, and the errors that are raised instead."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from sluicegate.cache.flights import Load

#: The load whose loader runs in this context. Inherited by tasks that the loader starts.
current: contextvars.ContextVar[Load | None] = contextvars.ContextVar(
    "sluicegate_current_load", default=None
)


class waiting:  # noqa: N801 - used as a statement
    """Records, for as long as the block lasts, that the surrounding load waits for another.

    Raises:
        RuntimeError: If that could never end.
    """

    def __init__(self, key: object, load: Load) -> None:
        """The surrounding load is that of the present context, if there is one."""
        self._key = key
        self._load = load
        self._waiter = current.get()

    def __enter__(self) -> None:
        """Record the wait, and raise if it closes a circle."""
        # Added before the check: of two loads that begin to wait for each other at the same time,
        # at least one finds the other.
        if self._waiter is not None:
            self._waiter.waits_for.add(self._load)
            if self._load.leads_to(self._waiter):
                self.__exit__()
                raise RuntimeError(
                    f"the loader waits for its own end: it asks for {self._key!r}, "
                    "whose load waits for this one"
                )

    def __exit__(self, *_exc: object) -> None:
        """Forget the wait."""
        if self._waiter is not None:
            self._waiter.waits_for.discard(self._load)


def check_thread(key: object, load: Load) -> None:
    """Refuse to block the thread that runs the load.

    Raises:
        RuntimeError: If this is that thread.
    """
    if not load.in_loop and load.thread == threading.get_ident():
        raise RuntimeError(
            f"the loader of {key!r} asks for {key!r} itself, and would wait for its own end"
        )


def check_loop(key: object, load: Load) -> None:
    """Refuse to block the event loop that runs the load.

    Raises:
        RuntimeError: If this thread runs that event loop.
    """
    if not load.in_loop:
        return
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if running is load.loop:
        raise RuntimeError(
            f"{key!r} is being loaded by this thread's event loop, which cannot go on while the "
            "thread waits: await the method whose name begins with `a` instead"
        )
