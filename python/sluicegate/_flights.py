"""Loads that are under way: who runs them, who waits for them, and whether waiting can end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """How the load of one key ended."""

    value: Any
    error: Exception | None


class Flight:
    """One key on its way. Threads and event loops alike wait for its future.

    The future's result is None if the load was abandoned: who waited must begin again.
    """

    __slots__ = ("future", "load", "stamp")

    def __init__(self, load: Load) -> None:
        self.load = load
        #: What the cache held when the load began: shows whether a value was stored meanwhile.
        self.stamp = 0
        self.future: Future[Outcome | None] = Future()
        # A running future cannot be cancelled by one of those who wait for it.
        self.future.set_running_or_notify_cancel()

    def land(self, outcome: Outcome | None) -> None:
        """Tell those who wait."""
        # It may have been given up already, because its event loop had stopped.
        with suppress(InvalidStateError):
            self.future.set_result(outcome)


class Load:
    """One call of a loader, for one key or many."""

    __slots__ = (
        "_offered",
        "failure",
        "flights",
        "loader",
        "loop",
        "single",
        "task",
        "thread",
        "waits_for",
    )

    def __init__(
        self, loader: Callable[..., Any], single: bool, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self.loader = loader
        #: Whether the loader takes one key and returns its value.
        self.single = single
        #: The event loop that runs it; None if a thread does.
        self.loop = loop
        #: The thread that runs it, once one does.
        self.thread: int | None = None
        self.flights: dict[Any, Flight] = {}
        #: Other loads for which its loader waits.
        self.waits_for: set[Load] = set()
        #: What ended it without an outcome.
        self.failure: BaseException | None = None
        #: Keeps the task alive: an event loop alone does not.
        self.task: asyncio.Task[None] | None = None
        self._offered = threading.Semaphore(0)

    def offer(self) -> None:
        """Let one thread run it, whichever comes first. Until then, only its maker may."""
        self._offered.release()

    def take(self) -> bool:
        """Whether the caller is the one to run it: true once after it was offered."""
        return self._offered.acquire(blocking=False)

    def is_dead(self) -> bool:
        """Whether its event loop has stopped, and it with it."""
        return self.loop is not None and not self.loop.is_running()

    def leads_to(self, other: Load) -> bool:
        """Whether it cannot end before the other one does."""
        seen: set[Load] = set()
        todo = [self]
        while todo:
            load = todo.pop()
            if load is other:
                return True
            if load not in seen:
                seen.add(load)
                todo.extend(tuple(load.waits_for))
        return False


#: The load whose loader runs in this context. Inherited by tasks that the loader starts.
current: contextvars.ContextVar[Load | None] = contextvars.ContextVar(
    "sluicegate_current_load", default=None
)


class waiting:  # noqa: N801 - used as a statement
    """Holds, as long as the block lasts, that the surrounding load waits for another.

    Raises:
        RuntimeError: If that could never end.
    """

    def __init__(self, key: object, load: Load) -> None:
        self._key = key
        self._load = load
        self._waiter = current.get()

    def __enter__(self) -> None:
        # First say it, then look: of two loads that begin to wait for each other at the same time,
        # at least one sees it.
        if self._waiter is not None:
            self._waiter.waits_for.add(self._load)
            if self._load.leads_to(self._waiter):
                self.__exit__()
                raise RuntimeError(
                    f"the loader waits for its own end: it asks for {self._key!r}, "
                    "whose load waits for this one"
                )

    def __exit__(self, *_exc: object) -> None:
        if self._waiter is not None:
            self._waiter.waits_for.discard(self._load)


def check_thread(key: object, load: Load) -> None:
    """Refuse to block the very thread that the load needs.

    Raises:
        RuntimeError: If that is what waiting here would do.
    """
    if load.loop is None and load.thread == threading.get_ident():
        raise RuntimeError(
            f"the loader of {key!r} asks for {key!r} itself, and would wait for its own end"
        )


def check_loop(key: object, load: Load) -> None:
    """Refuse to block the event loop that runs the load.

    Raises:
        RuntimeError: If that is what waiting here would do.
    """
    if load.loop is None:
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
