"""Loads that are under way: who runs them, who waits for them, and whether waiting can end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

#: How often, in seconds, a waiter looks whether the event loop that loads for it still runs. (A
#: loop tells nobody that it ends. A load of a thread always does.)
LOOK_AGAIN = 0.5

#: Longer than any load, in seconds.
_FOR_EVER = 1e8


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

    def wait(self) -> Outcome | None:
        """Block the thread until it lands; return None as well if it cannot land any more."""
        while True:
            try:
                return self.future.result(LOOK_AGAIN if self.load.in_loop else None)
            except FutureTimeoutError:
                if self.load.is_dead():
                    return None

    async def join(self) -> Outcome | None:
        """Like `wait`, for asyncio.

        The task that waits is held by its event loop, and not by the flight: asyncio alone would
        let a task be collected that nobody keeps, and a loop that was abandoned must not stay.
        """
        loop = asyncio.get_running_loop()
        landed = loop.create_future()
        self.future.add_done_callback(partial(_tell, weakref.ref(landed)))
        holding = hold(loop, landed)
        try:
            if not self.load.in_loop or self.load.loop is loop:
                await landed
            while not landed.done():
                await asyncio.wait((landed,), timeout=LOOK_AGAIN)
                if not landed.done() and self.load.is_dead():
                    return None
        finally:
            holding.cancel()
        return self.future.result()


def hold(loop: asyncio.AbstractEventLoop, kept: object) -> asyncio.TimerHandle:
    """Keep an object alive as long as an event loop lives, or until the handle is cancelled."""
    # A timer is the one thing that a loop of any kind keeps, and drops with itself.
    return loop.call_later(_FOR_EVER, id, kept)


def _tell(waiter: weakref.ref[asyncio.Future[None]], _: object) -> None:
    """Wake who waits in an event loop, from whatever thread, if the loop is still there."""
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
        self._loader: Callable[..., Any] | None = loader
        #: Whether the loader takes one key and returns its value.
        self.single = single
        #: Whether an event loop runs it, and not a thread.
        self.in_loop = loop is not None
        # Weakly: a cache must not keep a loop that was abandoned in the middle of a load.
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
        """Its loader, which it does not keep: that may lead to a loop that was abandoned."""
        loader, self._loader = self._loader, None
        assert loader is not None, "only who runs it takes its loader"
        return loader

    def begin(self, run: Coroutine[Any, Any, None], end: Callable[[], None]) -> asyncio.Task[None]:
        """Run it as a task of the current event loop, and call `end` however it ends."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(run)
        holding = hold(loop, task)

        def ended(task: asyncio.Task[None]) -> None:
            holding.cancel()
            if task.cancelled():
                # Perhaps before it had begun: then it could not say so itself.
                self.failure = self.failure or asyncio.CancelledError()
            elif isinstance(self.failure, KeyboardInterrupt | SystemExit):
                task.exception()  # has ended the loop: no need for asyncio to log it
            end()

        task.add_done_callback(ended)
        return task

    def offer(self) -> None:
        """Let one thread run it, whichever comes first. Until then, only its maker may."""
        self._offered.release()

    def take(self) -> bool:
        """Whether the caller is the one to run it: true once after it was offered."""
        return self._offered.acquire(blocking=False)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that runs it; None if a thread does, or the loop is gone."""
        return None if self._loop is None else self._loop()

    def is_dead(self) -> bool:
        """Whether nobody runs it any more: its event loop has stopped, or a fork left it behind."""
        if self.in_loop:
            loop = self.loop
            if loop is None or not loop.is_running():
                return True
        return self.is_left_behind()

    def is_left_behind(self) -> bool:
        """Whether it began before this process was forked from another."""
        return self._process != os.getpid()

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
    if not load.in_loop and load.thread == threading.get_ident():
        raise RuntimeError(
            f"the loader of {key!r} asks for {key!r} itself, and would wait for its own end"
        )


def check_loop(key: object, load: Load) -> None:
    """Refuse to block the event loop that runs the load.

    Raises:
        RuntimeError: If that is what waiting here would do.
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
