"""Loads under way: `Load`, one call of a loader, and `Flight`, the future of one key of it."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

#: How often, in seconds, a waiter checks whether the event loop that runs its load still runs. (An
#: event loop that ends notifies nobody. A load in a thread always completes its future.)
CHECK_INTERVAL = 0.5

#: Longer than any load, in seconds.
_FOR_EVER = 1e8


class Outcome(NamedTuple):
    """How the load of one key ended."""

    value: Any
    error: Exception | None


class Flight:
    """The load of one key. Threads and event loops wait for its future.

    The future's result is None if the load was abandoned: each waiter must then begin again.
    """

    __slots__ = ("future", "load", "stamp")

    def __init__(self, load: Load) -> None:
        """Not yet complete."""
        self.load = load
        #: The entry's stamp when the load began: another stamp means that a value was stored since.
        self.stamp = 0
        self.future: Future[Outcome | None] = Future()
        # A running future cannot be cancelled by one of its waiters.
        self.future.set_running_or_notify_cancel()

    def complete(self, outcome: Outcome | None) -> None:
        """Set the result, which wakes all waiters. Only the first result counts."""
        # It may have been abandoned already, because its event loop had stopped.
        with suppress(InvalidStateError):
            self.future.set_result(outcome)

    def wait(self) -> Outcome | None:
        """Block the thread until it completes; return None also if it can no longer complete."""
        while True:
            try:
                return self.future.result(CHECK_INTERVAL if self.load.in_loop else None)
            except FutureTimeoutError:
                if self.load.is_dead():
                    return None

    async def join(self) -> Outcome | None:
        """Like `wait`, for asyncio.

        The event loop, and not the flight, keeps the waiting task alive: asyncio alone lets a task
        be collected that nothing refers to, and an abandoned event loop must be collected.
        """
        loop = asyncio.get_running_loop()
        completed = loop.create_future()
        self.future.add_done_callback(partial(_notify, weakref.ref(completed)))
        holding = hold(loop, completed)
        try:
            if not self.load.in_loop or self.load.loop is loop:
                await completed
            while not completed.done():
                await asyncio.wait((completed,), timeout=CHECK_INTERVAL)
                if not completed.done() and self.load.is_dead():
                    return None
        finally:
            holding.cancel()
        return self.future.result()


def hold(loop: asyncio.AbstractEventLoop, kept: object) -> asyncio.TimerHandle:
    """Keep an object alive as long as its event loop lives, or until the handle is cancelled."""
    # Every kind of event loop owns its timers, and frees them when it is collected.
    return loop.call_later(_FOR_EVER, id, kept)


def _notify(waiter: weakref.ref[asyncio.Future[None]], _: object) -> None:
    """Wake a waiter of an event loop, from any thread, if the loop still exists."""
    future = waiter()
    if future is not None:
        with suppress(RuntimeError):  # the loop was closed
            future.get_loop().call_soon_threadsafe(_wake, future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Load:
    """One call of a loader, for one key or many."""

    __slots__ = (
        "_loader",
        "_loop",
        "_offered",
        "_process",
        "failure",
        "flights",
        "in_loop",
        "single",
        "thread",
        "waits_for",
    )

    def __init__(
        self, loader: Callable[..., Any], single: bool, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        """Not begun yet; `loop` is the event loop that will run it, None for a thread."""
        self._loader: Callable[..., Any] | None = loader
        #: Whether the loader takes one key and returns its value.
        self.single = single
        #: Whether an event loop runs it; else a thread does.
        self.in_loop = loop is not None
        # Weak: a cache must not keep an event loop alive that was abandoned during a load.
        self._loop = None if loop is None else weakref.ref(loop)
        self._process = os.getpid()
        #: The thread that runs it, once one does.
        self.thread: int | None = None
        self.flights: dict[Any, Flight] = {}
        #: Other loads for which its loader waits.
        self.waits_for: set[Load] = set()
        #: What ended it without an outcome.
        self.failure: BaseException | None = None
        self._offered = threading.Semaphore(0)

    def take_loader(self) -> Callable[..., Any]:
        """Return the loader, and drop it: it may refer to an event loop that was abandoned."""
        loader, self._loader = self._loader, None
        assert loader is not None, "the loader is taken once, by the thread or task that runs it"
        return loader

    def begin(self, run: Coroutine[Any, Any, None], end: Callable[[], None]) -> asyncio.Task[None]:
        """Run it as a task of the current event loop, and call `end` however it ends."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(run)
        holding = hold(loop, task)

        def ended(task: asyncio.Task[None]) -> None:
            holding.cancel()
            if task.cancelled():
                # Perhaps before its first step, when its own code could not record that.
                self.failure = self.failure or asyncio.CancelledError()
            elif isinstance(self.failure, KeyboardInterrupt | SystemExit):
                task.exception()  # it has ended the loop: asyncio need not log it
            end()

        task.add_done_callback(ended)
        return task

    def offer(self) -> None:
        """Let one thread run it: the first that calls `take`."""
        self._offered.release()

    def take(self) -> bool:
        """Whether the caller must run it: true for one caller after `offer`."""
        return self._offered.acquire(blocking=False)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that runs it; None if a thread does, or the loop is gone."""
        return None if self._loop is None else self._loop()

    def is_dead(self) -> bool:
        """Whether it can no longer end: its event loop has stopped, or the process was forked."""
        if self.in_loop:
            loop = self.loop
            if loop is None or not loop.is_running():
                return True
        return self.is_left_behind()

    def is_left_behind(self) -> bool:
        """Whether it began in another process, of which this one is a fork."""
        return self._process != os.getpid()

    def leads_to(self, other: Load) -> bool:
        """Whether it waits for the other load, directly or through others."""
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
