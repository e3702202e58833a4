"""`Background`: an event loop in a thread of its own, for work that must not delay the bot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds for which `close` waits for what it has cancelled.
_PATIENCE = 5.0


class ClosedError(Exception):
    """It takes no more work, or gave up what it was doing."""


class Background:
    """An event loop on a thread of its own, which begins with its first use."""

    def __init__(self, name: str) -> None:
        """Nothing runs yet.

        Args:
            name: The thread's name.
        """
        self._name = name
        # Reentrant: the garbage collector may end another bot's exchange at any point.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more work."""
        return self._closed

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and was not closed."""
        return self._loop is not None and not self._closed

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs a coroutine, and does not wait for it.

        Raises:
            ClosedError: It is closed.
            RuntimeError: The machine has no thread left for it; it may have one later.
        """
        with self._lock:
            if self._closed:
                work.close()
                raise ClosedError(f"{self._name} is closed")
            try:
                loop = self._loop or self._begin()
            except BaseException:
                work.close()
                raise
            return asyncio.run_coroutine_threadsafe(work, loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine, and waits for its result.

        Raises:
            ClosedError: It is closed, or was while the work was under way.
        """
        future = self.start(work)
        try:
            return future.result()
        except CancelledError as error:
            raise ClosedError(f"{self._name} was closed") from error
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancels everything that runs, and ends the thread."""
        with self._lock:
            first, self._closed = not self._closed, True
            loop, thread = self._loop, self._thread
            if first and loop is not None:
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _begin(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            loop.close()
            raise
        # Not before: a caller would wait for ever for a loop that does not run.
        self._loop, self._thread = loop, thread
        return loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with self._lock:
                # It may have ended without `close`: a SystemExit goes through an event loop.
                self._closed = True
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
