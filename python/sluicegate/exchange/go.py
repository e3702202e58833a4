"""`Go`: calls that run in the background while their strategy continues."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from sluicegate.exchange.limits import Limits, through_go
from sluicegate.exchange.names import IO_API


class Running:
    """A call that runs in a thread.

    Args:
        run: What runs.
    """

    def __init__(self, run: Callable[[], Any]) -> None:
        """Starts it."""
        self._future: Future[Any] = Future()
        threading.Thread(target=self._run, args=(run,), name="exchange.Go", daemon=True).start()

    def _run(self, run: Callable[[], Any]) -> None:
        try:
            self._future.set_result(run())
        except BaseException as error:
            self._future.set_exception(error)

    def wait(self, timeout: float | None = None) -> Any:
        """The result; ``None`` where there is none within ``timeout`` milliseconds.

        May be called again, also after a timeout.

        Raises:
            Exception: Whatever the call raised.
        """
        wait([self._future], _seconds(timeout))
        return self._future.result() if self._future.done() else None


class Scheduled:
    """A call that runs in the event loop.

    Args:
        task: The task that runs it.
    """

    def __init__(self, task: asyncio.Task[Any]) -> None:
        """The task is running, or about to."""
        self._task = task

    async def wait(self, timeout: float | None = None) -> Any:
        """The result; ``None`` where there is none within ``timeout`` milliseconds.

        May be called again, also after a timeout.

        Raises:
            Exception: Whatever the call raised.
        """
        await asyncio.wait([self._task], timeout=_seconds(timeout))
        return self._task.result() if self._task.done() else None


class Refused:
    """A call that was not sent.

    Args:
        error: What `wait` raises; ``None`` to return ``None``.
    """

    def __init__(self, error: Exception | None) -> None:
        """It is over already."""
        self._error = error

    def wait(self, timeout: float | None = None) -> None:
        """``None``, at once.

        Raises:
            Exception: What the object raises for calls that are not sent, where it was given any.
        """
        if self._error is not None:
            raise self._error


def _seconds(timeout: float | None) -> float | None:
    return None if timeout is None else timeout / 1000


def go(limits: Limits, name: str, *args: Any, **kwargs: Any) -> Any:
    """Calls a method of the exchange object and returns at once.

    The call is charged now if it may be sent now. If it may not, it waits where the rules delay.

    Returns:
        What the object's own ``Go`` gives, where it has one and no limit needs its end.
        Otherwise a `Running`, a `Scheduled` for an asynchronous function, or a `Refused`.

    Raises:
        AttributeError: The object has no such method.
        TypeError: The name is no ``str``.
        RuntimeError: An asynchronous function outside of an event loop.
    """
    if not isinstance(name, str):
        raise TypeError(f"Go must be given the name of a function, not {name!r}")
    method = IO_API if name == "IO" and args[:1] == ("api",) else name
    own_go = getattr(limits.inner, "Go", None)
    if own_go is None:
        # A name that is wrong shall fail here, not in the thread.
        limits.method(name)
    gate = limits.gate_through_go(method)
    # A gate of `Go` alone is one for all functions.
    priority = limits.priority(through_go(method))
    if own_go is None and limits.is_asynchronous(name):
        return _schedule(limits, gate, priority, name, args, kwargs)
    entered = limits.enter(gate, wait=False, priority=priority)
    if entered is None and not limits.may_wait(gate):
        refusal = limits.refusal or ()
        # Once more, to log the reason.
        try:
            entered = limits.enter(gate, priority=priority)
        except refusal as error:
            return Refused(error)
        if entered is None:
            return Refused(None)
    if own_go is not None and entered is not None and not limits.holds:
        return own_go(name, *args, **kwargs)

    def run() -> Any:
        admitted = entered or limits.enter(gate, priority=priority)
        if admitted is None:
            return None
        with admitted:
            if own_go is not None:
                return own_go(name, *args, **kwargs).wait()
            return limits.method(name)(*args, **kwargs)

    return Running(run)


def _schedule(
    limits: Limits,
    gate: str,
    priority: int,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Scheduled:
    loop = asyncio.get_running_loop()
    entered = limits.enter(gate, wait=False, priority=priority)

    async def run() -> Any:
        admitted = entered or await limits.enter_async(gate, priority=priority)
        if admitted is None:
            return None
        with admitted:
            return await limits.method(name)(*args, **kwargs)

    return Scheduled(loop.create_task(run()))
